import numpy as np

from piafusion.imaging.buffers import BufferPool, Buffers


def test_an_array_is_kept_until_its_shape_or_dtype_changes() -> None:
    buffers = Buffers()
    first = buffers("y", (4, 5), np.float32)
    assert first.shape == (4, 5)
    assert buffers("y", (4, 5), np.float32) is first
    assert buffers("change", (4, 5), np.float32) is not first
    for shape, dtype in (((5, 4), np.float32), ((5, 4), np.uint8)):
        other = buffers("y", shape, dtype)
        assert other is not first
        assert (other.shape, other.dtype) == (shape, dtype)


def test_callers_at_the_same_time_get_bufferses_of_their_own() -> None:
    pool = BufferPool()
    with pool.lend() as first, pool.lend() as second:
        assert first is not second
    with pool.lend() as again:
        assert again in (first, second)
