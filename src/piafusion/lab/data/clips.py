"""Short clips: `ROOT/ir/CLIP` and `ROOT/vi/CLIP`, folders of pictures or videos."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.arrays import Image, as_visible
from piafusion.imaging.formats import is_readable
from piafusion.imaging.io import read_image, read_pair
from piafusion.imaging.pairs import Pair, PairList

VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".seq", ".webm")
"""Suffixes of files that are clips; they need the `video` extra."""


def is_clip(path: Path) -> bool:
    """Tell whether a path is a folder of frames or a video."""
    return path.is_dir() or path.suffix.lower() in VIDEOS


def clips_in(folder: Path) -> dict[str, Path]:
    """Return the clips directly in a folder by name; hidden ones are passed over."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    clips = (path for path in found if is_clip(path) and not path.name.startswith("."))
    return {path.name if path.is_dir() else path.stem: path for path in clips}


def list_clips(root: Path) -> PairList | None:
    """Return the clips of `root/ir` and `root/vi`; None if no name is in both, or for pictures."""
    if _pictures(root / "ir"):
        return None
    infrared, visible = (clips_in(root / side) for side in ("ir", "vi"))
    both = sorted(infrared.keys() & visible.keys())
    if not both:
        return None
    alone = {
        path: f"expected a clip of this name in {root / other}, found none; add it or remove this"
        for clips, counterparts, other in ((infrared, visible, "vi"), (visible, infrared, "ir"))
        for name, path in clips.items()
        if name not in counterparts
    }
    return PairList([Pair(name, infrared[name], visible[name]) for name in both], alone)


def frames_in(clip: Path) -> list[Path]:
    """Return the frames of a folder in the order of the numbers in their names, or the video."""
    if not clip.is_dir():
        return [clip]

    def order(path: Path) -> list[tuple[int, str]]:
        parts = re.findall(r"\d+|\D+", path.stem)
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]

    return sorted(_pictures(clip), key=order)


def _pictures(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return [path for path in found if is_readable(path) and not path.name.startswith(".")]


def read_frames(clip: Path) -> Iterator[Image]:
    """Yield the frames of a fused clip, of a folder or video.

    Raises:
        ImageError: If a frame cannot be read.
        VideoError: If a video cannot be read.
        MissingExtraError: If the `video` extra is not installed.
    """
    if clip.is_dir():
        for path in frames_in(clip):
            yield read_image(path, check=as_visible)
        return
    from piafusion.video.frames import to_visible
    from piafusion.video.sources import open_source

    with closing(open_source(str(clip))) as source:
        for frame in source.frames(to_visible()):
            yield frame.image


def read_clip(pair: Pair) -> Iterator[tuple[Image, Image]]:
    """Yield the infrared and visible frames of a clip, as `read_pair` returns them.

    Frames of two folders belong together in their order, frames of two videos in time.

    Raises:
        ImageError: If the numbers of frames differ, or a frame cannot be read.
        UsageError: If a folder and a video are given.
        VideoError: If a video cannot be read.
        MissingExtraError: If the `video` extra is not installed.
    """
    if pair.infrared.is_dir() != pair.visible.is_dir():
        raise UsageError(
            f"{pair.infrared}, {pair.visible}: expected two folders of frames or two videos, found "
            "one of each; give two of a kind"
        )
    if not pair.infrared.is_dir():
        yield from _read_videos(pair)
        return
    infrared, visible = frames_in(pair.infrared), frames_in(pair.visible)
    if not infrared or len(infrared) != len(visible):
        raise ImageError(
            f"{pair.visible}: expected one frame or more, and as many as in {pair.infrared} "
            f"({len(infrared)}), found {len(visible)}; remove those without a counterpart"
        )
    for one, other in zip(infrared, visible, strict=True):
        yield read_pair(one, other)


def _read_videos(pair: Pair) -> Iterator[tuple[Image, Image]]:
    from piafusion.video.frames import Matching
    from piafusion.video.inputs import open_two

    inputs = open_two(str(pair.infrared), str(pair.visible), Matching())
    try:
        for found in inputs.pairs(lambda: False):
            if found is not None:
                yield found.infrared, found.visible
    finally:
        inputs.close()
