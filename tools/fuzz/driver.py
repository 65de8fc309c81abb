"""Hands cases to processes, ends those that hang, and sums up what they say."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path

from tools.fuzz.cases import ALL, Corpus
from tools.fuzz.child import Verdict, serve

_WARM = 180.0  # seconds for a process to start and to load what a reader needs
_SPAWN = get_context("spawn")


def make_corpus(folder: Path, readers: Iterable[str]) -> None:
    """Make the whole inputs in a process of its own: encoders print what they like."""
    code = "import sys; from pathlib import Path; from tools.fuzz.cases import write_corpus; "
    code += "write_corpus(Path(sys.argv[1]), sys.argv[2:])"
    command = [sys.executable, "-c", code, str(folder), *sorted(set(readers))]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(f"the whole inputs could not be made:\n{made.stderr[-3000:]}")


class Child:
    """A process that runs cases, started again when one has ended it."""

    def __init__(self, corpus: Path, seed: int, scratch: Path) -> None:
        self._arguments = (corpus, seed, scratch, scratch / "log")
        self._warmed: set[str] = set()
        scratch.mkdir(parents=True)
        self._start()

    def _start(self) -> None:
        self._line, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=serve, args=(theirs, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._warmed.clear()

    def close(self) -> None:
        """End the process."""
        self._line.close()
        self._process.join(5)
        self._process.kill()

    def run(self, name: str, number: int, patience: float = 1.0) -> Verdict:
        """Run one case; a hang or a crash is a verdict too."""
        case, limit = f"{name}:{number}", ALL[name].limit * patience
        if name not in self._warmed:
            found = self._ask((name, 0, True), _WARM)
            if isinstance(found, Verdict):
                return Verdict(case, "fault", f"reading a whole input: {found.why}")
            self._warmed.add(name)
        found = self._ask((name, number, False), limit)
        return Verdict(case, found.kind, found.why, found.seconds, found.peak)

    def _ask(self, question: tuple[str, int, bool], limit: float) -> Verdict:
        try:
            self._line.send(question)
            if self._line.poll(limit):
                answer: Verdict = self._line.recv()
                return answer
            why = f"hang: no end after {limit:g} s"
        except (EOFError, OSError):
            self._process.join(5)
            said = self._arguments[-1].read_text(errors="replace").split("\n")[-4:]
            why = f"crash: the process ended with {self._process.exitcode} {' '.join(said)!r}"
        self._process.kill()
        self._process.join()
        self._line.close()
        self._start()
        return Verdict("", "fault", why)


def wholes(corpus: Path, names: Sequence[str]) -> list[tuple[str, int]]:
    """Return the cases of the readers' whole inputs."""
    counts = {name: len(Corpus(corpus, 0).wholes(ALL[name])) for name in names}
    return [(name, -1 - index) for name, count in counts.items() for index in range(count)]


def run(cases: Sequence[tuple[str, int]], seed: int, jobs: int, folder: Path) -> Iterator[Verdict]:
    """Run cases in several processes and yield what became of each, as they end.

    Args:
        cases: Names of readers and numbers.
        seed: Of chance.
        jobs: Processes.
        folder: With the whole inputs in `corpus`.
    """
    os.environ["GLIBC_TUNABLES"] = "glibc.malloc.tcache_count=0"  # its blocks are never filled
    os.environ.update({"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "OPENCV_LOG_LEVEL": "OFF"})
    corpus = folder / "corpus"
    waiting, lock = iter(cases), threading.Lock()
    done: list[Verdict] = []
    ready = threading.Condition()
    errors: list[BaseException] = []

    def work(index: int) -> None:
        child = Child(corpus, seed, folder / f"child-{index}")
        try:
            while True:
                with lock:
                    case = next(waiting, None)
                if case is None:
                    return
                verdict = child.run(*case)
                if verdict.why.startswith("hang") and not case[0].startswith("planted"):
                    verdict = child.run(*case, patience=3)  # the machine may have been busy
                with ready:
                    done.append(verdict)
                    ready.notify()
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            child.close()
            with ready:
                ready.notify()

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(jobs)]
    for thread in threads:
        thread.start()
    for _ in cases:
        with ready:
            while not done and any(thread.is_alive() for thread in threads):
                ready.wait(1)
            if not done:
                raise RuntimeError(f"the runners ended early: {errors}")
            verdict = done.pop(0)
        yield verdict
    for thread in threads:
        thread.join()


class Tally:
    """Counts verdicts by reader, and keeps the faults."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.faults: list[Verdict] = []
        self.slowest: dict[str, Verdict] = {}
        self.largest: dict[str, int] = defaultdict(int)

    def add(self, verdict: Verdict) -> None:
        """Count one."""
        name = verdict.case.partition(":")[0]
        self.counts[name][verdict.kind] += 1
        if verdict.kind == "fault":
            self.faults.append(verdict)
        if verdict.seconds >= self.slowest.get(name, verdict).seconds:
            self.slowest[name] = verdict
        self.largest[name] = max(self.largest[name], verdict.peak)

    def table(self) -> str:
        """Return a line for each reader and one for all."""
        lines = [f"{'reader':<12}{'cases':>7}{'ok':>7}{'refused':>9}{'faults':>8}"
                 f"{'slowest s':>11}{'peak MiB':>10}"]  # fmt: skip
        for name, counts in self.counts.items():
            lines.append(self._row(name, counts, self.slowest[name].seconds, self.largest[name]))
        total = sum(self.counts.values(), Counter[str]())
        slowest = max((each.seconds for each in self.slowest.values()), default=0.0)
        lines.append(self._row("all", total, slowest, max(self.largest.values(), default=0)))
        return "\n".join(lines)

    @staticmethod
    def _row(name: str, counts: Counter[str], slowest: float, peak: int) -> str:
        return (
            f"{name:<12}{sum(counts.values()):>7}{counts['ok']:>7}{counts['refused']:>9}"
            f"{counts['fault']:>8}{slowest:>11.2f}{peak >> 20:>10}"
        )

    def kinds(self) -> list[tuple[str, list[str]]]:
        """Return the faults by what they have in common, with the cases of each."""
        groups: dict[str, list[str]] = defaultdict(list)
        for fault in self.faults:
            name = fault.case.partition(":")[0]
            what = fault.why if "broken" in fault.why else fault.why.partition(": ")[0]
            groups[f"{name}: {what[:160]}"].append(fault.case)
        return sorted(groups.items(), key=lambda item: -len(item[1]))
