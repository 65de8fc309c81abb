"""The first step of an evaluation: fuse every pair once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, pstdev

from piafusion.errors import PiafusionError
from piafusion.files import content_hash
from piafusion.fuser import Fuser
from piafusion.imaging.arrays import check_minimum
from piafusion.imaging.io import read_pair, write_image
from piafusion.imaging.pairs import Pair, images_by_stem
from piafusion.imaging.tone_curve import filled_like
from piafusion.lab.data.clips import clips_in, frames_in, read_clip
from piafusion.lab.evaluation.methods import Fuse, GivenPictures, Method
from piafusion.lab.evaluation.sets import DataSet, Failure
from piafusion.lab.evaluation.timing import processor_name
from piafusion.run.journal import Entry, Journal
from piafusion.steps import MIN_SIDE

JOURNAL = "predicted.jsonl"
CLIP_RATE = 25.0
"""Frames a second that a clip is taken to have."""
_ENTRY = {
    "file": str,
    "sources": str,
    "fused": str,
    "seconds": float,
    "first": bool,
    "threads": int,
    "processor": str,
}


def predict(
    methods: Sequence[Method | GivenPictures], sets: Sequence[DataSet], output: Path
) -> Iterator[Failure | None]:
    """Fuse all pairs that were not yet fused under the same settings from the same source files.

    Args:
        methods: The methods; pictures fused elsewhere are skipped.
        sets: The data sets to fuse.
        output: Folder of the evaluation; a picture becomes `fused/METHOD/DATASET/STEM.png`,
            and the frames of a clip `fused/METHOD/DATASET/CLIP/000001.png` and so on.

    Yields:
        For each method and pair None, or why it could not be fused.

    Raises:
        PiafusionError: If a method cannot be loaded or a result cannot be written.
    """
    processor = processor_name()
    for method in methods:
        if isinstance(method, GivenPictures):
            continue
        fuse: Fuse | None = None
        first = True  # the first call of a process takes longer and is reported apart
        for data in sets:
            folder, journal = _journal(method, data, output)
            for old in journal.outdated.values():
                _remove(folder / Path(old["file"]).name)
            for pair in data.pairs:
                if _is_current(folder, journal.entries.get(pair.stem), data.hashes[pair.stem]):
                    yield None
                    continue
                fuse = fuse or method.load()
                try:
                    path, seconds = (_fuse_clip if data.clips else _fuse_one)(fuse, pair, folder)
                except PiafusionError as error:
                    yield Failure(data.name, method.name, str(error), (pair.stem,))
                    continue
                entry = {
                    "file": path.name,
                    "sources": data.hashes[pair.stem],
                    "fused": content_hash(*frames_in(path)),
                    "seconds": round(seconds, 6),
                    "first": first,
                    "threads": method.threads,
                    "processor": processor,
                }
                journal.add(pair.stem, entry)
                first = False
                yield None


def fused_files(
    method: Method | GivenPictures, data: DataSet, output: Path
) -> tuple[dict[str, Path], list[Failure]]:
    """Return the fused pictures of a method by stem, and the missing and unknown ones."""
    if isinstance(method, GivenPictures):
        return _given_files(method, data)
    folder, journal = _journal(method, data, output)
    files = {
        pair.stem: folder / Path(journal.entries[pair.stem]["file"]).name
        for pair in data.pairs
        if _is_current(folder, journal.entries.get(pair.stem), data.hashes[pair.stem])
    }
    missing = [pair.stem for pair in data.pairs if pair.stem not in files]
    message = f"not predicted under these settings: {', '.join(missing)}; run the step predict"
    failure = Failure(data.name, method.name, message, tuple(missing))
    return files, [failure] if missing else []


@dataclass(frozen=True)
class Runtime:
    """Times of a method for one pair, arrays to array, in milliseconds.

    Attributes:
        first: The first call after loading; None if it was made for another data set.
        median: Median of all other calls; None if there was none.
        mean: Their mean.
        deviation: Their standard deviation.
        calls: Number of these calls.
        threads: Number of processor threads.
        processors: Names of the processors.
    """

    first: float | None
    median: float | None
    mean: float | None
    deviation: float | None
    calls: int
    threads: int
    processors: tuple[str, ...]


def runtime(method: Method, data: DataSet, output: Path) -> Runtime | None:
    """Return the time that a method took for the pairs of a data set; None if it did not run."""
    entries = _journal(method, data, output)[1].entries
    taken = [entries[pair.stem] for pair in data.pairs if pair.stem in entries]
    if not taken:
        return None
    first, others = ([1000 * e["seconds"] for e in taken if e["first"] is f] for f in (True, False))
    return Runtime(
        median(first) if first else None,
        median(others) if others else None,
        fmean(others) if others else None,
        pstdev(others) if others else None,
        len(others),
        max(entry["threads"] for entry in taken),
        tuple(sorted({entry["processor"] for entry in taken})),
    )


def _journal(method: Method, data: DataSet, output: Path) -> tuple[Path, Journal]:
    folder = output / "fused" / method.name / data.name
    return folder, Journal(folder / JOURNAL, method.settings, _ENTRY)


def _is_current(folder: Path, entry: Entry | None, sources: str) -> bool:
    return (
        entry is not None
        and entry["sources"] == sources
        and entry["fused"] == content_hash(*frames_in(folder / Path(entry["file"]).name))
    )


def _fuse_one(fuse: Fuse, pair: Pair, folder: Path) -> tuple[Path, float]:
    infrared, visible = read_pair(pair.infrared, pair.visible)
    start = time.perf_counter()
    try:
        if isinstance(fuse, Fuser):  # the files were checked when they were read
            check_minimum(visible, MIN_SIDE)
            fused = filled_like(fuse.fuse_checked(infrared, visible).image, visible)
        else:
            fused = fuse(infrared, visible)
    except PiafusionError as error:
        raise type(error)(f"{pair.visible}: {error}") from error
    seconds = time.perf_counter() - start
    path = folder / f"{pair.stem}{'.tiff' if fused.dtype.kind == 'f' else '.png'}"
    write_image(path, fused, overwrite=True)
    return path, seconds


def _fuse_clip(fuse: Fuse, pair: Pair, folder: Path) -> tuple[Path, float]:
    """Fuse the frames of a clip as a video; return their folder and the seconds for a frame."""
    path, taken = folder / pair.stem, list[float]()
    _remove(path)
    next_frame = fuse.sequence(CLIP_RATE) if isinstance(fuse, Fuser) else lambda: fuse
    for number, (infrared, visible) in enumerate(read_clip(pair), start=1):
        start = time.perf_counter()
        try:
            fused = next_frame()(infrared, visible)
        except PiafusionError as error:
            raise type(error)(f"{pair.visible}, frame {number}: {error}") from error
        taken.append(time.perf_counter() - start)
        suffix = ".tiff" if fused.dtype.kind == "f" else ".png"
        write_image(path / f"{number:06}{suffix}", fused, overwrite=True)
    return path, sum(taken) / max(len(taken), 1)


def _remove(path: Path) -> None:
    """Remove a fused picture or clip, if it is there."""
    for each in frames_in(path):
        each.unlink(missing_ok=True)


def _given_files(method: GivenPictures, data: DataSet) -> tuple[dict[str, Path], list[Failure]]:
    if data.name not in method.folders:
        return {}, [failure for failure in method.failures if failure.data == data.name]
    folder = method.folders[data.name]
    if data.clips:
        by_stem = {name: [path] for name, path in clips_in(folder).items()}
    else:
        by_stem = images_by_stem(folder)
    failures = [
        Failure(
            data.name,
            method.name,
            f"{folder}: expected one file per stem, found {', '.join(p.name for p in paths)}; "
            "keep one of them",
            (stem,),
        )
        for stem, paths in by_stem.items()
        if len(paths) > 1 and stem in data.known
    ]
    missing = [pair.stem for pair in data.pairs if pair.stem not in by_stem]
    strays = sorted(by_stem.keys() - data.known)
    what = (
        (missing, f"no fused image for {len(missing)} of {len(data.pairs)} pairs", "add them"),
        (strays, f"no sources for {len(strays)} of {len(by_stem)} images", "move them elsewhere"),
    )
    for stems, found, advice in what:
        if stems:
            message = f"{folder}: {found}: {', '.join(stems)}; {advice}"
            failures.append(Failure(data.name, method.name, message, tuple(stems)))
    return _single(by_stem, data), failures


def _single(by_stem: Mapping[str, list[Path]], data: DataSet) -> dict[str, Path]:
    stems = (pair.stem for pair in data.pairs)
    return {stem: by_stem[stem][0] for stem in stems if len(by_stem.get(stem, ())) == 1}
