"""Our own scenes, aligned to the pixel, and known warps of their infrared pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from piafusion.imaging.align import search
from piafusion.imaging.align.geometry import resizing
from piafusion.imaging.io import read_pair
from piafusion.scenes.synthetic import demo_scenes_root

# Where visible pixels lie in the warped infrared picture, at 480x640: about 4 degrees, 6 % and
# 15 pixels, and some perspective.
KNOWN = np.array([[0.94, 0.066, 14.0], [-0.062, 0.95, 30.0], [2e-5, -1e-5, 1.0]])


def known_pair(
    light: str, infrared: tuple[int, int], visible: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return infrared and visible picture of the given sizes and the map that aligns them."""
    root = demo_scenes_root()
    ir, vi = read_pair(root / "ir" / f"street_{light}.png", root / "vi" / f"street_{light}.png")
    to_ir = resizing((480, 640), infrared)
    warped = cv2.warpPerspective(ir, to_ir @ KNOWN, infrared[::-1], flags=cv2.INTER_AREA)
    shown = cv2.resize(vi, visible[::-1], interpolation=cv2.INTER_AREA)
    return warped, shown, to_ir @ KNOWN @ resizing(visible, (480, 640))


@pytest.fixture(autouse=True)
def few_starts(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Look at few scales and rotations, but in tests that ask for `all_starts`."""
    if "all_starts" in request.fixturenames:
        monkeypatch.setattr(search, "ALL_ROTATIONS", np.arange(0.0, 360.0, 15.0))
    else:
        monkeypatch.setattr(search, "SCALES", np.array([0.95, 1.0, 1.05]))
        monkeypatch.setattr(search, "ROTATIONS", (-4.0, 0.0, 4.0))
        monkeypatch.setattr(search, "ALL_SCALES", np.array([0.35, 1.0]))
        monkeypatch.setattr(search, "ALL_ROTATIONS", (0.0, 90.0))


@pytest.fixture
def all_starts() -> None:
    """Look at all scales, and at a third of the rotations."""


@pytest.fixture(scope="session")
def day() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return known_pair("D", (240, 320), (480, 640))


@pytest.fixture(scope="session")
def small_day() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return known_pair("D", (120, 160), (240, 320))


@pytest.fixture(scope="session")
def small_night() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return known_pair("N", (120, 160), (240, 320))
