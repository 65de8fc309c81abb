"""Arrays that are used again for the next picture.

New memory for each picture is slow: the system clears its pages each time. At 640x480 that costs
more than all the arithmetic around the network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Buffers:
    """Arrays by name, for one picture at a time.

    >>> buffers = Buffers()
    >>> buffers("y", (480, 640), np.float32) is buffers("y", (480, 640), np.float32)
    True
    """

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def __call__(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return the array of that name, its content undefined; a new one if shape or dtype is."""
        array = self._arrays.get(name)
        if array is None or array.shape != shape or array.dtype != dtype:
            array = self._arrays[name] = np.empty(shape, dtype)
        return array


class BufferPool:
    """Lends each caller buffers of its own; keeps as many as were in use at the same time."""

    def __init__(self) -> None:
        self._free: deque[Buffers] = deque()

    @contextmanager
    def lend(self) -> Iterator[Buffers]:
        """Lend buffers for one picture; their content must not be used afterwards."""
        try:
            buffers = self._free.pop()
        except IndexError:
            buffers = Buffers()
        try:
            yield buffers
        finally:
            self._free.append(buffers)
