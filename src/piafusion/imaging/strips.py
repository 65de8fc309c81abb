"""Passes over a picture in strips of rows, shared by a few threads.

Many small strips would stay in a cache, but each call of NumPy and OpenCV hands Python's lock to
the other thread, which costs more.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

_LEAST = 2**18  # pixels; of smaller strips, the hand-overs cost more than the second thread brings
_MOST = 2**19  # pixels; larger strips are no faster, and need more memory
_VECTOR = 64  # values; whole vectors of any processor: a strip is computed as on the whole picture


class Strips:
    """Calls a function for each strip of a picture, in the caller's thread and a few others.

    >>> Strips(threads=2)(lambda rows: rows.stop - rows.start, (500, 1280))
    [250, 250]
    """

    def __init__(self, threads: int, rows: int = 2**31) -> None:
        """Start no thread yet.

        Args:
            threads: One of them is the caller's.
            rows: The most rows of a strip; more only where the unit has more.
        """
        self._threads, self._rows = threads, rows
        self._pool = ThreadPoolExecutor(threads - 1, "piafusion-strips") if threads > 1 else None

    def __call__(
        self, work: Callable[[slice], Result], shape: tuple[int, ...], unit: int = 1
    ) -> list[Result]:
        """Return the results for all strips, from top to bottom.

        Args:
            work: Takes rows; called in several threads at the same time.
            shape: Height and width of the picture.
            unit: Rows that are not torn apart.
        """
        strips = cut(shape, self._threads, self._rows, unit)
        todo, done = deque(enumerate(strips)), dict[int, Result]()

        def run() -> None:
            while todo:
                try:
                    place, rows = todo.popleft()
                except IndexError:  # another thread was quicker
                    return
                done[place] = work(rows)

        helpers = [self._pool.submit(run) for _ in strips[1:] if self._pool]
        try:
            run()
        finally:
            todo.clear()
            for helper in helpers:
                if not helper.cancel():  # it has begun; one that has not is not waited for
                    helper.result()
        return [done[place] for place in range(len(strips))]


def cut(shape: tuple[int, ...], threads: int, rows: int, unit: int) -> list[slice]:
    """Return strips of equal heights, if it may be as many as the threads; see `Strips`."""
    height, width = shape
    count = max(1, min(threads, height * width // _LEAST))
    count *= math.ceil(height * width / count / _MOST)
    step = math.lcm(_VECTOR, width * unit) // width
    if step > rows:
        step = unit
    rows = max(step, min(math.ceil(height / count / step), rows // step) * step)
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]
