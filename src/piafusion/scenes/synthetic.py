"""Road scenes of our own making: infrared and visible pictures of one street, day and night.

A street is modelled in metres; light gives the visible picture and temperature the infrared one,
so the two are aligned exactly. Nothing in them comes from a photograph.

`labelled_scene` makes 20 and more a second at 640x480 out of parts that are painted once: any
street, any hour between night and day, fog, labels and a known misalignment. The two shipped scenes
are painted in more detail, by `tools/demo_scenes.py`.

Examples:
    >>> dusk = labelled_scene(seed=3, daylight=0.22, height=96, width=128)
    >>> dusk.infrared.shape, dusk.visible.shape, int(dusk.labels.max()) <= 3
    ((96, 128), (96, 128, 3), True)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from piafusion.errors import UsageError
from piafusion.scenes.compose import paint_street
from piafusion.scenes.hour import hour_of
from piafusion.scenes.plan import plan_street
from piafusion.scenes.sensors import infrared_camera, visible_camera

CLASSES = ("background", "vehicle", "person", "bicycle")
"""Names of the labels 0 to 3, the classes of the paper's Table 4."""
SUNRISE = 0.22
"""Daylight at which the sun is on the horizon; by convention, less is night."""
MIN_SIDE = 64


@dataclass(frozen=True)
class LabelledScene:
    """A pair with its ground truth.

    Attributes:
        infrared: Thermal picture, uint8 `H x W`, warm is bright.
        visible: Colour picture, uint8 `H x W x 3`, RGB.
        labels: uint8 `H x W`, indices of `CLASSES`, aligned with `visible`.
        misalignment: Homography `3 x 3` from columns and rows of `visible` (0, 0 is the middle of
            the first pixel) to where the same point lies in `infrared`; the identity if aligned.
    """

    infrared: NDArray[np.uint8]
    visible: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    misalignment: NDArray[np.float64]


def labelled_scene(
    seed: int,
    *,
    daylight: float = 1.0,
    fog: float = 0.0,
    misalignment: ArrayLike | None = None,
    height: int = 480,
    width: int = 640,
) -> LabelledScene:
    """Compose a street.

    The same seed gives the same street, people and clouds at every hour and in every fog.

    Args:
        seed: Chooses the street and the noise; not negative.
        daylight: 0 is night, `SUNRISE` is dusk, 1 is noon.
        fog: 0 is clear (3 km of visibility), 1 is 45 m; the infrared picture suffers less.
        misalignment: Homography `3 x 3` from `visible` to `infrared`, see `LabelledScene`.
        height: Rows of the pictures, at least 64.
        width: Columns of the pictures, at least 64.

    Returns:
        The pair, the same for the same arguments.

    Raises:
        UsageError: If a number is outside its range or `misalignment` is not an invertible 3 x 3.
    """
    check_size(height, width, seed)
    for name, value in (("daylight", daylight), ("fog", fog)):
        if not 0 <= value <= 1:
            raise UsageError(f"{name}: expected 0 to 1, found {value:g}; pass a share")
    warp = np.eye(3) if misalignment is None else np.asarray(misalignment, np.float64)
    if warp.shape != (3, 3) or not abs(np.linalg.det(warp)) > 1e-9:  # a NaN is not more either
        raise UsageError(
            "misalignment: expected an invertible 3 x 3 matrix, "
            f"found {np.array2string(warp, separator=', ')}; pass a homography"
        )
    layout, grain = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    plan = plan_street(layout)
    hour = hour_of(daylight, plan.azimuth, fog)
    canvas = paint_street(plan, hour, height, width)
    return LabelledScene(
        infrared=infrared_camera(canvas, hour, fog, warp, grain),
        visible=visible_camera(canvas, hour, fog, grain),
        labels=canvas.labels,
        misalignment=warp,
    )


def demo_scenes_root() -> Path:
    """Folder of the shipped scenes, with `ir/street_D.png` and so on."""
    return Path(__file__).parent / "shipped"


def check_size(height: int, width: int, seed: int) -> None:
    """Raise `UsageError` if a side is too short or the seed is negative."""
    for name, side in (("height", height), ("width", width)):
        if side < MIN_SIDE:
            raise UsageError(
                f"{name}: expected at least {MIN_SIDE} pixels, found {side}; ask for a larger scene"
            )
    if seed < 0:
        raise UsageError(f"seed: expected 0 or more, found {seed}; pass a non-negative integer")
