"""Arrays that are used again for the next picture.

Memory that is asked for anew for each picture is given back after each, and the system then
clears its pages once more: at 640x480 that costs more than all the arithmetic around the network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Scratch:
    """Arrays by name, for one picture at a time.

    >>> scratch = Scratch()
    >>> scratch("y", (480, 640), np.float32) is scratch("y", (480, 640), np.float32)
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


class ScratchPool:
    """Lends each caller a scratch of its own; keeps as many as were in use at the same time."""

    def __init__(self) -> None:
        self._free: deque[Scratch] = deque()

    @contextmanager
    def lend(self) -> Iterator[Scratch]:
        """Lend a scratch for one picture; what lies in it must not be used afterwards."""
        try:
            scratch = self._free.pop()
        except IndexError:
            scratch = Scratch()
        try:
            yield scratch
        finally:
            self._free.append(scratch)
