"""The pairs that a command will fuse, and the checks before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

from piafusion.batch import PairJob
from piafusion.errors import UsageError
from piafusion.imaging.formats import IMAGE_SUFFIXES
from piafusion.imaging.io import check_output
from piafusion.imaging.pairs import Pair, PairList, is_same, list_pairs, list_photos


def find_pairs(infrared: Path, visible: Path | None, match: str | None = None) -> PairList:
    """Return the pair of two files, or the pairs of two folders (or of one with a pattern).

    Without a visible file or folder, each file holds both pictures.

    Raises:
        UsageError: If something is missing, or there is no pair.
    """
    for path in (infrared, visible):
        if path and not path.exists():
            raise UsageError(f"{path}: expected an image or a folder, found nothing there")
    if visible is None:
        if match:
            raise UsageError("--match: expected two folders, found one argument; give both")
        one = PairList([Pair(infrared.stem, infrared, infrared)], {})
        return list_photos(infrared) if infrared.is_dir() else one
    if infrared.is_dir() != visible.is_dir():
        folder, file = (infrared, visible) if infrared.is_dir() else (visible, infrared)
        raise UsageError(
            f"expected two files or two folders, found the folder {folder} and the file {file}"
        )
    if infrared.is_dir():
        return list_pairs(infrared, visible, match)
    if match:
        raise UsageError(f"--match: expected two folders, found the file {infrared}; leave it out")
    if is_same(infrared, visible):
        raise UsageError(
            f"{visible}: expected an infrared and a visible picture, found one file for both; "
            "give two"
        )
    return PairList([Pair(visible.stem, infrared, visible)], {})


def plan_jobs(
    infrared: Path,
    visible: Path | None,
    output: Path,
    format: str,
    temperature: Path | None = None,
    match: str | None = None,
) -> tuple[list[PairJob], list[dict[str, str]]]:
    """Return the pairs to fuse, and the files in the folders that have no counterpart.

    `temperature` is a file or, for folders, a folder; the rest is as for `find_pairs`.
    """
    suffix = f".{format.lower().lstrip('.')}"
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(sorted(known[1:] for known in IMAGE_SUFFIXES))
        raise UsageError(f"--format: expected one of {known}, found {format!r}")
    found = find_pairs(infrared, visible, match)
    if not infrared.is_dir():
        to_folder = output.is_dir() or not output.suffix or str(output).endswith(os.sep)
        (pair,) = found.pairs
        path = output / f"{pair.stem}{suffix}" if to_folder else output
        return [PairJob(pair.infrared, pair.visible, path, temperature)], []
    if output.is_file():
        raise UsageError(f"{output}: expected a folder for the fused images, found a file")
    if temperature and (temperature.is_file() or temperature.suffix):
        raise UsageError(f"--temperature: expected a folder as for --output, found {temperature}")
    jobs = [
        PairJob(
            pair.infrared,
            pair.visible,
            output / f"{pair.stem}{suffix}",
            temperature and temperature / f"{pair.stem}.tif",
        )
        for pair in found.pairs
    ]
    failed = [
        {"infrared" if path.parent == infrared else "visible": str(path), "error": f"{path}: {why}"}
        for path, why in found.problems.items()
    ]
    return jobs, failed


def refuse_conflicts(jobs: list[PairJob], *, overwrite: bool) -> None:
    """Refuse outputs that exist already, are a source, or cannot be written."""
    existing = [job.output for job in jobs if job.output.exists()]
    if len(existing) > 1 and not overwrite:
        raise UsageError(
            f"{existing[0].parent}: {len(existing)} of the {len(jobs)} fused images exist "
            f"already, {existing[0].name} the first; add --overwrite or choose another folder"
        )
    for job in jobs:
        if job.output.resolve() in (job.infrared.resolve(), job.visible.resolve()):
            raise UsageError(f"{job.output}: is one of the sources; choose another output")
        check_output(job.output, overwrite=overwrite)
