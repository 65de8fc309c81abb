"""`piafusion align`: the transform of a rig, estimated once and saved; and a check of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from piafusion.cli.options import (
    ALIGNMENT,
    VIEW,
    JsonOption,
    MatchOption,
    OverwriteOption,
    PaletteOption,
    PolarityOption,
    ToneOption,
    ViewOption,
    ViewPaletteOption,
    VisibleToneOption,
    option,
)
from piafusion.cli.printing import print_table, say, say_json, warn
from piafusion.cli.progress import track
from piafusion.errors import AlignmentError, PiafusionError, SizeMismatchError, UsageError

if TYPE_CHECKING:
    from piafusion.imaging.align import Alignment
    from piafusion.imaging.align.check import Residual
    from piafusion.imaging.align.lens import Calibration
    from piafusion.imaging.arrays import Image
    from piafusion.imaging.pairs import Pair
    from piafusion.imaging.views import View
    from piafusion.video.spread import Moment

    Read = Callable[[Pair], tuple[Image, Image]]
    Prior = dict[str, Any]  # what is known of a rig before the estimate

AlignmentOption = Annotated[
    Path | None,
    option(
        "File written by `piafusion align`: it maps the infrared onto the visible picture.",
        ALIGNMENT,
    ),
]
AlignOption = Annotated[
    str | None,
    option(
        "auto: first estimate the alignment from the pictures, one for all pairs of a folder. "
        "each: estimate one for each pair.",
        ALIGNMENT,
    ),
]
LocalOption = Annotated[
    bool,
    option(
        "After the alignment, also shift near objects where the two pictures then fit better.",
        ALIGNMENT,
        "--local",
    ),
]
FovOption = Annotated[
    str | None,
    option(
        "Horizontal fields of view of the infrared and the visible camera, in degrees: 20.6,45. "
        "They make the estimate faster and more reliable.",
        ALIGNMENT,
    ),
]
MirroredOption = Annotated[
    bool,
    option(
        "The infrared picture is mirrored, left for right; the estimate takes this into account.",
        ALIGNMENT,
        "--mirrored",
    ),
]
MOST_PAIRS = 20
# Files with other suffixes are pictures.
_VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg")
_MORE_VIDEOS = (".mpeg", ".wmv", ".flv", ".3gp", ".seq")


def align(
    infrared: Annotated[
        Path,
        typer.Argument(
            metavar="IR",
            help="Infrared image, video or folder; or photos with both; or FILE.json to crop.",
        ),
    ],
    visible: Annotated[
        Path | None,
        typer.Argument(metavar="[VI]", help="Visible image, video or folder.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, option("JSON file for the alignment.", None, "--output", "-o")
    ] = None,
    preview: Annotated[
        Path | None, option("Picture of the first pair: before, after, and where both agree.", VIEW)
    ] = None,
    view: ViewOption = "checker",
    view_palette: ViewPaletteOption = None,
    kind: Annotated[str, option("Richest map: similarity, affine or homography.")] = "homography",
    fov: FovOption = None,
    mirrored: MirroredOption = False,
    lenses: Annotated[
        str,
        option(
            "Distortion of the lenses: auto (estimated from 10 pairs or more), none, or the "
            "calibration of both cameras as YAML of kalibr or OpenCV: FILE or IR_FILE,VI_FILE."
        ),
    ] = "auto",
    pairs: Annotated[
        int, option("For folders and videos: pairs to use, evenly spread.", min=1, max=10_000)
    ] = MOST_PAIRS,
    offset: Annotated[
        float, option("For videos: seconds by which the infrared started later.")
    ] = 0.0,
    check: Annotated[
        bool, option("Estimate nothing; list pairs that are not aligned.", None, "--check")
    ] = False,
    alignment: Annotated[
        Path | None, option("With --check: apply this alignment before the check.")
    ] = None,
    limit: Annotated[
        float | None,
        option(
            "With --check: longest shift of an aligned pair, in pixels at a width of 640; "
            "10 by default.",
            min=0,
        ),
    ] = None,
    infrared_crop: Annotated[
        str | None,
        option("For FILE.json: the part of the infrared pictures, as 320x180 (middle) or WxH+X+Y."),
    ] = None,
    visible_crop: Annotated[str | None, option("For FILE.json: that of the visible ones.")] = None,
    match: MatchOption = None,
    tone: ToneOption = "full",
    polarity: PolarityOption = "white-hot",
    palette: PaletteOption = None,
    visible_tone: VisibleToneOption = "full",
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Estimate the transform between the two cameras of a rig from one or many pairs."""
    if check is (output is not None):
        raise UsageError("expected either --output FILE or --check; give one of the two")
    if check and (fov or mirrored):
        raise UsageError("--fov and --mirrored: expected --output, found --check; they help there")
    if not check and (alignment is not None or limit is not None):
        raise UsageError("--alignment and --limit: are for --check; piafusion fuse applies a file")
    if check and preview:
        raise UsageError("--preview: expected --output, found --check; it shows what was estimated")
    if infrared.suffix.lower() == ".json" or infrared_crop or visible_crop:
        _crop(infrared, visible, output, infrared_crop, visible_crop, overwrite=overwrite)
        return
    from piafusion.imaging.views import parse_view

    drawn = parse_view(view, view_palette)
    prior = {**_prior(fov, mirrored=mirrored), "lenses": _parse_lenses(lenses)}
    if preview:
        from piafusion.imaging.io import check_output

        check_output(preview, overwrite=overwrite)
    if output and output.exists() and not overwrite:
        raise UsageError(f"{output}: exists already; add --overwrite or choose another name")
    if infrared.suffix.lower() in (*_VIDEOS, *_MORE_VIDEOS) and visible:
        if match or visible_tone != "full":
            raise UsageError("--match and --visible-tone: expected pictures, found videos")
        sources = str(infrared), str(visible)
        listed, read = _moments(*sources, tone, polarity, palette, pairs, Fraction(str(offset)))
    else:
        read = _reader(tone, polarity, visible_tone, palette)
        listed = _pairs(infrared, visible, match)
    if output is None:
        _check(listed, read, alignment, limit, as_json=as_json)
        return
    found = _estimate(listed, read, kind, pairs, prior)
    found.save(output, overwrite=overwrite)
    if preview:
        from piafusion.imaging.io import write_image

        write_image(preview, _preview(found, map(read, listed), drawn), overwrite=overwrite)
    if as_json:
        say_json({"output": str(output), **found.to_json()})
        return
    quality = found.quality
    bent = " and lenses" if found.infrared_lens else ""
    say(
        f"{found.kind}{bent} from {quality.pairs} {'pair' if quality.pairs == 1 else 'pairs'}: "
        f"score {quality.score:.2f}, residual {quality.residual:.1f} px, halves disagree by "
        f"{quality.disagreement:.1f} px: {output}"
    )


def _crop(
    file: Path,
    visible: Path | None,
    output: Path | None,
    infrared_crop: str | None,
    visible_crop: str | None,
    *,
    overwrite: bool,
) -> None:
    """Write the alignment of a file for parts of its pictures."""
    from piafusion.imaging.align import read_alignment
    from piafusion.imaging.align.alignment import Crop

    cropped = infrared_crop or visible_crop
    if file.suffix.lower() != ".json" or visible or output is None or not cropped:
        raise UsageError(
            "--infrared-crop and --visible-crop: expected FILE.json of an alignment alone, a part, "
            f"and --output, found {file}; name the rig's file first"
        )
    found = read_alignment(file)
    ir, vi = (
        text and Crop.parse(text, size)
        for text, size in ((infrared_crop, found.infrared_size), (visible_crop, found.visible_size))
    )
    fitting = found.cropped(ir or None, vi or None)
    fitting.save(output, overwrite=overwrite)
    (tall, wide), (height, width) = fitting.infrared_size, fitting.visible_size
    say(f"for pictures of {wide}x{tall} and {width}x{height}: {output}")


def _preview(found: Alignment, pairs: Iterable[tuple[Image, Image]], view: View) -> Image:
    """Draw the first pair of the rig's sizes before and after, and where both agree."""
    import numpy as np

    from piafusion.fuser import Fuser
    from piafusion.imaging.align.preview import agreement, unaligned
    from piafusion.imaging.arrays import to_rgb8

    sizes = found.infrared_size, found.visible_size
    pair = next((ir, vi) for ir, vi in pairs if (ir.shape[:2], vi.shape[:2]) == sizes)
    fuser = Fuser("piafusion-fast", alignment=found, view=view)
    after = fuser(*pair)
    if after.ndim > 3:  # a loop of pictures
        return after
    before = fuser.adjusted(alignment=unaligned(found))(*pair)
    return np.hstack([*map(to_rgb8, (before, after)), agreement(found, *pair)])


def _parse_lenses(text: str) -> Sequence[Calibration] | bool:
    """Return the lenses of calibrated cameras, or whether to estimate them."""
    from piafusion.imaging.align.files import read_calibrations

    if text in ("auto", "none"):
        return text == "auto"
    return read_calibrations(text.split(","))


def _estimate(
    listed: Sequence[Pair],
    read: Read,
    kind: str = "homography",
    most: int = MOST_PAIRS,
    prior: Prior | None = None,
) -> Alignment:
    """Estimate one alignment from a pair, or from several spread evenly over those that are listed.

    Pairs that cannot be read, or have other sizes than most, are named on standard error and left
    out.
    """
    from piafusion.imaging.photos import estimate_told

    count = min(most, len(listed))
    chosen = [listed[index * len(listed) // count] for index in range(count)]
    files = chosen[0].infrared, chosen[0].visible
    if len(chosen) == 1:
        return estimate_told([read(chosen[0])], files, kind, **(prior or {}))
    pictures: dict[tuple[int, ...], dict[str, tuple[Image, Image]]] = {}
    for pair in chosen:
        try:
            ir, vi = read(pair)
        except PiafusionError as error:
            warn(f"piafusion: {error}; left out")
        else:
            pictures.setdefault((*ir.shape[:2], *vi.shape[:2]), {})[pair.stem] = ir, vi
    usual = max(pictures.values(), key=len, default={})
    for size, others in pictures.items():
        if others is not usual:
            warn(
                f"piafusion: {', '.join(others)}: {size[1]}x{size[0]} and {size[3]}x{size[2]}, "
                "other sizes than most; left out of the estimate"
            )
    if not usual:
        folders = f"{listed[0].infrared.parent} and {listed[0].visible.parent}"
        raise UsageError(f"{folders}: expected pairs that can be read, found none")
    files = next((pair.infrared, pair.visible) for pair in chosen if pair.stem in usual)
    return estimate_told(list(usual.values()), files, kind, **(prior or {}))


def chosen_alignment(
    infrared: Path,
    visible: Path | None,
    file: Path | None,
    how: str | None,
    match: str | None = None,
    tone: str = "full",
    polarity: str = "white-hot",
    visible_tone: str = "full",
    palette: str | None = None,
    fov: str | None = None,
    *,
    mirrored: bool = False,
) -> Alignment | Callable[[Pair], Alignment] | None:
    """Return what `--alignment FILE` or `--align` ask for; the tones are those of a fuser.

    For `--align each` it is a function that estimates the alignment of a pair.
    """
    from piafusion.imaging.align import read_alignment

    if how not in (None, "auto", "each"):
        raise UsageError(
            f"--align: expected auto or each, found {how!r}; give a file with --alignment"
        )
    if how and file:
        raise UsageError(f"expected --align {how} or --alignment FILE, found both; drop one")
    prior = _prior(fov, mirrored=mirrored, wanted=how)
    if file:
        return read_alignment(file)
    if not how:
        return None
    read = _reader(tone, polarity, visible_tone, palette)
    if how == "each":
        return lambda pair: _estimate_best([pair], read, prior)
    return _estimate_best(_pairs(infrared, visible, match), read, prior)


def alignment_of_videos(
    infrared: str,
    visible: str,
    tone: str,
    polarity: str,
    palette: str | None,
    offset: Fraction,
    fov: str | None = None,
    *,
    mirrored: bool = False,
) -> Alignment:
    """Return what `--align auto` asks for between two video files."""
    pairs, read = _moments(infrared, visible, tone, polarity, palette, MOST_PAIRS, offset)
    return _estimate_best(pairs, read, _prior(fov, mirrored=mirrored))


def _estimate_best(pairs: Sequence[Pair], read: Read, prior: Prior) -> Alignment:
    try:
        return _estimate(pairs, read, prior=prior)
    except AlignmentError:  # where the infrared sees a part of the view, fewer numbers are safer
        return _estimate(pairs, read, "similarity", prior=prior)


def _prior(fov: str | None, *, mirrored: bool, wanted: str | None = "auto") -> Prior:
    """Return what is known of the rig, for `estimate_alignment`."""
    from piafusion.imaging.align.geometry import parse_fov

    if not wanted and (fov or mirrored):
        raise UsageError("--fov and --mirrored: expected --align auto or each, found neither")
    return {"fov": parse_fov(fov) if fov else None, "mirrored": mirrored}


def _check(
    pairs: Sequence[Pair], read: Read, alignment: Path | None, limit: float | None, *, as_json: bool
) -> None:
    """Print the pairs that are not aligned; exit with 1 if the set is not, or a pair fails."""
    from piafusion.imaging.align import read_alignment
    from piafusion.imaging.align.check import LIMIT, check_pair, is_mostly_unlike

    limit = LIMIT if limit is None else limit
    known = read_alignment(alignment) if alignment else None
    checked: list[tuple[str, Residual]] = []
    failed: list[dict[str, str]] = []
    for pair in track(pairs, "checking"):
        try:
            checked.append((pair.stem, check_pair(*read(pair), known, limit=limit)))
        except SizeMismatchError as error:
            failed.append({"pair": pair.stem, "error": f"{pair.stem}: {error}"})
        except PiafusionError as error:
            failed.append({"pair": pair.stem, "error": str(error)})
    listed = [(stem, found) for stem, found in checked if found.verdict != "aligned"]
    shifted = [found for _, found in listed if found.verdict == "shifted"]
    for failure in failed:
        warn(f"piafusion: {failure['error']}")
    if as_json:
        rows: list[dict[str, Any]] = [{"pair": stem, **asdict(each)} for stem, each in checked]
        say_json({"limit": limit, "pairs": rows, "failed": failed})
    elif checked:
        if listed:
            header = ("pair", "shift", "x", "y", "score", "found")
            print_table(header, [_texts(stem, found) for stem, found in listed])
        say(_summary([found for _, found in checked], len(shifted)))
    if shifted or failed or is_mostly_unlike([found for _, found in checked]):
        raise typer.Exit(1)


def _summary(found: Sequence[Residual], shifted: int) -> str:
    shifts = sorted(each.shift for each in found if each.verdict != "unlike")
    text = f"{shifted} of {len(found)} pairs are shifted, {len(found) - len(shifts)} unlike"
    return f"{text}; the median shift is {shifts[len(shifts) // 2]:.1f} px" if shifts else text


def _texts(stem: str, found: Residual) -> tuple[str, ...]:
    lengths = [f"{value:.1f}" for value in (found.shift, found.x, found.y)]
    if found.verdict == "unlike":
        lengths = ["", "", ""]
    return (stem, *lengths, f"{found.score:.2f}", found.verdict)


def _pairs(infrared: Path, visible: Path | None, match: str | None) -> list[Pair]:
    from piafusion.cli.planning import find_pairs

    found = find_pairs(infrared, visible, match)
    for path, why in found.problems.items():
        warn(f"piafusion: {path}: {why}")
    return found.pairs


def _moments(
    infrared: str,
    visible: str,
    tone: str,
    polarity: str,
    palette: str | None,
    count: int,
    offset: Fraction,
) -> tuple[Sequence[Pair], Read]:
    """Return moments spread over two recordings, and a function that reads one of them."""
    from piafusion.imaging.tone import parse_tone
    from piafusion.video.spread import Recordings

    chosen = parse_tone(tone, polarity)
    recordings = Recordings(infrared, visible, offset=offset, palette=palette)

    def read(moment: Pair) -> tuple[Image, Image]:
        ir, vi = recordings.read(cast("Moment", moment))
        ir = chosen.check(ir)
        return (ir if str(chosen) == "full" else chosen(ir)[0]), vi

    return recordings.moments(count), read


def _reader(tone: str, polarity: str, visible_tone: str, palette: str | None) -> Read:
    """Return a function that reads a pair as it would be fused: the tones are applied."""
    from piafusion.imaging.io import read_pair
    from piafusion.imaging.tone import parse_tone, parse_visible_tone, show_visible

    chosen = parse_tone(tone, polarity, palette)
    show = partial(show_visible, tone=parse_visible_tone(visible_tone))

    def read(pair: Pair) -> tuple[Image, Image]:
        if pair.infrared == pair.visible:
            from piafusion.imaging.photos import read_shown

            return read_shown(pair.infrared, chosen)
        ir, vi = read_pair(pair.infrared, pair.visible, chosen.check, show, same_size=False)
        return (ir if str(chosen) == "full" else chosen(ir)[0]), vi

    return read
