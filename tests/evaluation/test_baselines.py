import numpy as np
import pytest

from piafusion.errors import SizeMismatchError
from piafusion.evaluation.baselines import average, maximum
from tests.conftest import scene


def test_by_hand_on_grey() -> None:
    infrared = np.array([[0, 100], [255, 7]], np.uint8)
    visible = np.array([[50, 20], [255, 8]], np.uint8)
    np.testing.assert_array_equal(average(infrared, visible), [[25, 60], [255, 8]])
    np.testing.assert_array_equal(maximum(infrared, visible), [[50, 100], [255, 8]])


def test_colour_and_dtype_are_those_of_the_visible_picture() -> None:
    infrared, visible = scene()
    for dtype, full in ((np.uint8, 255), (np.uint16, 65535), (np.float32, 1)):
        picture = (visible / 255 * full).astype(dtype)
        fused = maximum(infrared, picture)
        assert (fused.dtype, fused.shape) == (dtype, visible.shape)
    black = np.zeros_like(infrared)
    np.testing.assert_allclose(maximum(black, visible), visible, atol=1)
    with pytest.raises(SizeMismatchError):
        average(infrared[1:], visible)
