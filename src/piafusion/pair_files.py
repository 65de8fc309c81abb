"""One pair of files through a fuser: read, fuse, write whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from piafusion.errors import ImageError, UsageError
from piafusion.imaging.arrays import check_minimum
from piafusion.imaging.inputs import in_order
from piafusion.imaging.io import check_output, read_metadata, read_pair, read_photo, write_image
from piafusion.imaging.metadata import Metadata
from piafusion.imaging.tiff_directory import wants_windows
from piafusion.imaging.tone import Full, Tone
from piafusion.imaging.tone_curve import InfraredRange, filled_like
from piafusion.imaging.views import measure, on_grid, own_values
from piafusion.run.progress import Progress, silent
from piafusion.steps import MIN_SIDE

if TYPE_CHECKING:
    from piafusion.fuser import Fused, Fuser

Result = TypeVar("Result")


def read_here(read: Callable[[], Result], *files: Path | str) -> Result:
    """Call a function that reads these files, in this process."""
    del files
    return read()


def fuse_files(
    fuser: Fuser,
    infrared: Path | str,
    visible: Path | str | None,
    output: Path | str,
    *,
    overwrite: bool = False,
    temperature: Path | str | None = None,
    places: Sequence[str] = (),
    read: Callable[..., Any] = read_here,
) -> Fused:
    """Do what `Fuser.fuse_files` does; a `read` other than `read_here` may use a process."""
    if temperature is not None:
        _check_temperature(Path(temperature), overwrite=overwrite)
    write: Callable[..., None] = write_image
    if visible is None:
        photo = read(partial(read_photo, infrared), infrared)
        fused, ir = fuser.fuse_photo(photo), photo.infrared
        degrees = photo.unit == "celsius"
        height, width = photo.both()[1].shape[:2]
    else:
        checks = (fuser.tone.check, fuser.show)
        pair = partial(read_pair, infrared, visible, *checks, same_size=fuser.alignment is None)
        ir, vi = read(pair, infrared, visible)
        check_minimum(vi, MIN_SIDE, name=str(visible))
        fused = fuser.fuse_checked(ir, vi)
        fused = replace(fused, tone=fuser.advised(fused.tone, ir, vi))
        if fuser.view.plain:
            fused = replace(fused, image=filled_like(fused.image, vi))
            if wants_windows(Path(visible), Path(output)) and find_spec("rasterio"):
                from piafusion.imaging.geotiff import write_like  # mask, bands and all

                write = partial(write_like, like=Path(visible))
        degrees = ir.dtype.kind == "f" and not isinstance(fuser.tone, Full)
        height, width = vi.shape[:2]
        del vi  # large pictures make room for the encoder
    values = on_grid(ir, (height, width), fused.alignment) if temperature or places else ir
    if places:
        own = own_values(ir, (height, width), fused.alignment)
        fused = replace(fused, measured=measure(values, places, str(infrared), own))
    if temperature is not None:
        if not degrees:
            raise ImageError(
                f"{infrared}: expected temperatures for --temperature, found levels or "
                f"counts ({ir.dtype}); give a radiometric file, and a --tone such as plateau"
            )
        write_image(
            temperature, np.ma.filled(values.astype(np.float32), np.nan), overwrite=overwrite
        )
    del ir, values
    said = _said(fuser, visible or infrared)
    if fused.image.shape[:2] != (height, width):  # a view with a bar is no map
        said = replace(said, georeference=b"")
    write(output, fused.image, overwrite=overwrite, metadata=said)
    return replace(fused, image=in_order(fused.image, fuser.color_order))


def fuse_windows(
    fuser: Fuser,
    infrared: Path,
    visible: Path,
    output: Path,
    *,
    overwrite: bool = False,
    progress: Progress = silent,
) -> tuple[tuple[int, int], InfraredRange]:
    """Do what `Fuser.fuse_rasters` does; return height and width, and the range that was used."""
    from piafusion.imaging.geotiff import open_rasters

    tone = fuser.tone
    if not takes_windows(fuser) or not isinstance(tone, Tone):
        given = (
            "an alignment"
            if fuser.alignment or fuser.local
            else f"{tone} and the view {fuser.view}"
        )
        raise UsageError(
            f"{infrared}: expected no alignment, no view, and a tone that is one curve for the "
            f"whole of one picture, found {given}; use fuse_files"
        )
    said = _said(fuser, visible)
    opened = open_rasters(infrared, visible, output, overwrite=overwrite, metadata=said)
    with opened as (ir, vi, fused):
        check_minimum(vi, MIN_SIDE, name=str(visible))
        found, small = ir.apply(tone)
        found = fuser.advised(found, small, vi.show(fuser.visible_tone))
        height, width = vi.shape[:2]
        fuser.fuse_tiles(ir, vi, fused, fuser.plan(height, width), progress)
    return (height, width), found


def takes_windows(fuser: Fuser) -> bool:
    """Tell whether nothing needs the whole picture: an alignment, a view, a tone with places."""
    whole = fuser.alignment is not None or fuser.local is not None or not fuser.view.plain
    return not whole and isinstance(fuser.tone, Tone) and fuser.tone.one_curve


def _said(fuser: Fuser, path: Path | str) -> Metadata:
    """Return what a file says of its picture, without what would tell of places and people."""
    said = read_metadata(path)
    return said if fuser.keep_metadata else said.stripped()


def _check_temperature(path: Path, *, overwrite: bool) -> None:
    """Raise `UsageError` if temperatures may not be written to a path, or are not held there."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(f"{path}: expected .tif for temperatures, found {path.suffix!r}")
    check_output(path, overwrite=overwrite)
