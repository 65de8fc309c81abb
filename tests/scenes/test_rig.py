import cv2
import numpy as np
import pytest

from piafusion.errors import UsageError
from piafusion.scenes.rig import Rig, RigCamera, rig_scene

SIZE = (240, 320)
COLOUR = RigCamera(SIZE, 0.8, (-0.1, 0.02))
THERMAL = RigCamera((192, 256), 0.9, (-0.3, 0.08), (0.5, -1.0, 2.0))


def test_places_say_where_the_infrared_camera_sees_each_visible_pixel() -> None:
    taken = rig_scene(3, Rig(THERMAL, COLOUR))
    same = rig_scene(3, Rig(COLOUR, COLOUR, baseline=0.0))  # an infrared camera in its place
    identity = np.stack(np.meshgrid(np.arange(320), np.arange(240)), axis=-1)
    np.testing.assert_allclose(same.places, identity, atol=0.02)
    np.testing.assert_array_equal(taken.visible, same.visible)

    x, y = cv2.split(taken.places)

    def off(right: float) -> float:
        moved = cv2.remap(taken.infrared, x + np.float32(right), y, cv2.INTER_LINEAR)
        return float(np.abs(moved.astype(float) - same.infrared)[taken.seen].mean())

    assert off(0) < 0.7 * min(off(-1), off(1))
    assert 0.8 < taken.seen.mean() < 1


def test_near_things_are_moved_by_parallax() -> None:
    camera = RigCamera(SIZE, 0.8)
    taken = rig_scene(3, Rig(camera, camera, baseline=0.1))
    x = taken.places[..., 0] - np.arange(320)
    np.testing.assert_allclose(x, -0.1 * camera.focal / taken.depth, atol=0.02)
    assert (~taken.seen).any()  # beside near things, and beyond the border


def test_a_picture_that_is_too_small_is_refused() -> None:
    with pytest.raises(UsageError, match="width: expected at least 64"):
        rig_scene(0, Rig(RigCamera((64, 32))))
