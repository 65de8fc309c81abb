"""`piafusion fuse`: one pair, or two folders matched by stem."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from piafusion.cli.align import AlignmentOption, AlignOption, chosen_alignment
from piafusion.cli.options import (
    DeviceOption,
    JsonOption,
    MethodOption,
    ModelOption,
    OverwriteOption,
    ToneOption,
    track,
)
from piafusion.errors import UsageError
from piafusion.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from piafusion.batch import Job, Written
    from piafusion.imaging.curve import ToneRange

INTERRUPTED = 130  # as a shell reports Ctrl-C


def fuse(
    infrared: Annotated[Path, typer.Argument(metavar="IR", help="Infrared image or folder.")],
    visible: Annotated[Path, typer.Argument(metavar="VI", help="Visible image or folder.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File, or folder for the fused images.")
    ],
    model: ModelOption = DEFAULT_MODEL,
    method: MethodOption = None,
    device: DeviceOption = "auto",
    tone: ToneOption = "full",
    format: Annotated[
        str, typer.Option("--format", help="Of images in a folder: png, tiff, jpg, bmp or webp.")
    ] = "png",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Pairs of a folder at a time; one for each core by default."),
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Go on where an earlier run has stopped.")
    ] = False,
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
    if skip_existing and overwrite:
        raise UsageError("expected --skip-existing or --overwrite, found both; choose one")
    if method and model != DEFAULT_MODEL:
        raise UsageError("expected --model or --method, found both; choose one")
    planned, failed = _plan(infrared, visible, output, format)
    jobs = [job for job in planned if not (skip_existing and job.output.exists())]
    _refuse_conflicts(jobs, overwrite=overwrite)

    from piafusion.batch import Written, fuse_jobs
    from piafusion.engines.cores import usable_cores
    from piafusion.fuser import Fuser
    from piafusion.imaging.tiling import untracked

    cores = usable_cores()
    workers = min(workers or cores, len(jobs)) or 1
    # A network with one thread for each core is quickest for one pair, as many networks with one
    # thread each for many pairs. OpenVINO's serves one pair at a time.
    threads = None if workers == 1 or device == "openvino" else max(1, cores // workers)
    rig = chosen_alignment(infrared, visible, alignment, align)
    fuser = Fuser(
        model=model,
        device=device,
        threads=threads,
        tone=tone,
        alignment=rig,
        tile=tile,
        method=method,
    )
    alone = len(jobs) == 1
    written: list[Written] = []
    stopped = False
    began = time.perf_counter()
    of_tiles = track if alone else untracked
    results = fuse_jobs(fuser, jobs, workers=workers, overwrite=overwrite, track=of_tiles)
    try:
        with closing(results):
            for result in results if alone else track(results, "fusing", total=len(jobs)):
                if isinstance(result, Written):
                    written.append(result)
                else:
                    failed.append({"infrared": str(result.job.infrared), "error": result.error})
    except KeyboardInterrupt:
        stopped = True
    seconds = time.perf_counter() - began
    for failure in failed:
        print(f"piafusion: {failure['error']}", file=sys.stderr)
    skipped = len(planned) - len(jobs)
    if as_json:
        report = {
            "model": fuser.model,
            "device": fuser.engine.device,
            "tone": str(fuser.tone),
            "workers": workers,
            "seconds": round(seconds, 4),
            "stopped": stopped,
            "skipped": skipped,
        }
        fused = [_describe(result) for result in written]
        print(json.dumps({**report, "fused": fused, "failed": failed}, indent=2))
    elif written or skipped:
        where = written[0].job.output if len(planned) == 1 and written else output
        print(_summary(len(written), len(planned), len(failed), skipped, seconds) + f": {where}")
        if written and tone != "full":
            print(_tone_line(str(fuser.tone), [result.tone for result in written if result.tone]))
    if stopped:
        print(
            f"piafusion: stopped with {len(planned) - skipped - len(written)} of {len(planned)} "
            "pairs to go; the same command with --skip-existing goes on",
            file=sys.stderr,
        )
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(1)


def _summary(done: int, pairs: int, failed: int, skipped: int, seconds: float) -> str:
    """Return the line that closes a run."""
    share = f"{done} of {pairs}" if done < pairs else str(pairs)
    line = f"fused {share} {'pair' if pairs == 1 else 'pairs'} in {seconds:.2f} s"
    notes = [f"{failed} failed"] * bool(failed) + [f"{skipped} existed already"] * bool(skipped)
    return line + (f" ({', '.join(notes)})" if notes else "")


def _tone_line(tone: str, ranges: list[ToneRange]) -> str:
    """Say which infrared values became black and white; over many pairs, from where to where."""
    ends = []
    for values in ([found.low for found in ranges], [found.high for found in ranges]):
        low, high = min(values), max(values)
        ends.append(f"{low:g}" if low == high else f"{low:g}..{high:g}")
    filled = sum(found.filled for found in ranges)
    dead = f", {filled} dead pixels filled" if filled else ""
    return f"tone {tone}: {ends[0]} is black, {ends[1]} white{dead}"


def _describe(result: Written) -> dict[str, object]:
    """Return an entry of the report."""
    return {
        "infrared": str(result.job.infrared),
        "visible": str(result.job.visible),
        "output": str(result.job.output),
        "width": result.width,
        "height": result.height,
        "seconds": round(result.seconds, 4),
        "tone": asdict(result.tone) if result.tone else None,
    }


def _plan(
    infrared: Path, visible: Path, output: Path, format: str
) -> tuple[list[Job], list[dict[str, str]]]:
    """Return what to fuse, and the files of a folder that have no partner."""
    from piafusion.batch import Job
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
        return [Job(infrared, visible, path)], []
    if output.is_file():
        raise UsageError(f"{output}: expected a folder for the fused images, found a file")
    found = list_pairs(infrared, visible)
    jobs = [
        Job(pair.infrared, pair.visible, output / f"{pair.stem}{suffix}") for pair in found.pairs
    ]
    failed = [
        {"infrared" if path.parent == infrared else "visible": str(path), "error": f"{path}: {why}"}
        for path, why in found.problems.items()
    ]
    return jobs, failed


def _refuse_conflicts(jobs: list[Job], *, overwrite: bool) -> None:
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
