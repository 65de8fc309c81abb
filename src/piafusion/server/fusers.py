"""One fuser for each model and method, loaded at the first request and then kept."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from piafusion.errors import MissingExtraError, UsageError
from piafusion.fuser import Fuser
from piafusion.methods import check_needs, find_method, list_methods
from piafusion.server.problems import HttpProblem
from piafusion.weights import fusion_models

_TRIAL = (120, 160)  # height and width of the pair that measures how fast a fuser is
_TELLING = 50_000  # pixels; the time of a smaller pair says nothing about larger ones
_SLOWEST = 4.0  # so many times slower than the trial can the measured speed become


@dataclass
class FusingSpeed:
    """Seconds that a pixel takes: measured by a trial, then by the pairs that were fused."""

    trial: float
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self.seconds = self.trial

    def learn(self, pixels: int, seconds: float) -> None:
        """Take the time of a pair into account."""
        if pixels >= _TELLING:
            latest = 0.9 * self.seconds + 0.1 * seconds / pixels
            self.seconds = min(latest, _SLOWEST * self.trial)

    def restart(self, trial: float) -> None:
        """Start again from another trial."""
        self.trial, self.seconds = min(self.trial, trial), trial


@dataclass(frozen=True)
class Offer:
    """A model or method that requests may name."""

    name: str
    summary: str


class FuserCache:
    """Fusers by name, shared by all requests; safe for threads."""

    def __init__(
        self, model: str, device: str = "auto", threads: int = 1, precision: str = "auto"
    ) -> None:
        """List the models and methods.

        The default model is a name or the path of an exported file.

        Raises:
            UsageError: If the model is unknown.
        """
        self._runs: dict[str, Any] = {"device": device, "threads": threads, "precision": precision}
        self._files: dict[str, str] = {}
        models = {name: Offer(name, record.summary) for name, record in fusion_models().items()}
        self.default = model
        if model not in models:
            path = Path(model)
            if not path.is_file():
                raise UsageError(
                    f"expected a model of {', '.join(models)} or an exported file, found {model!r}"
                )
            self.default = path.stem
            if self.default in list_methods():
                raise UsageError(f"{path}: is called like a comparison method; rename it")
            self._files[self.default] = model
            models[self.default] = Offer(self.default, "a model of this server")
        self.models = models
        self.methods = {
            name: Offer(name, spec.title)
            for name, spec in list_methods().items()
            if _is_there(name)
        }
        self._loaded: dict[str, tuple[Fuser, FusingSpeed]] = {}
        self._locks = {name: threading.Lock() for name in (*self.models, *self.methods)}

    def check(self, model: str, method: str) -> str:
        """Return the name that a request asks for; nothing is the default model.

        Raises:
            UsageError: If it names both a model and a method, or something that is not offered.
        """
        if model and method:
            raise UsageError("expected model or method, found both; choose one")
        name, known, what = (
            (method, self.methods, "method") if method else (model, self.models, "model")
        )
        if not name:
            return self.default
        if name not in known:
            raise UsageError(f"expected a {what} of {', '.join(known)}, found {name!r}")
        return name

    def get(self, name: str) -> tuple[Fuser, FusingSpeed]:
        """Return a fuser and its speed; the first call loads and tries it."""
        if name in self._loaded:
            return self._loaded[name]
        with self._locks[name]:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> tuple[Fuser, FusingSpeed]:
        if name in self.methods:
            fuser = Fuser(method=name, threads=self._runs["threads"])
        else:
            model = self._files.get(name, name)
            fuser = Fuser(model=model, **self._runs)
        return fuser, FusingSpeed(_try(fuser))

    def check_time(self, name: str, pixels: int, limit: float) -> None:
        """Raise `HttpProblem` if a pair of that many pixels cannot be fused in `limit` seconds."""
        fuser, speed = self.get(name)
        if speed.seconds * pixels <= limit:
            return
        speed.restart(_try(fuser))  # the machine may have been busy with something else
        if speed.seconds * pixels > limit:
            raise HttpProblem(
                413,
                "too-slow",
                f"expected pictures that {name} fuses within {limit:g} seconds, at most "
                f"{limit / speed.seconds / 1e6:.2g} megapixels, found {pixels / 1e6:.2g}; send "
                "smaller ones or choose a faster model",
            )


def _try(fuser: Fuser) -> float:
    """Measure the seconds that a pixel takes now."""
    pair = np.random.default_rng(0).integers(0, 255, (2, *_TRIAL), np.uint8)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        fuser(pair[0], pair[1])
        seconds.append(time.perf_counter() - start)
    return min(seconds) / float(np.prod(_TRIAL))


def _is_there(name: str) -> bool:
    try:
        check_needs(find_method(name))
    except MissingExtraError:
        return False
    return True
