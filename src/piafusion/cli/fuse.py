"""`piafusion fuse`: one pair, two folders matched by file name, or photos that hold both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from piafusion.cli.align import (
    AlignmentOption,
    AlignOption,
    FovOption,
    LocalOption,
    MirroredOption,
    chosen_alignment,
)
from piafusion.cli.options import (
    INPUT,
    INTERRUPTED,
    OUTPUT,
    PERFORMANCE,
    BarOption,
    DeviceOption,
    JsonOption,
    MatchOption,
    MeasureOption,
    MethodOption,
    ModelOption,
    OverwriteOption,
    PaletteOption,
    PolarityOption,
    PrecisionOption,
    RadiometryOption,
    StrengthOption,
    ToneOption,
    ViewOption,
    ViewPaletteOption,
    VisibleToneOption,
    option,
    set_conditions,
)
from piafusion.cli.printing import say, say_json, warn
from piafusion.cli.progress import ProgressDisplay, track
from piafusion.errors import PiafusionError, UsageError
from piafusion.run.progress import Progress, counted
from piafusion.weights import DEFAULT_MODEL

if TYPE_CHECKING:
    from piafusion.batch import FailedPair, FusedPair, PairJob
    from piafusion.imaging.align import Alignment
    from piafusion.imaging.pairs import Pair
    from piafusion.imaging.tone_curve import InfraredRange

ENGINES = ("local", "ray")


def fuse(
    infrared: Annotated[
        str,
        typer.Argument(
            metavar="IR",
            help="Infrared image or folder; or photos of a thermal camera that hold both.",
        ),
    ],
    output: Annotated[
        str, option("File, or folder for the fused images.", OUTPUT, "--output", "-o")
    ],
    visible: Annotated[
        str | None,
        typer.Argument(metavar="[VI]", help="Visible image or folder.", show_default=False),
    ] = None,
    temperature: Annotated[
        Path | None,
        option(
            "TIFF file, or folder for several, for the temperatures of radiometric files on the "
            "visible picture's pixels.",
            OUTPUT,
        ),
    ] = None,
    format: Annotated[
        str, option("Format of the images in a folder: png, tiff, jpg, bmp or webp.", OUTPUT)
    ] = "png",
    overwrite: OverwriteOption = False,
    skip_existing: Annotated[
        bool,
        option(
            "Continue a run that stopped: fuse only what is missing.", OUTPUT, "--skip-existing"
        ),
    ] = False,
    strip_metadata: Annotated[
        bool,
        option(
            "Leave out what the visible file says of place, time and camera (EXIF, XMP), and its "
            "colour profile.",
            OUTPUT,
            "--strip-metadata",
        ),
    ] = False,
    as_json: JsonOption = False,
    view: ViewOption = "fused",
    view_palette: ViewPaletteOption = None,
    bar: BarOption = False,
    measure: MeasureOption = None,
    radiometry: RadiometryOption = None,
    match: MatchOption = None,
    max_megapixels: Annotated[
        float | None,
        option(
            "Largest picture that is read as a whole; 0 allows any, the default is 200.",
            INPUT,
            min=0,
        ),
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    method: MethodOption = None,
    strength: StrengthOption = None,
    tone: ToneOption = "full",
    polarity: PolarityOption = "white-hot",
    palette: PaletteOption = None,
    visible_tone: VisibleToneOption = "full",
    alignment: AlignmentOption = None,
    align: AlignOption = None,
    local: LocalOption = False,
    fov: FovOption = None,
    mirrored: MirroredOption = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    workers: Annotated[
        int | None,
        option(
            "Pairs of a folder that are fused at the same time; default: one for each core.",
            PERFORMANCE,
            min=1,
            max=4096,
        ),
    ] = None,
    tile: Annotated[
        int | None,
        option(
            "Largest side of a tile in pixels; larger pictures are fused in tiles; default: tiles "
            "for pictures above 4 megapixels.",
            PERFORMANCE,
            min=1,
        ),
    ] = None,
    engine: Annotated[
        str,
        option("local: threads of this process; ray: processes of a Ray cluster.", PERFORMANCE),
    ] = "local",
    address: Annotated[
        str | None,
        option(
            "Address of the Ray cluster: auto, or HOST:PORT; default: Ray on this machine.",
            PERFORMANCE,
        ),
    ] = None,
) -> None:
    """Fuse an infrared and a visible image, two folders of them, or photos that hold both."""
    from piafusion.imaging.natural import check_strength

    check_strength(strength)
    if skip_existing and overwrite:
        raise UsageError("expected --skip-existing or --overwrite, found both; choose one")
    if method and model != DEFAULT_MODEL:
        raise UsageError("expected --model or --method, found both; choose one")
    if max_megapixels is not None:
        os.environ["PIAFUSION_MAX_MEGAPIXELS"] = str(max_megapixels)  # every reader looks there
    if radiometry and engine == "ray":
        raise UsageError("--radiometry: expected --engine local, found ray; leave one of them out")
    set_conditions(radiometry)
    _check_engine(engine, address)
    if visible is None and tone == "full":
        tone = "plateau"  # temperatures have no full range
    ir, vi, out = _place(infrared), _place(visible) if visible else None, _place(output)

    from piafusion.batch import FusedPair
    from piafusion.cli.planning import plan_jobs, refuse_conflicts
    from piafusion.imaging.places import reachable
    from piafusion.imaging.views import parse_place, parse_view
    from piafusion.manifest import NAME, read_manifest, update_manifest

    drawn, spots = parse_view(view, view_palette, bar=bar), tuple(measure or ())
    for spot in spots:
        parse_place(spot)
    with reachable(ir, vi or ir, out):
        planned, failed = plan_jobs(ir, vi, out, format, temperature, match)
        planned = [replace(job, places=spots) for job in planned]
        jobs = [job for job in planned if not (skip_existing and job.output.exists())]
        refuse_conflicts(jobs, overwrite=overwrite)
        manifest = out / NAME if ir.is_dir() else None
        before = read_manifest(manifest) if manifest else []
    if align and not all(isinstance(place, Path) for place in (ir, vi or ir)):
        raise UsageError("--align: expected paths, found a URL; estimate first: piafusion align")
    tones: dict[str, Any] = {
        "tone": tone,
        "polarity": polarity,
        "palette": palette,
        "visible_tone": visible_tone,
    }
    rig = chosen_alignment(ir, vi, alignment, align, match, fov=fov, mirrored=mirrored, **tones)
    if callable(rig):
        jobs, unlike = _aligned(jobs, rig)
        failed, rig = failed + unlike, None
    settings: dict[str, Any] = {
        "model": model,
        "device": device,
        # Beside reading and writing files, OpenVINO saves less than it takes to start.
        "precision": "float" if precision == device == "auto" else precision,
        **tones,
        "alignment": rig,
        "tile": tile,
        "method": method,
        "keep_metadata": not strip_metadata,
        "view": drawn,
        "strength": strength,
        "local": local,
    }
    run = (
        _run_on_ray(settings, jobs, workers, address)
        if engine == "ray"
        else _run_locally(settings, jobs, workers, overwrite=overwrite)
    )

    def record(results: Sequence[FusedPair | FailedPair]) -> None:
        if manifest:
            update_manifest(
                manifest, before, planned, results, model=method or model, tone=run.tone
            )

    ended = _take_all(run, jobs, record)
    fused = [result for result in ended.results if isinstance(result, FusedPair)]
    failed += [
        {"infrared": str(result.job.infrared), "error": result.error}
        for result in ended.results
        if not isinstance(result, FusedPair)
    ]
    for line in [*_failures(failed), *_advice(fused), *_notes(fused)]:
        warn(f"piafusion: {line}")
    skipped = len(planned) - len(jobs)
    if as_json:
        report = {
            "model": method or model,
            "engine": engine,
            **run.described(ended.results),
            "seconds": round(ended.seconds, 4),
            "stopped": ended.stopped,
            "skipped": skipped,
            "manifest": str(manifest) if manifest else None,
        }
        say_json({**report, "fused": [_describe(result) for result in fused], "failed": failed})
    elif fused or skipped:
        where = fused[0].job.output if len(planned) == 1 and fused else out
        say(_summary(len(fused), len(planned), len(failed), skipped, ended.seconds) + f": {where}")
        if fused and run.tone != "full":
            say(_tone_line(run.tone, [result.tone for result in fused if result.tone]))
        for result in fused if measure else ():
            for line in _measured(result, named=len(fused) > 1):
                say(line)
    if ended.stopped:
        warn(
            f"piafusion: stopped with {len(planned) - skipped - len(fused)} of {len(planned)} "
            "pairs not fused; continue with the same command and --skip-existing"
        )
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(1)


def _aligned(
    jobs: Sequence[PairJob], estimate: Callable[[Pair], Alignment]
) -> tuple[list[PairJob], list[dict[str, str]]]:
    """Return the jobs with an alignment of their own, and those that have none, with the error."""
    from piafusion.imaging.pairs import Pair

    found, failed = [], []
    for job in jobs if len(jobs) == 1 else track(jobs, "aligning"):
        try:
            rig = estimate(Pair(job.infrared.stem, job.infrared, job.visible))
        except PiafusionError as error:
            reason = str(error)
            named = reason if str(job.infrared) in reason else f"{job.infrared}: {reason}"
            failed.append({"infrared": str(job.infrared), "error": named})
        else:
            found.append(replace(job, alignment=rig))
    return found, failed


def _failures(failed: Sequence[dict[str, str]]) -> list[str]:
    """Return a line for each error; pairs with the same one share a line."""
    kinds: dict[str, list[dict[str, str]]] = {}
    for failure in failed:
        _, _, reason = failure["error"].partition(": expected ")
        kinds.setdefault(reason or failure["error"], []).append(failure)
    lines = []
    for first, *others in kinds.values():
        names = ", ".join(Path(other["infrared"]).name for other in others)
        lines.append(first["error"] + (f" (the same for {names})" if others else ""))
    return lines


class _Run(NamedTuple):
    """A run that has not begun; workers and device are known beforehand for the local engine."""

    begin: Callable[[Progress], Generator[FusedPair | FailedPair, None, None]]
    tone: str
    workers: int | None = None
    device: str | None = None
    precision: str | None = None

    def described(self, results: Sequence[FusedPair | FailedPair]) -> dict[str, object]:
        """Return entries of the report: what was known beforehand, or what the workers tell."""
        return {
            "device": self.device or ", ".join(sorted({each.device for each in results} - {""})),
            "precision": self.precision,
            "tone": self.tone,
            "workers": self.workers or len({each.worker for each in results} - {""}),
        }


class _Ended(NamedTuple):
    """A run that has ended: the results in the order of the jobs."""

    results: list[FusedPair | FailedPair]
    seconds: float
    stopped: bool


def _take_all(
    run: _Run,
    jobs: Sequence[PairJob],
    record: Callable[[Sequence[FusedPair | FailedPair]], None],
) -> _Ended:
    """Fuse all pairs and record the results, also those of a run that was stopped or has failed."""
    results: list[FusedPair | FailedPair] = []
    stopped = False
    began = time.perf_counter()
    try:
        with ProgressDisplay() as display, closing(run.begin(display)) as running:
            tiles = len(jobs) == 1  # a pair alone tells of its tiles itself
            for result in running if tiles else counted(running, "fusing", display, len(jobs)):
                results.append(result)
    except KeyboardInterrupt:
        stopped = True
    finally:
        seconds = time.perf_counter() - began
        record(results)
    places = {job.output: place for place, job in enumerate(jobs)}  # Ray's come in any order
    results.sort(key=lambda result: places[result.job.output])
    return _Ended(results, seconds, stopped)


def _run_locally(
    settings: dict[str, Any], jobs: Sequence[PairJob], workers: int | None, *, overwrite: bool
) -> _Run:
    """Return a run in threads of this process, which share one `Fuser`."""
    from piafusion.batch import fuse_jobs
    from piafusion.engines import resolve
    from piafusion.fuser import Fuser
    from piafusion.machine import share_cores

    device = settings["device"]
    if not settings["method"]:
        device = resolve(device, settings["model"], settings["precision"])
    share = share_cores(workers, most=len(jobs), device=device)
    fuser = Fuser(**settings, threads=share.threads)
    runs = fuser.engine
    return _Run(
        lambda display: fuse_jobs(
            fuser, jobs, workers=share.workers, overwrite=overwrite, progress=display
        ),
        str(fuser.tone),
        share.workers,
        runs.device,
        runs.precision,
    )


def _run_on_ray(
    settings: dict[str, Any], jobs: Sequence[PairJob], workers: int | None, address: str | None
) -> _Run:
    """Return a run in processes of this machine or of a cluster."""
    from piafusion import cluster
    from piafusion.fuser import Fuser
    from piafusion.imaging.tone import parse_tone

    cluster.load_ray()
    if settings["device"] in ("auto", "cpu"):  # errors are found before Ray is started
        Fuser(**settings, threads=1)
    if Path(settings["model"]).is_file():
        settings = {**settings, "model": str(Path(settings["model"]).absolute())}
    results = cluster.fuse_on_ray(settings, jobs, workers=workers, address=address)
    names = (settings[name] for name in ("tone", "polarity", "palette"))
    return _Run(lambda display: results, str(parse_tone(*names)))


def _check_engine(engine: str, address: str | None) -> None:
    """Refuse an engine that does not exist, and an address for the local one."""
    if engine not in ENGINES:
        raise UsageError(
            f"--engine: expected {' or '.join(ENGINES)}, found {engine!r}; it says which processes "
            "fuse the pairs; use --device for where the network runs"
        )
    if address and engine != "ray":
        raise UsageError(
            f"--address: expected it with --engine ray, found --engine {engine}; leave it out"
        )


def _place(text: str) -> Path:
    """Return the path of a file or folder, which may be a URL."""
    if "://" not in text:
        return Path(text)
    from piafusion.imaging.places import as_path

    return as_path(text)


def _summary(done: int, pairs: int, failed: int, skipped: int, seconds: float) -> str:
    """Return the line that closes a run."""
    share = f"{done} of {pairs}" if done < pairs else str(pairs)
    line = f"fused {share} {'pair' if pairs == 1 else 'pairs'} in {seconds:.2f} s"
    notes = [f"{failed} failed"] * bool(failed) + [f"{skipped} existed already"] * bool(skipped)
    return line + (f" ({', '.join(notes)})" if notes else "")


def _tone_line(tone: str, ranges: list[InfraredRange]) -> str:
    """Return the infrared values that became black and white; for many pairs, their ranges."""
    ends = []
    for values in ([found.low for found in ranges], [found.high for found in ranges]):
        low, high = min(values), max(values)
        ends.append(f"{low:g}" if low == high else f"{low:g}..{high:g}")
    filled = sum(found.filled for found in ranges)
    dead = f", {filled} dead pixels filled" if filled else ""
    return f"tone {tone}: {ends[0]} is black, {ends[1]} white{dead}"


def _measured(result: FusedPair, *, named: bool) -> list[str]:
    """Return a line for each place that was measured, with the pair's name if there are several."""
    lines = []
    for place, values in result.measured.items():
        texts = [f"{name} {value:.1f} {result.unit}".strip() for name, value in values.items()]
        start = f"{result.job.infrared}: " if named else ""
        lines.append(f"{start}{place}: {', '.join(texts)}")
    return lines


def _notes(fused: Sequence[FusedPair]) -> list[str]:
    """Return the notes about how photos were read, each once."""
    kinds: dict[str, list[FusedPair]] = {}
    for result in fused:
        if result.note:
            kinds.setdefault(result.note, []).append(result)
    return [
        f"{pairs[0].job.infrared}: {note}" + (f" ({len(pairs)} in all)" if pairs[1:] else "")
        for note, pairs in kinds.items()
    ]


def _advice(fused: Sequence[FusedPair]) -> list[str]:
    """Return the advice about the infrared ranges of a run, the first of each kind, in one line."""
    kinds: dict[str, list[str]] = {}
    for result in fused:
        if result.tone and result.tone.advice:
            kind = result.tone.advice.rpartition(";")[2]  # the next step; the values differ
            kinds.setdefault(kind[:20], []).append(f"{result.job.infrared}: {result.tone.advice}")
    return [
        lines[0] + (f" ({len(lines)} of {len(fused)} pairs)" if len(fused) > 1 else "")
        for lines in kinds.values()
    ]


def _describe(result: FusedPair) -> dict[str, object]:
    """Return an entry of the report."""
    from piafusion.report.text import for_json  # for --json alone

    tone = asdict(result.tone) if result.tone else {}
    advice = tone.pop("advice", "") or None
    return {
        "infrared": str(result.job.infrared),
        "visible": str(result.job.visible),
        "output": str(result.job.output),
        "width": result.width,
        "height": result.height,
        "seconds": round(result.seconds, 4),
        "temperature": str(result.job.temperature) if result.job.temperature else None,
        "note": result.note or None,
        "unit": result.unit or None,
        "measured": for_json(result.measured),
        "radiometry": for_json(result.conditions),
        "tone": tone or None,
        "advice": advice,
    }
