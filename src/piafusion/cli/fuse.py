"""`piafusion fuse`: one pair, or two folders matched by stem."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from piafusion.cli.align import AlignmentOption, AlignOption, chosen_alignment
from piafusion.cli.options import (
    INTERRUPTED,
    DeviceOption,
    JsonOption,
    MethodOption,
    ModelOption,
    OverwriteOption,
    ToneOption,
)
from piafusion.cli.printing import say, say_json, warn
from piafusion.cli.progress import track
from piafusion.errors import UsageError
from piafusion.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from piafusion.batch import FusedPair
    from piafusion.imaging.curve import ToneRange

ENGINES = ("local", "ray")


def fuse(
    infrared: Annotated[str, typer.Argument(metavar="IR", help="Infrared image or folder.")],
    visible: Annotated[str, typer.Argument(metavar="VI", help="Visible image or folder.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="File, or folder for the fused images.")
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
        typer.Option(
            min=1, max=4096, help="Pairs of a folder at a time; one for each core by default."
        ),
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Go on where an earlier run has stopped.")
    ] = False,
    alignment: AlignmentOption = None,
    align: AlignOption = None,
    tile: Annotated[
        int | None,
        typer.Option(
            "--tile", min=1, help="Largest side of tiles in pixels; large pictures have some."
        ),
    ] = None,
    max_megapixels: Annotated[
        float | None,
        typer.Option(
            "--max-megapixels",
            min=0,
            help="Largest picture that is read as a whole, 0 for any; 200 by default.",
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            help="Who shares out the pairs: local, or ray: processes, also of a cluster.",
        ),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="Of the Ray cluster: auto, or HOST:PORT; by default one on this machine."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fuse an infrared and a visible image, or two folders of them matched by file name."""
    if skip_existing and overwrite:
        raise UsageError("expected --skip-existing or --overwrite, found both; choose one")
    if method and model != DEFAULT_MODEL:
        raise UsageError("expected --model or --method, found both; choose one")
    if max_megapixels is not None:
        os.environ["PIAFUSION_MAX_MEGAPIXELS"] = str(max_megapixels)  # every reader looks there
    on_ray = _check_engine(engine, address)
    ir, vi, out = (_place(text, urls=on_ray) for text in (infrared, visible, output))

    from piafusion.batch import FailedPair, FusedPair
    from piafusion.cli.batches import LocalBatch, RayBatch
    from piafusion.cli.planning import plan_jobs, refuse_conflicts
    from piafusion.imaging.places import reachable

    with reachable(ir, vi, out):
        planned, failed = plan_jobs(ir, vi, out, format)
        jobs = [job for job in planned if not (skip_existing and job.output.exists())]
        refuse_conflicts(jobs, overwrite=overwrite)
    if align and not all(isinstance(place, Path) for place in (ir, vi)):
        raise UsageError("--align: expected paths, found a URL; estimate first: piafusion align")
    settings: dict[str, Any] = {
        "model": model,
        "device": device,
        "tone": tone,
        "alignment": chosen_alignment(ir, vi, alignment, align),
        "tile": tile,
        "method": method,
    }
    batch = (
        RayBatch(settings, jobs, planned, workers, address)
        if on_ray
        else LocalBatch(settings, jobs, workers, overwrite=overwrite)
    )
    written: list[FusedPair] = []
    unfused: list[FailedPair] = []
    stopped = False
    began = time.perf_counter()
    try:
        with closing(batch.results()) as results:
            for result in results if len(jobs) == 1 else track(results, "fusing", total=len(jobs)):
                if isinstance(result, FusedPair):
                    written.append(result)
                else:
                    unfused.append(result)
    except KeyboardInterrupt:
        stopped = True
    finally:
        seconds = time.perf_counter() - began
        batch.finish()
    places = {job.output: place for place, job in enumerate(jobs)}  # Ray's come in any order
    written.sort(key=lambda result: places[result.job.output])
    unfused.sort(key=lambda result: places[result.job.output])
    failed += [{"infrared": str(each.job.infrared), "error": each.error} for each in unfused]
    for failure in failed:
        warn(f"piafusion: {failure['error']}")
    skipped = len(planned) - len(jobs)
    if as_json:
        report = {
            "model": method or model,
            "engine": engine,
            "device": batch.device,
            "tone": batch.tone,
            "workers": batch.workers,
            "seconds": round(seconds, 4),
            "stopped": stopped,
            "skipped": skipped,
            **batch.extras,
        }
        fused = [_describe(result) for result in written]
        say_json({**report, "fused": fused, "failed": failed})
    elif written or skipped:
        where = written[0].job.output if len(planned) == 1 and written else out
        say(_summary(len(written), len(planned), len(failed), skipped, seconds) + f": {where}")
        for name, value in batch.extras.items():
            say(f"{name}: {value}")
        if written and tone != "full":
            say(_tone_line(batch.tone, [result.tone for result in written if result.tone]))
    if stopped:
        warn(
            f"piafusion: stopped with {len(planned) - skipped - len(written)} of {len(planned)} "
            "pairs to go; the same command with --skip-existing goes on"
        )
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(1)


def _check_engine(engine: str, address: str | None) -> bool:
    """Tell whether the engine is Ray; refuse others, and an address for the local one."""
    if engine not in ENGINES:
        raise UsageError(
            f"--engine: expected {' or '.join(ENGINES)}, found {engine!r}; it says who shares out "
            "the pairs; where the network runs says --device"
        )
    if address and engine != "ray":
        raise UsageError(f"--address: expected it with --engine ray, found --engine {engine}")
    return engine == "ray"


def _place(text: str, *, urls: bool) -> Path:
    """Return the path of a file or folder; only Ray's workers read and write behind URLs."""
    if "://" not in text:
        return Path(text)
    if not urls:
        raise UsageError(f"{text}: expected a path, found a URL; add --engine ray")
    from piafusion.imaging.places import as_path

    return as_path(text)


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


def _describe(result: FusedPair) -> dict[str, object]:
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
