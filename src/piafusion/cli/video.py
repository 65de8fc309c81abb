"""`piafusion video`: fuse two files, streams or devices, or one that shows both cameras."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from piafusion.cli.align import (
    AlignmentOption,
    FovOption,
    LocalOption,
    MirroredOption,
    alignment_of_videos,
)
from piafusion.cli.options import (
    ALIGNMENT,
    INPUT,
    LARGEST,
    OUTPUT,
    BarOption,
    DeviceOption,
    JsonOption,
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
    option,
    set_conditions,
)
from piafusion.cli.printing import say, say_json, warn
from piafusion.cli.progress import ProgressDisplay
from piafusion.cli.stopping import StopSignals
from piafusion.errors import UsageError, VideoError

if TYPE_CHECKING:
    from piafusion.fuser import Fuser
    from piafusion.imaging.align import Alignment
    from piafusion.imaging.arrays import Image
    from piafusion.imaging.tone import Tone
    from piafusion.imaging.views import View
    from piafusion.video.frames import Layout
    from piafusion.video.inputs import VideoInputs
    from piafusion.video.pipeline import VideoRun
    from piafusion.video.sources import VideoFormat
    from piafusion.video.writers import Writer

VIDEO_MODEL = "piafusion-fast"
HALF_LIFE = 1.0
"""Seconds after which half of a change of the infrared range shows in the picture."""
STANDARD_OUTPUT = Path("-")
_MOST_WORKERS = 4  # each holds a frame's arrays
_HALVES = {"side-by-side": ("left", "right"), "top-bottom": ("top", "bottom")}

LayoutOption = Annotated[
    str | None, option("How one video shows both cameras: side-by-side or top-bottom.", INPUT)
]
HalfOption = Annotated[
    str | None,
    option(
        "The infrared half of that video: left (default), right, top or bottom.",
        INPUT,
        "--infrared",
    ),
]
StreamsOption = Annotated[
    str | None,
    option(
        "Numbers of the video streams in files with several: IR,VI, from 0; one file may "
        "hold both.",
        INPUT,
    ),
]
OffsetOption = Annotated[
    str,
    option(
        "Seconds by which the infrared started later; negative if it started earlier; or "
        "auto, which finds it from the motion in both files.",
        INPUT,
    ),
]
MaxGapOption = Annotated[
    float, option("Largest difference in seconds between the two frames of a pair.", INPUT, min=0)
]
ReconnectOption = Annotated[
    float, option("Seconds to wait until a broken stream comes back.", INPUT, min=0)
]


def video(
    infrared: Annotated[
        str,
        typer.Argument(
            metavar="IR", help="Infrared file, URL or device; or one video that shows both cameras."
        ),
    ],
    visible: Annotated[
        str | None, typer.Argument(metavar="[VI]", help="Visible file, URL or device.")
    ] = None,
    *,
    output: Annotated[
        Path,
        option(
            "An .mp4, .mov or .mkv file, a folder for PNG files, or - for raw frames.",
            OUTPUT,
            "--output",
            "-o",
        ),
    ],
    codec: Annotated[str, option("h264, h265 or av1.", OUTPUT)] = "h264",
    crf: Annotated[
        int,
        option("Quality: 0 is the best, higher values make smaller files.", OUTPUT, min=0, max=51),
    ] = 18,
    bits: Annotated[int, option("8, or 10 with h265 or av1.", OUTPUT, min=8, max=10)] = 8,
    start: Annotated[
        float, option("Leave out so many seconds of the visible file.", INPUT, min=0)
    ] = 0.0,
    duration: Annotated[
        float | None, option("Stop after this many seconds of video.", OUTPUT, min=0)
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    view: ViewOption = "fused",
    view_palette: ViewPaletteOption = None,
    bar: BarOption = False,
    radiometry: RadiometryOption = None,
    layout: LayoutOption = None,
    half: HalfOption = None,
    streams: StreamsOption = None,
    offset: OffsetOption = "0",
    max_gap: MaxGapOption = 0.5,
    reconnect: ReconnectOption = 30.0,
    model: ModelOption = VIDEO_MODEL,
    strength: StrengthOption = None,
    tone: ToneOption = "full",
    polarity: PolarityOption = "white-hot",
    palette: PaletteOption = None,
    alignment: AlignmentOption = None,
    align: Annotated[
        str | None,
        option("auto: first estimate the alignment, from frames of the whole video.", ALIGNMENT),
    ] = None,
    local: LocalOption = False,
    fov: FovOption = None,
    mirrored: MirroredOption = False,
    resize: Annotated[
        bool,
        option(
            "Scale the infrared to the size of the visible; both must show the same view.",
            ALIGNMENT,
            "--resize",
        ),
    ] = False,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
) -> None:
    """Fuse a video: two files, streams or devices, or one file that shows both cameras."""
    from piafusion.imaging.natural import check_strength

    check_strength(strength)
    set_conditions(radiometry)
    given = parse_offset(offset)
    if streams and not layout:
        visible = visible or infrared
    first = infrared_first(visible, layout, half)
    numbers = parse_streams(streams, auto=bool(align or given is None or layout))
    refuse_one_for_both(infrared, visible, apart=numbers[0] != numbers[1])
    _refuse_conflicts([infrared, visible], output, overwrite=overwrite)
    if as_json and output == STANDARD_OUTPUT:
        raise UsageError("--json: expected a file or folder as output; - carries the frames")

    from piafusion.imaging.tone import Full, Span, parse_tone
    from piafusion.imaging.views import parse_view
    from piafusion.video.frames import Matching
    from piafusion.video.inputs import open_halves, open_two
    from piafusion.video.pipeline import fuse_video
    from piafusion.video.writers import check_codec

    check_codec(codec, output, bits)
    if bits > 8 and (visible is None or view != "fused"):
        raise UsageError("--bits 10: expected two videos and no --view, which has 8 bits")
    chosen = parse_tone(tone, polarity)  # a wrong one is refused before a source is opened
    fixed = isinstance(chosen, (Full, Span))  # each frame has the same range, in its own values
    drawn = _checked_view(parse_view(view, view_palette, bar=bar), chosen, fixed=fixed)
    settings: dict[str, Any] = {"tone": chosen if fixed else "full", "view": drawn}
    later, drift = given or Fraction(0), Fraction(0)
    if given is None:
        later, drift = estimated_offset(infrared, visible)
    mapped: Alignment | Path | None = alignment
    if align:
        if align != "auto" or alignment or resize or visible is None:
            raise UsageError("--align: expected auto, for two files and without another alignment")
        mapped = alignment_of_videos(
            infrared, visible, tone, polarity, palette, later, fov, mirrored=mirrored
        )
    elif fov or mirrored:
        raise UsageError("--fov and --mirrored: expected --align auto, found none")
    settings["strength"] = strength
    fuser, workers = _make_fuser(model, device, mapped, precision, local=local, **settings)
    with StopSignals() as stop, ProgressDisplay() as display:
        matching = Matching(later, exact(max_gap), reconnect, warn, exact(start), drift)
        try:
            if visible is None:
                which = cast("Layout", layout)
                inputs = open_halves(
                    infrared, which, matching, stop.asked, infrared_first=first, palette=palette
                )
            else:
                inputs = open_two(
                    infrared,
                    visible,
                    matching,
                    stop.asked,
                    palette=palette,
                    streams=numbers,
                    bits=bits,
                )
        except VideoError:
            if stop.asked():
                raise typer.Exit(stop.exit_code) from None
            raise
        if start and inputs.live:
            inputs.close()
            raise UsageError(f"--start: expected files, found {inputs.name} live; leave it out")
        began = time.perf_counter()
        run = fuse_video(
            inputs,
            fuser,
            partial(_make_writer, output, inputs, (codec, crf, bits), overwrite),
            prepare=_make_prepare(chosen, inputs.format.rate, fixed=fixed, resize=resize),
            workers=workers,
            duration=None if duration is None else exact(duration),
            stopped=stop.asked,
            progress=display,
        )
        elapsed = time.perf_counter() - began
    report = _report(run, inputs, fuser, output, elapsed)
    for line in _notices(run, inputs, max_gap, output):
        warn(f"piafusion: {line}")
    if as_json:
        say_json(report)
    elif run.frames:
        tell = warn if output == STANDARD_OUTPUT else say
        tell(
            f"fused {run.frames} frames, {run.seconds:.2f} s of {run.width}x{run.height} at "
            f"{float(inputs.format.rate):.5g} frames/s, in {elapsed:.1f} s "
            f"({run.frames / elapsed:.1f} frames/s): {output}"
        )
    if stop.asked() or run.error or inputs.problems:
        raise typer.Exit(stop.exit_code or 1)


def parse_offset(offset: str) -> Fraction | None:
    """Return the seconds that --offset gives, or None for auto."""
    if offset == "auto":
        return None
    try:
        seconds = float(offset)
    except ValueError:
        seconds = math.nan
    if not abs(seconds) <= LARGEST:
        raise UsageError(
            f"--offset: expected a number up to {LARGEST:,} or auto, found {offset[:40]!r}; give "
            "seconds"
        )
    return exact(seconds)


def estimated_offset(infrared: str, visible: str | None) -> tuple[Fraction, Fraction]:
    """Estimate the offset of two files in seconds, and its drift; tell what was found."""
    if visible is None:
        raise UsageError("--offset: expected a number with --layout, found auto; leave it out")
    from piafusion.video.offset import estimate_offset

    found = estimate_offset(infrared, visible)
    warn(
        f"--offset {float(found.seconds):g} fits best: agreement {found.agreement:.2f}, "
        f"{found.other:.2f} elsewhere"
    )
    if found.drift:
        warn(f"the clocks drift apart by {abs(float(found.drift)) * 60_000:.1f} ms a minute")
    return found.seconds, found.drift


def _checked_view(view: View, tone: Tone, *, fixed: bool) -> View:
    """Return a view that can be drawn of each frame."""
    if view.name == "flicker":
        raise UsageError("--view flicker: expected a view with one picture for each frame")
    if view.needs_values and not fixed:
        bar = " with --bar" if view.bar else ""
        raise UsageError(
            f"--view {view}{bar}: expected a range that stays as it is, found --tone {tone}; add "
            "--tone span:LOW,HIGH"
        )
    return view


def _make_fuser(
    model: str,
    device: str,
    alignment: Alignment | Path | None,
    precision: str = "auto",
    *,
    local: bool = False,
    **settings: Any,  # noqa: ANN401 - of a Fuser
) -> tuple[Fuser, int]:
    """Return the fuser, and how many threads may call it at the same time."""
    from piafusion.engines import resolve
    from piafusion.fuser import Fuser
    from piafusion.imaging.align import Local
    from piafusion.machine import share_cores

    where = resolve(device, model, precision)
    share = share_cores(most=1 if local else _MOST_WORKERS, device=where)
    settings |= {"model": model, "device": device, "precision": precision, "alignment": alignment}
    if local:  # its shifts follow the frames, so these come one after the other
        settings["local"] = Local(video=True)
    fuser = Fuser(**settings, threads=share.threads)
    return fuser, share.workers


def _make_prepare(
    tone: Tone, rate: Fraction, *, fixed: bool, resize: bool
) -> Callable[[Image, Image], Image]:
    """Return a function for the infrared frames in their order, before several are fused at once.

    A tone that is not fixed is applied here and not in the `Fuser`, because smoothing needs the
    frames in order.
    """
    from piafusion.imaging.tone import SmoothedTone
    from piafusion.video.frames import scale_to

    smoothed = None if fixed else SmoothedTone(tone, half_life=float(HALF_LIFE * rate))
    first = True

    def prepare(infrared: Image, visible: Image) -> Image:
        nonlocal first
        if first or smoothed:  # other frames are checked by the fuser alone
            infrared = tone.check(infrared)
        if first and (advice := tone.advise(infrared)):
            warn(f"piafusion: {advice}")
        first = False
        infrared = scale_to(infrared, visible) if resize else infrared
        return smoothed(infrared)[0] if smoothed else infrared

    return prepare


def infrared_first(visible: str | None, layout: str | None, half: str | None) -> bool:
    """Check the options for one video that shows both cameras; return whether infrared is first."""
    if visible is not None:
        if layout or half:
            raise UsageError("--layout and --infrared: expected one video with both, found two")
        return True
    if layout not in _HALVES:
        known = " or ".join(_HALVES)
        raise UsageError(
            f"expected two videos, or one and --layout {known}, found one and "
            f"{'no --layout' if layout is None else repr(layout)}"
        )
    halves = _HALVES[layout]
    if half is not None and half not in halves:
        raise UsageError(
            f"--infrared: expected {' or '.join(halves)} with {layout}, found {half!r}"
        )
    return half != halves[1]


def parse_streams(text: str | None, *, auto: bool) -> tuple[int, int]:
    """Return the numbers in --streams, 0 and 0 by default."""
    if text is None:
        return 0, 0
    found = re.fullmatch(r"([0-9]{1,3}),([0-9]{1,3})", text)
    if not found or auto:
        raise UsageError(
            "--streams: expected two numbers such as 0,1, without --layout, --align and auto, "
            f"found {text[:40]!r}"
        )
    return int(found[1]), int(found[2])


def refuse_one_for_both(infrared: str, visible: str | None, *, apart: bool) -> None:
    """Refuse one source for both, unless its two streams are `apart`."""
    from piafusion.video.names import is_same_file, local_path

    if visible is None or apart:
        return
    if visible == infrared or is_same_file(infrared, local_path(visible) or Path()):
        raise UsageError(
            f"{infrared}: expected an infrared and a visible video, found one for both; give "
            "two, or one that shows both cameras and --layout"
        )


def _refuse_conflicts(sources: list[str | None], output: Path, *, overwrite: bool) -> None:
    """Refuse an output that cannot be written or is a source, before any work."""
    from piafusion.video.names import is_same_file, local_path
    from piafusion.video.writers import check_video_output

    if output == STANDARD_OUTPUT:
        if sys.stdout.isatty():
            raise UsageError("--output -: expected a pipe or a file, found a terminal; add | or >")
        return
    for source in filter(None, sources):
        path = local_path(source)
        numbered = path is not None and re.fullmatch(r"%?\d+d?\.png", path.name)
        if is_same_file(source, output) or (
            numbered and path is not None and is_same_file(str(path.parent), output)
        ):
            raise UsageError(f"{output}: is one of the sources; choose another output")
    check_video_output(output, overwrite=overwrite)


def _make_writer(
    output: Path,
    inputs: VideoInputs,
    coding: tuple[str, int, int],
    overwrite: bool,
    format: VideoFormat,
    width: int,
    height: int,
) -> Writer:
    from piafusion.video.audio import AudioCopy
    from piafusion.video.writers import FolderWriter, MovieWriter, RawWriter, is_folder

    if output == STANDARD_OUTPUT:
        warn(
            f"raw frames; to see them: ffplay -f rawvideo -pixel_format rgb24 "
            f"-video_size {width}x{height} -framerate {format.rate} -"
        )
        return RawWriter(sys.stdout.buffer)
    if is_folder(output):
        return FolderWriter(output, overwrite=overwrite)
    if width % 2 or height % 2:
        warn(f"{output}: one pixel is added to each odd side of {width}x{height} for 4:2:0")
    source = inputs.visible
    audio = None if source.live or source.once else AudioCopy(source, warn)
    codec, crf, bits = coding
    return MovieWriter(output, format, width, height, codec=codec, crf=crf, bits=bits, audio=audio)


def _notices(run: VideoRun, inputs: VideoInputs, max_gap: float, output: Path) -> list[str]:
    """Return lines about the run for the user."""
    kept = f"the {run.frames} frames before are kept in {output}" if run.frames else "nothing kept"
    lines = inputs.problems + inputs.notices
    if run.unmatched:
        lines.append(
            f"{run.unmatched} visible frames had no infrared frame within {max_gap:g} s and were "
            "left out"
        )
    if inputs.dropped:
        lines.append(f"{inputs.dropped} visible frames were dropped to keep up with the stream")
    if run.error:
        lines.append(f"{run.error}; {kept}")
    elif run.interrupted:
        lines.append(f"stopped; {kept}")
    return lines


def _report(
    run: VideoRun, inputs: VideoInputs, fuser: Fuser, output: Path, elapsed: float
) -> dict[str, Any]:
    """Return the values that --json prints."""
    return {
        "model": fuser.model,
        "device": fuser.engine.device,
        "precision": fuser.engine.precision,
        "output": str(output),
        "frames": run.frames,
        "seconds": round(run.seconds, 6),
        "rate": str(inputs.format.rate),
        "width": run.width,
        "height": run.height,
        "unmatched": run.unmatched,
        "dropped": inputs.dropped,
        "problems": inputs.problems,
        "notices": inputs.notices,
        "reconnections": inputs.reconnections,
        "interrupted": run.interrupted,
        "error": None if run.error is None else str(run.error),
        "elapsed": round(elapsed, 3),
        "frames_per_second": round(run.frames / elapsed, 2),
    }


def exact(seconds: float) -> Fraction:
    """Return the exact value of the decimal number that was typed."""
    return Fraction(str(seconds))
