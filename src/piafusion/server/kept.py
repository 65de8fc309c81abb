"""Pairs that a page wants to be kept for a while, so that its controls need no new upload."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Hashable
from typing import TypeVar

import numpy as np

from piafusion.engines import Engine, Tensor
from piafusion.reach import Reach
from piafusion.server.settings import MEBIBYTE

SECONDS = 600.0  # after the last use
_MOST_BYTES = 256 * MEBIBYTE
_PER_PIXEL = 32  # bytes; the two pictures, what the network was given and what it returned

Value = TypeVar("Value")


class KeptPair:
    """The two files of a pair, and the last result of each step that was made of them.

    Attributes:
        infrared: Content of the infrared file, or of a photo that holds both.
        visible: Content of the visible file; None for such a photo.
        stays: Whether another request may ask for it.
        pixels: Number of visible pixels; 0 until they are known.
    """

    def __init__(self, infrared: bytes, visible: bytes | None, *, stays: bool = False) -> None:
        self.infrared, self.visible, self.stays, self.pixels = infrared, visible, stays, 0
        self._latest: dict[str, tuple[Hashable, object]] = {}

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        return len(self.infrared) + len(self.visible or b"") + _PER_PIXEL * self.pixels

    def once(self, step: str, settings: Hashable, make: Callable[[], Value]) -> Value:
        """Return what a step made with these settings; make it if the last settings were others."""
        found = self._latest.get(step)
        if found is None or found[0] != settings:
            found = settings, make()
            self._latest[step] = found
        return found[1]  # type: ignore[return-value]


class KeptPairs:
    """Pairs by a name that cannot be guessed; the oldest make room. Safe for threads."""

    def __init__(self) -> None:
        self._pairs: dict[str, tuple[KeptPair, float]] = {}
        self._lock = threading.Lock()

    def keep(self, pair: KeptPair) -> str | None:
        """Keep a pair and return its name; None if it is too large."""
        if pair.bytes > _MOST_BYTES:
            return None
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._pairs[name] = pair, time.monotonic()
            while sum(each.bytes for each, _ in self._pairs.values()) > _MOST_BYTES:
                del self._pairs[next(iter(self._pairs))]
        return name

    def get(self, name: str) -> KeptPair | None:
        """Return a pair, which becomes the newest; None if it is not kept any more."""
        self.expire()
        with self._lock:
            found = self._pairs.pop(name, None)
            if found is None:
                return None
            self._pairs[name] = found[0], time.monotonic()
            return found[0]

    def expire(self) -> None:
        """Forget what nobody has used for some time."""
        oldest = time.monotonic() - SECONDS
        with self._lock:
            for name in [name for name, (_, used) in self._pairs.items() if used < oldest]:
                del self._pairs[name]


class RememberingEngine:
    """An engine that runs the network only if its input is another than the last time.

    So another strength or view of a kept pair costs no run.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.device, self.precision = engine.device, engine.precision
        self.threads = engine.threads
        self._last: dict[str, tuple[tuple[Tensor | None, ...], Tensor]] = {}

    @property
    def reach(self) -> Reach | None:
        """The distance that the engine's network looks."""
        return self._engine.reach

    @property
    def context_side(self) -> int | None:
        """The side of the copy that the context network sees."""
        return self._engine.context_side

    def fuse(self, infrared: Tensor, luminance: Tensor, share: Tensor | None = None) -> Tensor:
        """Return the fused luminance; see `Engine.fuse`."""
        return self._run("fuse", self._engine.fuse, infrared, luminance, share)

    def encode(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Return features; see `Engine.encode`."""
        return self._engine.encode(infrared, luminance)

    def judge(self, thumbnails: Tensor) -> Tensor:
        """Run the context network; see `Engine.judge`."""
        return self._run("judge", self._engine.judge, thumbnails)

    def _run(self, what: str, run: Callable[..., Tensor], *given: Tensor | None) -> Tensor:
        found = self._last.get(what)
        if found is None or not all(map(_is_same, found[0], given)):
            copies = tuple(None if each is None else each.copy() for each in given)
            found = copies, run(*given)
            self._last[what] = found
        return found[1].copy()


def _is_same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
