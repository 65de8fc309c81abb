import hashlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from piafusion.imaging.arrays import to_unit
from piafusion.imaging.colour import luminance
from piafusion.scenes.synthetic import CLASSES, LabelledScene, labelled_scene

SMALL = {"height": 240, "width": 320}


@pytest.fixture(scope="module")
def sweep() -> list[LabelledScene]:
    return [labelled_scene(9, daylight=d, **SMALL) for d in (1.0, 0.5, 0.22, 0.1, 0.0)]


def digest(scene: LabelledScene) -> str:
    parts = (scene.infrared, scene.visible, scene.labels)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def test_the_same_seed_gives_the_same_scene_in_another_process(sweep):
    code = (
        "from piafusion.scenes.synthetic import labelled_scene\n"
        "from tests.scenes.test_labelled_scene import digest, SMALL\n"
        "labelled_scene(2, **SMALL)\n"
        "print(digest(labelled_scene(9, daylight=0.0, **SMALL)))"
    )
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(sweep[-1])


def test_seeds_differ(sweep):
    other = labelled_scene(10, **SMALL)
    assert np.abs(other.visible.astype(float) - sweep[0].visible).mean() > 10


def test_every_class_occurs_and_the_labels_do_not_depend_on_the_hour(sweep):
    for scene in sweep[1:]:
        np.testing.assert_array_equal(scene.labels, sweep[0].labels)
    seen = {int(v) for seed in range(12) for v in np.unique(labelled_scene(seed, **SMALL).labels)}
    assert seen == set(range(len(CLASSES)))


def test_light_falls_from_day_to_night(sweep):
    levels = [scene.visible.mean() for scene in sweep]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > 3 * levels[-1]


def test_people_are_warm_at_night_and_the_sky_is_cold():
    margins = []
    for seed in range(8):
        scene = labelled_scene(seed, daylight=0.0, **SMALL)
        people = scene.labels == CLASSES.index("person")
        if people.sum() > 40:
            margins.append(scene.infrared[people].mean() - scene.infrared[~people].mean())
            assert scene.infrared[:20].mean() < scene.infrared[-20:].mean()
    assert len(margins) >= 4
    assert min(margins) > 40


def test_fog_takes_contrast_from_afar_and_less_from_the_infrared():
    clear, thick = (labelled_scene(3, daylight=0.7, fog=fog, **SMALL) for fog in (0.0, 1.0))
    far = slice(95, 125), slice(100, 220)

    def left(kind: str) -> float:
        return float(getattr(thick, kind)[far].std() / getattr(clear, kind)[far].std())

    assert left("visible") < 0.5
    assert left("visible") < left("infrared")


def test_misalignment_is_what_was_asked_for():
    shift = np.array([[1.0, 0.0, 7.0], [0.0, 1.0, -4.0], [0.0, 0.0, 1.0]])
    aligned, moved = (labelled_scene(4, misalignment=m, **SMALL) for m in (None, shift))
    np.testing.assert_array_equal(aligned.misalignment, np.eye(3))
    np.testing.assert_array_equal(aligned.visible, moved.visible)
    np.testing.assert_array_equal(aligned.labels, moved.labels)
    back = moved.infrared[:-4, 7:].astype(float)
    assert np.abs(back - aligned.infrared[4:, :-7]).mean() < 2.5


@pytest.mark.parametrize(("height", "width"), [(64, 64), (101, 64), (64, 300), (1100, 1300)])
def test_any_size(height, width):
    scene = labelled_scene(1, daylight=0.3, height=height, width=width)
    assert scene.visible.shape == (height, width, 3)
    assert scene.infrared.shape == scene.labels.shape == (height, width)
    assert {a.dtype for a in (scene.visible, scene.infrared, scene.labels)} == {np.dtype(np.uint8)}


def test_day_is_noisier_in_the_dark(sweep):
    def grain(scene: LabelledScene) -> float:
        sky = np.asarray(luminance(to_unit(scene.visible)))[:25, 130:190]
        return float((sky - cv2.GaussianBlur(sky, (0, 0), 2)).std() / sky.mean())

    assert grain(sweep[-1]) > 2 * grain(sweep[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed: expected 0 or more"),
        ({"seed": 0, "daylight": 1.5}, "daylight: expected 0 to 1, found 1.5"),
        ({"seed": 0, "fog": float("nan")}, "fog: expected 0 to 1, found nan"),
        ({"seed": 0, "height": 10}, "height: expected at least 64 pixels"),
        ({"seed": 0, "misalignment": np.zeros((3, 3))}, "invertible 3 x 3"),
        ({"seed": 0, "misalignment": np.eye(2)}, "invertible 3 x 3"),
    ],
)
def test_wrong_arguments_say_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        labelled_scene(**arguments)
