"""Passes over a picture in strips of rows."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from piafusion import Fuser
from piafusion.imaging.strips import Strips
from tests.conftest import scene


@pytest.mark.parametrize(("threads", "rows", "unit"), [(1, 2**31, 1), (3, 2**31, 12), (1, 256, 94)])
@pytest.mark.parametrize("shape", [(8, 8), (1080, 1920), (1201, 1001), (9000, 1000)])
def test_strips_are_the_picture_in_whole_units(threads, rows, unit, shape):
    strips = Strips(threads, rows)(lambda strip: strip, shape, unit)
    assert [strip.start for strip in strips[1:]] == [strip.stop for strip in strips[:-1]]
    assert (strips[0].start, strips[-1].stop) == (0, shape[0])
    assert all(strip.start % unit == 0 for strip in strips)
    assert all(strip.stop - strip.start <= max(rows, unit) for strip in strips)
    assert len(strips) <= threads or shape[0] * shape[1] / len(strips) > 2**18 or rows == 256


def test_an_error_in_another_thread_is_raised():
    both = threading.Barrier(2, timeout=60)

    def work(strip):
        both.wait()  # each strip has a thread of its own
        if strip.start:
            raise MemoryError("the second strip")

    with pytest.raises(MemoryError, match="second"):
        Strips(2)(work, (1000, 1000))


def test_the_number_of_threads_changes_no_pixel():
    infrared, visible = scene(901, 1003)
    one, three = (Fuser("piafusion-fast", threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one(infrared, visible), three(infrared, visible))
