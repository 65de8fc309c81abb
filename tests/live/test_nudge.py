"""Moving the infrared picture by hand."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from piafusion.errors import UsageError
from piafusion.imaging.align import Alignment, Quality
from piafusion.imaging.align.lens import Lens
from piafusion.live.nudge import STILL, Nudge, judged, nudged

SIZE = (60, 80)
SPOT = np.zeros(SIZE, np.uint8)
cv2.circle(SPOT, (50, 20), 4, 255, -1)


def place_of(picture: np.ndarray) -> np.ndarray:
    """Return x and y of what is bright."""
    rows, columns = np.nonzero(picture > 100)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize(
    ("nudge", "expected"),
    [
        (Nudge(x=6, y=-3), (56, 17)),
        (Nudge(scale=1.2), (39.5 + 1.2 * 10.5, 29.5 - 1.2 * 9.5)),
        (Nudge(angle=90), (39.5 + 9.5, 29.5 + 10.5)),  # clockwise: up goes to the right
    ],
)
def test_the_picture_goes_where_it_is_moved(nudge: Nudge, expected: tuple[float, float]) -> None:
    rig = nudged(None, nudge, SIZE, SIZE)
    assert rig is not None
    np.testing.assert_allclose(place_of(rig.warp(SPOT, SIZE)), expected, atol=0.3)


def test_a_move_comes_on_top_of_the_rig() -> None:
    quality = Quality(0.5, 0.5, 1, 1, 3)
    base = Alignment.of("homography", np.diag([0.5, 0.5, 1]), (30, 40), SIZE, quality)
    assert nudged(base, STILL, (30, 40), SIZE) is base
    seen = replace(base, infrared_lens=Lens.plain((30, 40), 0.1))
    bent = nudged(seen, Nudge(x=5), (30, 40), SIZE)
    assert bent is not None
    assert bent.infrared_lens == seen.infrared_lens
    moved = nudged(base, Nudge(x=5), (30, 40), SIZE)
    assert moved is not None
    assert moved.kind == "homography"
    small = cv2.resize(SPOT, (40, 30), interpolation=cv2.INTER_AREA)
    before, after = (place_of(rig.warp(small, SIZE)) for rig in (base, moved))
    np.testing.assert_allclose(after - before, (5, 0), atol=0.2)


@pytest.mark.parametrize("size", [(30, 40), (30, 60), (45, 40)])
def test_another_size_covers_the_visible_picture(size: tuple[int, int]) -> None:
    assert nudged(None, STILL, SIZE, SIZE) is None
    rig = nudged(None, STILL, size, SIZE)
    assert rig is not None
    assert rig.coverage(size, SIZE).min() == 1


@pytest.mark.parametrize("values", [{"x": float("nan")}, {"scale": 0}, {"angle": 400}])
def test_absurd_moves_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(values))}: expected"):
        Nudge(**values)


def test_a_rig_that_cannot_be_judged_is_told() -> None:
    rig = nudged(None, Nudge(x=1), SIZE, SIZE)
    assert rig is not None
    same, words = judged(rig, SPOT, SPOT)  # too small
    assert same is rig
    assert words.startswith("not checked: ")
