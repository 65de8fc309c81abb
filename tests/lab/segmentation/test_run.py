"""Whole comparisons on four tiny scenes."""

import csv
import json
import shutil

import numpy as np
import pytest

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.io import read_image, write_image
from piafusion.lab.segmentation import learning, resolve, segment
from piafusion.lab.segmentation.scores import confusion, intersection_over_union
from tests.lab.segmentation.conftest import TINY

SETTINGS = resolve("short", TINY)


def part(result, name):
    return [row for row in result.rows if row.part == name]


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory):
    output = tmp_path_factory.mktemp("comparison") / "out"
    told: list[tuple[str, int, int]] = []
    result = segment(
        root,
        ["infrared", "visible", "maximum", "piafusion-fast"],
        (0, 1),
        output=output,
        settings=SETTINGS,
        progress=lambda *what: told.append(what),
    )
    return output, result, told


def test_rows_are_what_the_predicted_labels_score(root, finished):
    output, result, _ = finished
    assert list(dict.fromkeys(row.part for row in result.rows)) == ["all", "day", "night"]
    assert [row.source for row in part(result, "night")] == list(result.sources)
    for row in result.rows:
        stems = {"all": "1D 2D 3N 4N", "day": "1D 2D", "night": "3N 4N"}[row.part].split()
        assert row.scenes == len(stems)
        means = []
        for seed in (0, 1):
            folder = output / "runs" / row.source / f"seed-{seed}" / "predicted"
            counts = sum(
                confusion(
                    read_image(root / "test" / "label" / f"{stem}.png"),
                    read_image(folder / f"{stem}.png"),
                )
                for stem in stems
            )
            means.append(intersection_over_union(counts)[-1])
        assert row.scores["mIoU"].mean == pytest.approx(np.mean(means))


def test_what_is_written(finished):
    output, result, told = finished
    saved = json.loads((output / "segmentation.json").read_text())
    assert saved == result.as_json()
    assert json.loads((output / "settings.json").read_text())["settings"]["steps"] == 3
    table = list(csv.DictReader((output / "table.csv").read_text().splitlines()))
    assert len(table) == 5 * (len(result.rows) + len(result.differences))
    shown = [row for row in table if (row["part"], row["score"]) == ("day", "mIoU")]
    assert float(shown[0]["mean"]) == pytest.approx(part(result, "day")[0].scores["mIoU"].mean)
    text = (output / "tables.md").read_text()
    assert "| source | background | vehicle | person | bicycle | mIoU |" in text
    assert "### By night: 2 scenes" in text
    assert "| maximum - infrared | night |" in text
    assert read_image(output / "sheet.png").shape == (32 + 4 * 72, 7 * 88 + 8, 3)
    assert told[-1][1:] == (24, 24)
    assert ("fusing", 16, 16) in told


def test_an_interrupted_comparison_goes_on(root, finished, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(finished[0], copy)
    journal = copy / "trainings.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 8
    journal.write_text("".join(lines[:-1]))
    trained, train = [], learning.train
    monkeypatch.setattr(learning, "train", lambda *given: trained.append(given[2]) or train(*given))
    result = segment(root, finished[1].sources, (0, 1), output=copy, settings=SETTINGS)
    assert trained == [1]
    assert result.as_json() == finished[1].as_json()


def test_other_settings_or_data_are_refused(root, finished, tmp_path):
    with pytest.raises(UsageError, match="other data or settings"):
        segment(root, ["visible"], (0,), output=finished[0], settings=resolve("short"))
    other = tmp_path / "other"
    shutil.copytree(root, other)
    label = other / "test" / "label" / "1D.png"
    write_image(label, 1 - np.minimum(read_image(label), 1), overwrite=True)
    with pytest.raises(UsageError, match="other data or settings"):
        segment(other, ["visible"], (0,), output=finished[0], settings=SETTINGS)


def test_pictures_fused_elsewhere_are_segmented(root, tmp_path):
    for split in ("train", "test"):
        shutil.copytree(root / split / "vi", tmp_path / "theirs" / split)
    given = ["visible", f"copy={tmp_path / 'theirs'}"]
    result = segment(
        root, given, (5,), output=tmp_path / "out", settings=SETTINGS, against=["copy"], scenes=1
    )
    visible, copy = part(result, "all")
    assert (visible.source, copy.source) == ("visible", "copy")
    assert visible.scores["mIoU"].mean == copy.scores["mIoU"].mean  # the same pixels, seed, steps
    (tmp_path / "theirs" / "test" / "3N.png").unlink()
    with pytest.raises(ImageError, match="no fused image for 1 of 4 pairs: 3N"):
        segment(root, given, (5,), output=tmp_path / "out", settings=SETTINGS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sources": []}, "expected one or more"),
        ({"sources": ["thermal"]}, "thermal: expected"),
        ({"sources": ["visible", "visible"]}, "'visible' twice"),
        ({"seeds": (1, 1)}, "seeds: expected different ones"),
        ({"against": ["maximum"]}, "against: expected a source of visible"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_made(root, tmp_path, wrong, message):
    given = {"sources": ["visible"], "seeds": (0,), **wrong}
    with pytest.raises(UsageError, match=message):
        segment(root, output=tmp_path / "out", settings=SETTINGS, **given)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_left_alone(root, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="other files"):
        segment(root, ["visible"], (0,), output=tmp_path, settings=SETTINGS)
