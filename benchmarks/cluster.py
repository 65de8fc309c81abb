"""Fuse many pairs with the local batch and on Ray, and kill a worker in the middle.

    python benchmarks/cluster.py [DATA] [--pairs N] [--size WxH] [--workers N] [--model NAME]

Without DATA, a folder with `ir` and `vi`, the pairs are synthetic streets; with it, they are
resized and turned copies of what lies there. Every run is the command `piafusion fuse` in a
process of its own: one thread, several threads, Ray, and Ray with one of its workers killed by
signal 9 when a third of the pairs is done. All results are compared byte for byte with those of
the first run, and the manifests with the files.

Prints for each run the seconds of the whole command, pairs a second between the first and the
last file, and the most memory that it and the processes it started held together (PSS: memory
that several share is counted once). Linux only.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from piafusion.imaging.io import read_image, write_image
from piafusion.imaging.pairs import list_pairs
from piafusion.imaging.places import sha256
from piafusion.manifest import NAME, read_manifest
from piafusion.scenes.synthetic import labelled_scene
from piafusion.weights import DEFAULT_MODEL

WORKER = "_fuse_there"  # part of the title that Ray gives to its worker processes


def main() -> None:
    """Print a line for each run, and whether its results are those of the first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--size", default="320x240", metavar="WxH")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    options = parser.parse_args()

    width, height = map(int, options.size.split("x"))
    print(f"{options.pairs} pairs of {options.size}, {options.model}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for index, (ir, vi) in enumerate(pairs(options.data, options.pairs, width, height)):
            write_image(root / "ir" / f"{index:05}.png", ir)
            write_image(root / "vi" / f"{index:05}.png", vi)
        many = f"--workers={options.workers}"
        for label, arguments, kill in (
            ("one thread", ["--workers=1"], False),
            (f"{options.workers} threads", [many], False),
            (f"Ray, {options.workers} workers", ["--engine=ray", many], False),
            ("the same, one killed", ["--engine=ray", many], True),
        ):
            out = root / label.replace(" ", "_")
            command = ["fuse", str(root / "ir"), str(root / "vi"), "-o", str(out), *arguments]
            run = Run([*command, "--model", options.model], out, options.pairs, kill=kill)
            print(f"{label:22} {run.report()}, {verdict(root / 'one_thread', out)}", flush=True)


def pairs(
    data: Path | None, count: int, width: int, height: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield infrared and visible pictures, uint8, no two pairs alike."""
    found = list_pairs(data / "ir", data / "vi").pairs if data else []
    for index in range(count):
        if not found:
            scene = labelled_scene(index, daylight=index / count, height=height, width=width)
            yield scene.infrared, scene.visible
            continue
        pair = found[index % len(found)]
        for_both = [
            cv2.resize(read_image(path), (width, height), interpolation=cv2.INTER_AREA)
            for path in (pair.infrared, pair.visible)
        ]
        ir, vi = (np.roll(image, index, axis=1) for image in for_both)
        yield (ir if ir.ndim == 2 else ir[..., 0]), vi


class Run:
    """A run of the command, watched until it ends."""

    def __init__(self, arguments: list[str], out: Path, count: int, *, kill: bool) -> None:
        self.killed: int | None = None
        self.peak = 0.0
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "piafusion", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while process.poll() is None:
                family = descendants(process.pid)
                self.peak = max(self.peak, sum(map(memory_mib, family)))
                done = len(list(out.glob("*.png"))) if out.exists() else 0
                if kill and self.killed is None and done >= count / 3:
                    self.killed = next(pid for pid in family if WORKER in title(pid))
                    os.kill(self.killed, signal.SIGKILL)
                    self.done = done
                time.sleep(0.02 if kill and self.killed is None else 0.2)
            printed, errors = process.communicate()
        self.seconds = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"exit code {process.returncode}: {printed}{errors}")
        times = sorted(path.stat().st_mtime for path in out.glob("*.png"))
        self.pace = (len(times) - 1) / (times[-1] - times[0])

    def report(self) -> str:
        """Say how long it took."""
        line = f"{self.seconds:6.1f} s, {self.pace:5.1f} pairs/s, {self.peak:5.0f} MiB"
        return line + (f", process {self.killed} killed after {self.done}" if self.killed else "")


def verdict(first: Path, out: Path) -> str:
    """Compare the files of a run with those of the first one and with its manifest."""
    expected = {path.name: path.read_bytes() for path in first.glob("*.png")}
    found = {path.name: path.read_bytes() for path in out.iterdir() if path.name != NAME}
    equal = sum(found.get(name) == data for name, data in expected.items())
    line = f"{equal} of {len(expected)} files equal, {len(found.keys() - expected.keys())} others"
    entries = read_manifest(out / NAME)
    if entries:
        right = sum(entry["output_sha256"] == sha256(out / entry["output"]) for entry in entries)
        workers = len({entry["worker"] for entry in entries})
        line += f"; manifest: {right} of {len(entries)} hashes right, {workers} workers"
    return line


def descendants(root: int) -> list[int]:
    """Return a process and those that it and they have started."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:  # it has ended
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    family = [root]
    for pid in family:  # grows as it goes
        family.extend(child for child, parent in parents.items() if parent == pid)
    return family


def memory_mib(pid: int) -> float:
    """Return the share of the memory that is a process's; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def title(pid: int) -> str:
    """Return the command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
