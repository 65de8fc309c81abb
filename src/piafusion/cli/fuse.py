"""`piafusion fuse`: one pair, or two folders matched by stem."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from piafusion.cli.align import AlignmentOption, AlignOption, chosen_alignment
from piafusion.cli.options import DeviceOption, JsonOption, ModelOption, OverwriteOption, track
from piafusion.errors import PiafusionError, UsageError
from piafusion.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from piafusion.fuser import Fuser


@dataclass(frozen=True)
class _Job:
    infrared: Path
    visible: Path
    output: Path


def fuse(
    infrared: Annotated[Path, typer.Argument(metavar="IR", help="Infrared image or folder.")],
    visible: Annotated[Path, typer.Argument(metavar="VI", help="Visible image or folder.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File, or folder for the fused images.")
    ],
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    format: Annotated[
        str, typer.Option("--format", help="Of images in a folder: png, tiff, jpg, bmp or webp.")
    ] = "png",
    alignment: AlignmentOption = None,
    align: AlignOption = None,
    tile: Annotated[
        int | None,
        typer.Option("--tile", help="Largest side of tiles in pixels; large pictures have some."),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fuse an infrared and a visible image, or two folders of them matched by file name."""
    jobs, failed = _plan(infrared, visible, output, format)
    _refuse_conflicts(jobs, overwrite=overwrite)

    from piafusion.fuser import Fuser

    rig = chosen_alignment(infrared, visible, alignment, align)
    fuser = Fuser(model=model, device=device, tile=tile, alignment=rig)
    fused = []
    began = time.perf_counter()
    for job in track(jobs, "fusing") if len(jobs) > 1 else jobs:
        start = time.perf_counter()
        try:
            height, width = _fuse(fuser, job, overwrite=overwrite, alone=len(jobs) == 1)
        except PiafusionError as error:
            failed.append({"infrared": str(job.infrared), "error": str(error)})
            continue
        fused.append(
            {
                "infrared": str(job.infrared),
                "visible": str(job.visible),
                "output": str(job.output),
                "width": width,
                "height": height,
                "seconds": round(time.perf_counter() - start, 4),
            }
        )
    seconds = time.perf_counter() - began
    for failure in failed:
        print(f"piafusion: {failure['error']}", file=sys.stderr)
    if as_json:
        report = {"model": fuser.model, "device": fuser.engine.device, "seconds": round(seconds, 4)}
        print(json.dumps({**report, "fused": fused, "failed": failed}, indent=2))
    elif fused:
        where = fused[0]["output"] if len(jobs) == 1 else output
        share = f"{len(fused)} of {len(jobs)}" if len(fused) < len(jobs) else str(len(jobs))
        pairs = "pair" if len(jobs) == 1 else "pairs"
        print(f"fused {share} {pairs} in {seconds:.2f} s: {where}")
    if failed:
        raise typer.Exit(1)


def _fuse(fuser: Fuser, job: _Job, *, overwrite: bool, alone: bool) -> tuple[int, int]:
    """Fuse one pair and return its height and width."""
    from piafusion.imaging.tiff import wants_windows
    from piafusion.imaging.tiling import untracked

    files = job.infrared, job.visible, job.output
    if fuser.alignment is None and wants_windows(job.visible, job.output):
        progress = track if alone else untracked
        return fuser.fuse_rasters(*files, overwrite=overwrite, track=progress)
    height, width = fuser.fuse_files(*files, overwrite=overwrite).shape[:2]
    return height, width


def _plan(
    infrared: Path, visible: Path, output: Path, format: str
) -> tuple[list[_Job], list[dict[str, str]]]:
    """Return what to fuse, and the files of a folder that have no partner."""
    from piafusion.imaging.io import IMAGE_SUFFIXES
    from piafusion.imaging.pairs import list_pairs

    suffix = f".{format.lower().lstrip('.')}"
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(sorted(known[1:] for known in IMAGE_SUFFIXES))
        raise UsageError(f"--format: expected one of {known}, found {format!r}")
    for path in (infrared, visible):
        if not path.exists():
            raise UsageError(f"{path}: expected an image or a folder, found nothing there")
    if infrared.is_dir() != visible.is_dir():
        folder, file = (infrared, visible) if infrared.is_dir() else (visible, infrared)
        raise UsageError(
            f"expected two files or two folders, found the folder {folder} and the file {file}"
        )
    if not infrared.is_dir():
        to_folder = output.is_dir() or not output.suffix or str(output).endswith(os.sep)
        path = output / f"{visible.stem}{suffix}" if to_folder else output
        return [_Job(infrared, visible, path)], []
    if output.is_file():
        raise UsageError(f"{output}: expected a folder for the fused images, found a file")
    found = list_pairs(infrared, visible)
    jobs = [
        _Job(pair.infrared, pair.visible, output / f"{pair.stem}{suffix}") for pair in found.pairs
    ]
    failed = [
        {"infrared" if path.parent == infrared else "visible": str(path), "error": f"{path}: {why}"}
        for path, why in found.problems.items()
    ]
    return jobs, failed


def _refuse_conflicts(jobs: list[_Job], *, overwrite: bool) -> None:
    """Refuse before any work what would overwrite a file or cannot be written."""
    from piafusion.imaging.io import check_output

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
