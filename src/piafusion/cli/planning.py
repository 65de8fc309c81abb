"""The pairs that a command will fuse, and the checks before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

from piafusion.batch import PairJob
from piafusion.errors import UsageError
from piafusion.imaging.formats import IMAGE_SUFFIXES
from piafusion.imaging.io import check_output
from piafusion.imaging.pairs import list_pairs, list_photos


def plan_jobs(
    infrared: Path, visible: Path | None, output: Path, format: str, temperature: Path | None = None
) -> tuple[list[PairJob], list[dict[str, str]]]:
    """Return the pairs to fuse, and the files in the folders that have no counterpart.

    Without a visible file or folder, each file holds both pictures. `temperature` is a file or,
    for folders, a folder.
    """
    suffix = f".{format.lower().lstrip('.')}"
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(sorted(known[1:] for known in IMAGE_SUFFIXES))
        raise UsageError(f"--format: expected one of {known}, found {format!r}")
    for path in (infrared, visible):
        if path and not path.exists():
            raise UsageError(f"{path}: expected an image or a folder, found nothing there")
    photos = visible is None
    if visible is None:
        visible = infrared
    if infrared.is_dir() != visible.is_dir():
        folder, file = (infrared, visible) if infrared.is_dir() else (visible, infrared)
        raise UsageError(
            f"expected two files or two folders, found the folder {folder} and the file {file}"
        )
    if not infrared.is_dir():
        to_folder = output.is_dir() or not output.suffix or str(output).endswith(os.sep)
        path = output / f"{visible.stem}{suffix}" if to_folder else output
        return [PairJob(infrared, visible, path, temperature)], []
    if output.is_file():
        raise UsageError(f"{output}: expected a folder for the fused images, found a file")
    if temperature and (temperature.is_file() or temperature.suffix):
        raise UsageError(f"--temperature: expected a folder as for --output, found {temperature}")
    found = list_photos(infrared) if photos else list_pairs(infrared, visible)
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
