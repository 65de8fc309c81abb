"""Files of DJI's thermal cameras, with the program that knows their temperatures and without."""

import sys
from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import ImageError
from piafusion.imaging import dji
from piafusion.imaging.io import read_infrared, write_image
from piafusion.imaging.palettes import palette
from piafusion.imaging.tone import parse_tone
from tests.conftest import scene
from tests.imaging.flir_files import dji as dji_file

LEVELS = scene(96, 128)[0]
COUNTS = LEVELS.astype("<u2") * 10 + 15_000

PROGRAM = """#!{python}
import sys
from pathlib import Path
from shutil import copy
at = dict(zip(sys.argv, sys.argv[1:]))
assert Path(at["--input-dir"]).read_bytes()[:2] == b"\\xff\\xd8"
assert sys.argv[1] == "process" and at["--output"] == "temp_c:tiff"
if {works}:
    Path(at["--output-dir"]).mkdir()
    copy({answer!r}, Path(at["--output-dir"], "photo_temp_c.tiff"))
else:
    sys.exit("no parameters")
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "a_T.jpg").write_bytes(dji_file(COUNTS, np.dstack([LEVELS] * 3)))
    return tmp_path / "a_T.jpg"


def install(path: Path, celsius: np.ndarray, *, works: bool = True) -> None:
    """Put a program of that name, which answers with these temperatures, where it is looked for."""
    answer = path.with_name("answer.tif")
    write_image(answer, celsius)
    program = path.parent / "bin" / dji.PROGRAM
    program.write_text(PROGRAM.format(python=sys.executable, works=works, answer=str(answer)))
    program.chmod(0o755)


def test_temperatures_where_the_program_is_installed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    celsius = COUNTS.astype(np.float32) / 100 - 150
    celsius[0, 0] = -273.15
    install(path, celsius)
    found = read_infrared(path, parse_tone("plateau").check)
    assert np.isnan(found[0, 0])
    np.testing.assert_array_equal(found.ravel()[1:], celsius.ravel()[1:])
    assert dji.note_on(path) == ""
    monkeypatch.setattr(dji, "may_run", False)  # as in the server
    assert read_infrared(path).dtype == np.uint8


def test_a_program_that_fails_is_one_line(path: Path) -> None:
    install(path, COUNTS.astype(np.float32), works=False)
    with pytest.raises(ImageError, match=r"a_T\.jpg: expected temperatures .*\(no parameters\); "):
        read_infrared(path)


def test_without_it_the_grey_picture_or_the_counts_of_a_coloured_one(path: Path) -> None:
    grey = read_infrared(path)
    assert grey.dtype == np.uint8
    assert np.abs(grey.astype(int) - LEVELS).mean() < 2
    assert "8 bits are fused; for temperatures install dji-thermal-cli (AGPL" in dji.note_on(path)
    path.write_bytes(dji_file(COUNTS, palette("ironred")[LEVELS]))
    np.testing.assert_array_equal(read_infrared(path, parse_tone("plateau").check), COUNTS)
    assert "the sensor's counts are fused" in dji.note_on(path)
    with pytest.raises(ImageError, match=r"--tone percentile"):
        read_infrared(path, parse_tone("full").check)


def test_other_files_have_no_note(path: Path) -> None:
    write_image(path.with_name("other.jpg"), LEVELS)
    assert dji.note_on(path.with_name("other.jpg")) == ""
