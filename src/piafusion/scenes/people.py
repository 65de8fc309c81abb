"""People on foot and a cyclist, put together from round limbs. Bare skin is the warmest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from piafusion.scenes.render import Frame, Placement, Surface
from piafusion.scenes.texture import Array, rgb

COATS = (
    (0.06, 0.07, 0.11),
    (0.55, 0.53, 0.48),
    (0.34, 0.05, 0.05),
    (0.45, 0.40, 0.30),
    (0.05, 0.14, 0.24),
    (0.32, 0.22, 0.05),
    (0.08, 0.16, 0.09),
)
DARK_COAT = (0.055, 0.05, 0.05)
TROUSERS = ((0.05, 0.07, 0.13), (0.035, 0.035, 0.04), (0.25, 0.20, 0.14), (0.12, 0.12, 0.13))
SKIN = (0.52, 0.32, 0.22)

Limb: TypeAlias = tuple[str, str, float, float, str]
"""Two joints, the radii at both in metres, and the garment."""
BODY: tuple[Limb, ...] = (
    ("hip_l", "knee_l", 0.092, 0.066, "legs"),
    ("hip_r", "knee_r", 0.092, 0.066, "legs"),
    ("knee_l", "foot_l", 0.064, 0.045, "legs"),
    ("knee_r", "foot_r", 0.064, 0.045, "legs"),
    ("foot_l", "toe_l", 0.048, 0.042, "shoes"),
    ("foot_r", "toe_r", 0.048, 0.042, "shoes"),
    ("waist", "chest", 0.148, 0.158, "coat"),
    ("hip_l", "chest_l", 0.105, 0.105, "coat"),
    ("hip_r", "chest_r", 0.105, 0.105, "coat"),
    ("shoulder_l", "shoulder_r", 0.082, 0.082, "coat"),
    ("shoulder_l", "elbow_l", 0.066, 0.052, "coat"),
    ("shoulder_r", "elbow_r", 0.066, 0.052, "coat"),
    ("elbow_l", "hand_l", 0.050, 0.040, "coat"),
    ("elbow_r", "hand_r", 0.050, 0.040, "coat"),
    ("hand_l", "hand_l", 0.046, 0.046, "skin"),
    ("hand_r", "hand_r", 0.046, 0.046, "skin"),
    ("neck", "head", 0.055, 0.06, "skin"),
    ("chin", "head", 0.078, 0.103, "skin"),
    ("crown", "nape", 0.104, 0.085, "hair"),
)


def paint_person(
    frame: Frame, rng: np.random.Generator, place: Placement, coat: Sequence[float], *, person: int
) -> None:
    """A walking person about 1.75 m tall; `person` is the value for the mask of people."""
    swing = float(rng.uniform(0.16, 0.30)) * float(rng.choice([-1.0, 1.0]))
    joints = {
        "hip_l": (0.0, -0.085, 0.90), "hip_r": (0.0, 0.085, 0.90),
        "knee_l": (0.75 * swing + 0.05, -0.09, 0.49),
        "knee_r": (-0.4 * swing + 0.05, 0.09, 0.49),
        "foot_l": (1.25 * swing, -0.09, 0.08),
        "foot_r": (-1.25 * swing, 0.09, 0.08 + 0.2 * abs(swing)),
        "toe_l": (1.25 * swing + 0.14, -0.10, 0.05), "toe_r": (-1.25 * swing + 0.14, 0.10, 0.06),
        "waist": (0.0, 0.0, 0.98), "chest": (0.02, 0.0, 1.27),
        "chest_l": (0.02, -0.085, 1.32), "chest_r": (0.02, 0.085, 1.32),
        "shoulder_l": (0.02, -0.155, 1.415), "shoulder_r": (0.02, 0.155, 1.415),
        "elbow_l": (-0.5 * swing - 0.03, -0.195, 1.15),
        "elbow_r": (0.5 * swing - 0.03, 0.195, 1.15),
        "hand_l": (-0.9 * swing + 0.08, -0.185, 0.91), "hand_r": (0.9 * swing + 0.08, 0.185, 0.91),
        "neck": (0.02, 0.0, 1.47), "chin": (0.05, 0.0, 1.57), "head": (0.035, 0.0, 1.645),
        "crown": (0.01, 0.0, 1.675), "nape": (-0.04, 0.0, 1.60),
    }  # fmt: skip
    size = float(rng.uniform(0.95, 1.05))
    scaled = {name: (a * size, b * size, c * size) for name, (a, b, c) in joints.items()}
    _paint_body(frame, place, scaled, _wardrobe(rng, coat), person)
    frame.ground.rest(place.world(_square(0.25))[:, [0, 2]])


def paint_cyclist(
    frame: Frame, rng: np.random.Generator, place: Placement, coat: Sequence[float]
) -> None:
    """A person on a bicycle."""
    joints = {
        "hip_l": (-0.18, -0.085, 1.00), "hip_r": (-0.18, 0.085, 1.00),
        "knee_l": (0.20, -0.10, 0.80), "knee_r": (0.10, 0.10, 0.58),
        "foot_l": (0.02, -0.10, 0.46), "foot_r": (-0.02, 0.10, 0.17),
        "toe_l": (0.16, -0.10, 0.44), "toe_r": (0.12, 0.10, 0.14),
        "waist": (-0.14, 0.0, 1.06), "chest": (0.10, 0.0, 1.32),
        "chest_l": (0.12, -0.08, 1.36), "chest_r": (0.12, 0.08, 1.36),
        "shoulder_l": (0.17, -0.16, 1.43), "shoulder_r": (0.17, 0.16, 1.43),
        "elbow_l": (0.34, -0.21, 1.22), "elbow_r": (0.34, 0.21, 1.22),
        "hand_l": (0.55, -0.21, 1.07), "hand_r": (0.55, 0.21, 1.07),
        "neck": (0.20, 0.0, 1.49), "chin": (0.27, 0.0, 1.56), "head": (0.25, 0.0, 1.64),
        "crown": (0.23, 0.0, 1.68), "nape": (0.17, 0.0, 1.62),
    }  # fmt: skip
    paint_bicycle(frame, place)
    _paint_body(frame, place, joints, _wardrobe(rng, coat), 1)
    frame.ground.rest(place.world(_square(0.5) * [1, 0.25, 1])[:, [0, 2]])


def paint_bicycle(frame: Frame, place: Placement) -> None:
    """A bicycle without its rider."""
    steel = Surface((0.03, 0.12, 0.14), 0.33, gloss=0.1)
    rubber = Surface((0.02, 0.02, 0.02), 0.46)
    frame_tubes = (
        ((-0.52, 0.34), (-0.05, 0.30)), ((-0.05, 0.30), (-0.20, 0.88)),
        ((-0.20, 0.82), (0.42, 0.84)), ((-0.05, 0.30), (0.43, 0.76)),
        ((-0.52, 0.34), (-0.18, 0.78)), ((0.42, 0.98), (0.55, 0.34)),
    )  # fmt: skip
    for start, stop in frame_tubes:
        ends = place.world(np.array([(start[0], 0.0, start[1]), (stop[0], 0.0, stop[1])]))
        _limb(frame, ends, (0.020, 0.020), steel, 0)
    bar = place.world(np.array([(0.50, -0.26, 1.03), (0.50, 0.26, 1.03)]))
    _limb(frame, bar, (0.018, 0.018), steel, 0)
    turn = np.linspace(0, 2 * np.pi, 25)
    for hub in (-0.52, 0.55):
        ring = np.stack([hub + 0.33 * np.cos(turn), 0 * turn, 0.345 + 0.33 * np.sin(turn)], axis=1)
        points = place.world(ring)
        for start, stop in pairwise(points):
            _limb(frame, np.stack([start, stop]), (0.020, 0.020), rubber, 0)


def _wardrobe(rng: np.random.Generator, coat: Sequence[float]) -> dict[str, Surface]:
    """Colours and thermal values of clothes, skin and hair: bare skin is the hottest."""
    legs = TROUSERS[int(rng.integers(len(TROUSERS)))]
    tone = np.asarray(SKIN) * rng.uniform(0.45, 1.05)
    return {
        "coat": Surface(coat, float(rng.uniform(0.80, 0.88))),
        "legs": Surface(legs, float(rng.uniform(0.82, 0.90))),
        "shoes": Surface((0.04, 0.035, 0.03), 0.66),
        "skin": Surface(tone, 1.0),
        "hair": Surface(rgb(0.10, 0.06, 0.035) * rng.uniform(0.3, 1.6), 0.86),
    }


def _paint_body(
    frame: Frame,
    place: Placement,
    joints: dict[str, tuple[float, float, float]],
    wardrobe: dict[str, Surface],
    person: int,
) -> None:
    for start, stop, r0, r1, part in BODY:
        ends = place.world(np.array([joints[start], joints[stop]]))
        rough = 0.10 if part in ("coat", "legs") else 0.04
        _limb(frame, ends, (r0, r1), wardrobe[part], person, rough)


def _limb(
    frame: Frame,
    ends: Array,
    radii: tuple[float, float],
    surface: Surface,
    person: int,
    rough: float = 0.0,
) -> None:
    frame.capsule((ends[0], ends[1]), radii, surface, person=person, rough=rough)
    frame.ground.cast_rod(ends[0], ends[1], max(radii))


def _square(half: float) -> Array:
    return half * np.array([(1.0, 1.0, 0.0), (1.0, -1.0, 0.0), (-1.0, -1.0, 0.0), (-1.0, 1.0, 0.0)])
