"""Writing many synthetic scenes as a dataset folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import UsageError
from piafusion.files import whole_folder, write_json
from piafusion.imaging.io import write_image
from piafusion.run.progress import Progress, counted, silent
from piafusion.scenes.synthetic import CLASSES, SUNRISE, labelled_scene

MANIFEST = "scenes.json"


@dataclass(frozen=True)
class Recipe:
    """Settings of the scenes; a value of None is drawn for each scene.

    Attributes:
        seed: Seed of the first scene; the following ones count up.
        height: Pixels.
        width: Pixels.
        daylight: See `labelled_scene`.
        fog: See `labelled_scene`.
        shift: Largest move of a corner of the infrared picture, in pixels.
        nights: Share of the scenes that are drawn at night, in [0, 1]; None draws any daylight
            alike, so that 22 % are.
    """

    seed: int = 0
    height: int = 480
    width: int = 640
    daylight: float | None = None
    fog: float = 0.0
    shift: float = 0.0
    nights: float | None = None


def write_scenes(
    output: Path, count: int, recipe: Recipe, progress: Progress = silent
) -> list[str]:
    """Write `ir`, `vi` and `label` with names like 00007N, and how each scene was made.

    The folder is called `OUTPUT.partial` until all of them are there.

    Returns:
        The stems.

    Raises:
        UsageError: If the count is not positive, a setting is wrong, or the folder exists.
        OutputError: If it cannot be written.
    """
    if count < 1:
        raise UsageError(f"count: expected 1 or more, found {count}")
    if not 0 <= recipe.shift <= recipe.width / 8:
        raise UsageError(
            f"shift: expected 0 to {recipe.width / 8:g} pixels, found {recipe.shift:g}; a scene "
            "moved further is no pair"
        )
    if recipe.nights is not None and not 0 <= recipe.nights <= 1:
        raise UsageError(f"nights: expected 0 to 1, found {recipe.nights:g}; pass a share")
    if recipe.nights is not None and recipe.daylight is not None:
        raise UsageError("nights: cannot be met with one daylight for all; leave one of them out")
    with whole_folder(output) as work:
        scenes = _write(work, count, recipe, progress)
        manifest = {"classes": CLASSES, "scenes": scenes}
        write_json(work / MANIFEST, manifest, indent=1)
    return list(scenes)


def _write(work: Path, count: int, recipe: Recipe, progress: Progress) -> dict[str, Any]:
    scenes = {}
    for index in counted(range(count), "painting", progress):
        seed = recipe.seed + index
        draw = np.random.default_rng((seed, 1))
        chance, moves = float(draw.random()), draw.uniform(-1, 1, (4, 2))
        daylight = recipe.daylight
        if daylight is None:
            daylight = chance if recipe.nights is None else _daylight(chance, recipe.nights)
        warp = _misalignment(recipe, moves)
        stem = f"{seed:05d}{'D' if daylight >= SUNRISE else 'N'}"
        scene = labelled_scene(
            seed,
            daylight=daylight,
            fog=recipe.fog,
            misalignment=warp,
            height=recipe.height,
            width=recipe.width,
        )
        for folder, picture in (
            ("ir", scene.infrared),
            ("vi", scene.visible),
            ("label", scene.labels),
        ):
            write_image(work / folder / f"{stem}.png", picture)
        scenes[stem] = {
            "seed": seed,
            "daylight": daylight,
            "fog": recipe.fog,
            "misalignment": warp.tolist(),
        }
    return scenes


def _daylight(chance: float, nights: float) -> float:
    """Turn a draw from [0, 1) into one that is below `SUNRISE` in a share of the cases."""
    if chance < nights:
        return SUNRISE * chance / nights
    return SUNRISE + (1 - SUNRISE) * (chance - nights) / (1 - nights)


def _misalignment(recipe: Recipe, moves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Homography that moves the corners by shares of the greatest shift, `4 x 2`."""
    if recipe.shift == 0:
        return np.eye(3)
    right, bottom = recipe.width - 1.0, recipe.height - 1.0
    corners = np.array([(0, 0), (right, 0), (right, bottom), (0, bottom)], np.float32)
    moved = (corners + recipe.shift / np.sqrt(2) * moves).astype(np.float32)
    return np.asarray(cv2.getPerspectiveTransform(corners, moved), np.float64)
