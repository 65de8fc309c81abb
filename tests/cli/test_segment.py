import json

import pytest

from tests.lab.segmentation.conftest import TINY, write_splits

SET = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets")
    write_splits(folder, ("1D", "2N"))
    return folder


def test_the_command_prints_tables_and_names_the_sheet(piafusion, root, tmp_path):
    arguments = ("--sources", "visible,maximum", "--seeds", 2, "--output", tmp_path / "out", *SET)
    done = piafusion("segment", root, *arguments)
    assert done.code == 0, done.err
    assert "All: 2 scenes, IoU in per cent" in done.out
    assert "By night: 1 scene" in done.out
    assert done.out.splitlines()[2].startswith("visible ")
    assert f"sheet: {tmp_path / 'out' / 'sheet.png'}" in done.out
    again = piafusion("segment", root, *arguments, "--json")  # nothing is trained again
    assert json.loads(again.out)["seeds"] == [0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "steps"], "--set: expected NAME=VALUE"),
        (["--preset", "quick"], "expected a preset of short"),
        (["--sources", "thermal"], "thermal: expected"),
        (["--against", "gtf"], "against: expected a source"),
    ],
)
def test_wrong_use_exits_with_2(piafusion, root, tmp_path, options, message):
    done = piafusion("segment", root, "--output", tmp_path / "out", *SET, *options)
    assert done.code == 2
    assert message in done.err
