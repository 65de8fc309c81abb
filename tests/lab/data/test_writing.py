import json

import cv2
import numpy as np
import pytest

from piafusion.imaging.io import read_image
from piafusion.lab.data.folders import dataset_pairs
from piafusion.lab.data.writing import Recipe, write_scenes

SIZE = ("--size", "96x80")


def test_the_command_makes_a_data_set(piafusion, tmp_path):
    out = tmp_path / "set"
    arguments = ("--count", 3, "--seed", 5, "--shift", 4, *SIZE, "--json")
    done = piafusion("data", "synth", out, *arguments)
    assert done.code == 0, done.err
    stems = json.loads(done.out)["stems"]
    assert [pair.stem for pair in dataset_pairs(out).pairs] == stems
    assert [stem[:-1] for stem in stems] == ["00005", "00006", "00007"]
    manifest = json.loads((out / "scenes.json").read_text())
    assert manifest["classes"] == ["background", "vehicle", "person", "bicycle"]
    corners = np.array([[(0, 0), (95, 0), (95, 79), (0, 79)]], float)
    for stem in stems:
        assert read_image(out / "label" / f"{stem}.png").shape == (80, 96)
        made = manifest["scenes"][stem]
        assert (made["daylight"] >= 0.22) == stem.endswith("D")
        moved = cv2.perspectiveTransform(corners, np.array(made["misalignment"]))
        lengths = np.linalg.norm(moved - corners, axis=2)
        assert 0 < lengths.max() <= 4.01


def test_the_same_command_gives_the_same_bytes(piafusion, tmp_path):
    for name in ("one", "two"):
        assert piafusion("data", "synth", tmp_path / name, "--count", 2, *SIZE).code == 0
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_share_of_the_scenes_is_at_night(piafusion, tmp_path):
    counted = {}
    for nights in ("0", "0.5", "1"):
        out = tmp_path / nights
        assert piafusion("data", "synth", out, "--count", 5, *SIZE, "--nights", nights).code == 0
        made = json.loads((out / "scenes.json").read_text())["scenes"]
        counted[nights] = sum(stem.endswith("N") for stem in made)
        assert all((scene["daylight"] < 0.22) == stem.endswith("N") for stem, scene in made.items())
    assert (counted["0"], counted["1"]) == (0, 5)
    assert 0 < counted["0.5"] < 5


def test_a_finished_folder_is_left_alone(piafusion, tmp_path):
    assert piafusion("data", "synth", tmp_path / "one", "--count", 1, *SIZE).code == 0
    done = piafusion("data", "synth", tmp_path / "one", "--count", 1, *SIZE)
    assert done.code == 2
    assert "exists already" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "big"], "--size: expected WIDTHxHEIGHT"),
        (["--count", "0"], "0 is not in the range"),
        (["--shift", "100"], "shift: expected 0 to 80 pixels"),
        (["--daylight", "2"], "2.0 is not in the range"),
        (["--nights", "2"], "2.0 is not in the range"),
        (["--nights", "0.5", "--daylight", "1"], "nights: cannot be met with one daylight"),
    ],
)
def test_wrong_options(piafusion, tmp_path, options, message):
    done = piafusion("data", "synth", tmp_path / "out", *options)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out").exists()


def test_what_stops_half_way_does_not_look_finished(tmp_path):
    def stop_after_one(label, done, total):
        if done == 1:
            raise KeyboardInterrupt

    recipe = Recipe(height=64, width=64)
    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path / "out", 3, recipe, stop_after_one)
    assert not (tmp_path / "out").exists()
    assert len(write_scenes(tmp_path / "out", 3, recipe)) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
