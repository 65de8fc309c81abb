"""A process that runs cases and says what became of each; `driver.py` watches it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import resource
import shutil
import sys
import threading
import time
import traceback
import warnings
from dataclasses import dataclass
from fnmatch import fnmatch
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from piafusion.errors import PiafusionError
from tools.fuzz.cases import ALL, Corpus
from tools.fuzz.readers import Broken, Input, Reader, one_line

ROOM = 2 << 30  # bytes of address space that a case may take beyond what is taken before it
MOST = 1 << 30  # bytes of memory that it may really use
_FILLS = (0x5A, 0x33)  # what free and fresh memory is filled with, one for each reading
_AGAIN = 4  # more readings with each, where two differ
_M_PERTURB = -6  # of glibc's mallopt


@dataclass(frozen=True)
class Verdict:
    """What became of a case: ok, refused or fault, and why."""

    case: str
    kind: str
    why: str = ""
    seconds: float = 0.0
    peak: int = 0


def serve(line: Connection, corpus: Path, seed: int, scratch: Path, log: Path) -> None:
    """Run the cases that are named over the connection until it closes."""
    with log.open("wb") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    runner = Runner(Corpus(corpus, seed), scratch)
    while True:
        try:
            name, number, warm = line.recv()
        except EOFError:
            return
        line.send(runner.warm(ALL[name]) if warm else runner.run(ALL[name], number))


class Runner:
    """Runs cases in this process."""

    def __init__(self, corpus: Corpus, scratch: Path) -> None:
        self._corpus, self._scratch = corpus, scratch
        self._stray: list[str] = []
        threading.excepthook = lambda given: self._stray.append(_told(given.exc_value))
        sys.unraisablehook = lambda given: self._stray.append(_told(given.exc_value))
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)

    def warm(self, reader: Reader) -> str:
        """Read a whole input, so that what is loaded once is loaded."""
        whole = self._corpus.wholes(reader)[0]
        if not reader.name.startswith("planted"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._attempt(reader, whole.name, whole.read_bytes(), 0)
        self._stray.clear()
        return ""

    def run(self, reader: Reader, number: int) -> Verdict:
        """Run one case: twice, over memory that is filled differently."""
        seed, data = self._corpus.case(reader, number)
        before, start = _room_from_here(), time.perf_counter()
        seen: list[tuple[str, str, str]] = []
        for fill in _FILLS if reader.twice else _FILLS[:1]:
            _poison(fill)
            seen.append(self._attempt(reader, seed, data, number))
            if seen[-1][0] == "fault":
                break
        kind, why, _ = seen[-1]
        peak = _peak() - before
        if kind != "fault" and len({found for _, _, found in seen}) > 1:
            kind, why = "fault", self._differing(reader, seed, data, number)
        if kind != "fault" and peak > MOST:
            kind, why = "fault", f"memory: {peak >> 20} MiB"
        if self._stray:
            kind, why = "fault", f"beside the case: {self._stray[0]}"
            self._stray.clear()
        case = f"{reader.name}:{number}"
        return Verdict(case, kind, why, time.perf_counter() - start, peak)

    def _differing(self, reader: Reader, seed: str, data: bytes, number: int) -> str:
        """Say why two readings differ: what lay in memory, or chance, such as that of threads."""
        found: dict[int, set[str]] = {fill: set() for fill in _FILLS}
        for fill in _FILLS * _AGAIN:
            _poison(fill)
            found[fill].add(self._attempt(reader, seed, data, number)[2])
        if all(len(each) == 1 for each in found.values()) and len(set.union(*found.values())) > 1:
            return "leak: what comes of it depends on what lay in memory before"
        return "unsteady: what comes of it depends on chance"

    def _attempt(self, reader: Reader, seed: str, data: bytes, number: int) -> tuple[str, str, str]:
        """Return what became of one reading, why, and a digest of what came of it."""
        root = self._scratch / "case"
        shutil.rmtree(root, ignore_errors=True)
        around = self._corpus.around(reader)
        if around:
            shutil.copytree(around, root)
        else:
            root.mkdir(parents=True)
        path = root / seed.replace("~", "/")
        path.write_bytes(data)
        there = {each for each in root.rglob("*") if each.is_file()}
        given = Input(path, data, seed, number, self._corpus.folder)
        kind, why, found = "ok", "", ""
        try:
            found = _digest(reader.read(given))
        except Broken as error:
            kind, why = "fault", f"broken: {error}"
        except Exception as error:
            kind, why = _judge(error)
            found = why
        left = {each for each in root.rglob("*") if each.is_file()} - there
        left = {each for each in left if not any(fnmatch(each.name, p) for p in reader.leaves)}
        if left and kind != "fault":
            kind, why = "fault", f"left behind: {sorted(each.name for each in left)}"
        shutil.rmtree(root, ignore_errors=True)
        return kind, why, found


def _judge(error: Exception) -> tuple[str, str]:
    """Tell a refusal from a fault."""
    named = type(error).__name__
    if isinstance(error, PiafusionError) or named == "Problem":
        try:
            return "refused", f"{named}: {one_line(error)}"
        except Broken as broken:
            return "fault", f"broken: {broken}"
    return "fault", _told(error)


def _told(error: BaseException | None) -> str:
    """Say what was raised and where in our code, or else where at all."""
    if error is None:
        return "an exception"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "piafusion" in frame.filename] or frames
    place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    message = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}{place}: {message}"


def _digest(result: Any) -> str:
    """Return a hash of arrays, numbers, texts and lists of them."""
    total = hashlib.sha256()

    def add(each: Any) -> None:
        if isinstance(each, (list, tuple)):
            for item in each:
                add(item)
        elif hasattr(each, "tobytes"):
            total.update(f"{each.dtype}{each.shape}".encode())
            total.update(each.tobytes())
        else:
            total.update(repr(each).encode("utf-8", "backslashreplace"))

    add(result)
    return total.hexdigest()


def _poison(fill: int) -> None:
    """Let the C library fill what is freed with a byte, and what is handed out with its inverse."""
    try:
        ctypes.CDLL(None).mallopt(_M_PERTURB, fill)
    except AttributeError:  # another C library; all but the leaks is found
        return


def _room_from_here() -> int:
    """Bound the address space from here on, forget the peak, and return the memory in use."""
    pages = Path("/proc/self/statm").read_text().split()
    taken = int(pages[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, resource.RLIM_INFINITY))
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # the peak is then that of the process
        return _peak()
    return int(pages[1]) * resource.getpagesize()


def _peak() -> int:
    """Return the most memory that was in use."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) << 10
    return 0
