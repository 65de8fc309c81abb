"""TIFF files read and written in windows, georeference and all, by rasterio (the `geo` extra)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import ImageError, needing
from piafusion.files import replacement
from piafusion.imaging.arrays import Image, as_infrared, as_visible, check_same_size
from piafusion.imaging.headers import check_size
from piafusion.imaging.io import check_output
from piafusion.imaging.metadata import NOTHING, Metadata, add_to_tiff
from piafusion.imaging.tiff_directory import check_for_windows
from piafusion.imaging.tiling import Window
from piafusion.imaging.tone import Full, Span, Tone, show_visible
from piafusion.imaging.tone_curve import (
    HOLE,
    InfraredRange,
    fill,
    masked_like,
    sampling_step,
)

with needing("geo", "georeferenced TIFF files", ", or write a PNG, which has no georeference"):
    import rasterio
    from rasterio.crs import CRS
    from rasterio.enums import ColorInterp, MaskFlags
    from rasterio.errors import NodataShadowWarning, NotGeoreferencedWarning, RasterioError

_CACHE = 128  # MiB of decoded blocks; GDAL itself takes a twentieth of the machine's memory
_BLOCK = 256  # pixels, side of the blocks in a file that is written
_MOST_BANDS = 16  # more are not listed in an error
_SHIFT = 1.0  # pixels that two georeferences of one pair may be apart


class RasterReader:
    """A picture in a file; indexed with rows and columns it gives the pixels there.

    Attributes:
        shape: H x W, or H x W x 3 for a colour picture.
    """

    def __init__(self, path: Path, check: Callable[[Image], Image]) -> None:
        """Open a file with one or three bands, and perhaps an alpha band.

        Args:
            path: A file of any format that GDAL reads.
            check: Applied to the pixels that are read; an `ImageError` gets the file's name.

        Raises:
            ImageError: If it cannot be opened, has other bands, several pages, or strips larger
                than a picture that is read as a whole may be.
        """
        self.path = path
        self._check = check
        check_for_windows(path)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                self.file = rasterio.open(path)
        except RasterioError as error:
            raise ImageError(
                f"{path}: expected a picture that GDAL reads, found: {error}; check the file"
            ) from error
        if self.file.count > _MOST_BANDS:
            raise ImageError(
                f"{path}: expected one grey band or red, green and blue, found {self.file.count} "
                "bands; extract them with gdal_translate"
            )
        colours = self.file.colorinterp
        try:
            for height, width in self.file.block_shapes:  # GDAL decodes no less than these
                check_size(width, height)
        except ImageError as error:
            raise ImageError(f"{path}: in one strip or tile {error}") from error
        self.bands = [band for band, c in enumerate(colours, 1) if c != ColorInterp.alpha]
        self.alpha = [band for band in range(1, len(colours) + 1) if band not in self.bands]
        if len(self.bands) not in (1, 3) or ColorInterp.palette in colours:
            names = ", ".join(colour.name for colour in colours)
            raise ImageError(
                f"{path}: expected one grey band or red, green and blue, found the bands {names}; "
                "extract or expand them with gdal_translate"
            )
        size = (self.file.height, self.file.width)
        self.shape = size if len(self.bands) == 1 else (*size, 3)
        self._gaps = any(flags != [MaskFlags.all_valid] for flags in self.file.mask_flag_enums)

    def apply(self, tone: Tone) -> tuple[InfraredRange, Image]:
        """Return windows of an infrared picture as a tone shows them, and tell the range.

        The range is measured on a reduced picture, so that it is the same for all windows; that
        picture is returned, too.

        Raises:
            ImageError: If the tone cannot take the values.
        """
        known = tone == Full() and self.file.dtypes[0] == "uint8"  # nothing to measure or advise
        small = np.zeros((1, 1), np.uint8) if known else self._reduced()
        with self._named():
            small = tone.check(small)
        curve = tone.measure(small)
        self._check = lambda image: tone.render(tone.check(image), curve)[0]
        return InfraredRange(curve.low, curve.high), small

    def show(self, tone: Tone) -> Image | None:
        """Return windows of a visible picture in the range that a tone chooses.

        Returns:
            The picture, reduced, if there is anything to find out from it.
        """
        known = isinstance(tone, Span) or (tone == Full() and self.file.dtypes[0] != "uint16")
        small = None if known else self._reduced()
        if small is not None and tone != Full():
            curve = tone.measure(small)
            tone = Span(curve.low, curve.high) if curve.low < curve.high else tone
        self._check = partial(show_visible, tone=tone)
        return small

    def __getitem__(self, window: Window) -> Image:
        """Return H x W or H x W x 3 pixels, checked; masked and filled where there is no data."""
        if not self._gaps:
            image = _together(self.read(self.bands, window))
            with self._named():
                return self._check(image)
        around, inside = _widened(window, self.shape)
        image = _together(self.read(self.bands, around))
        dead = self.valid(window=around) == 0
        if dead.any() and not dead.all():
            image = masked_like(fill(image, dead)[0], dead)
        with self._named():
            if dead.all():
                return masked_like(np.zeros(image.shape, np.float32), dead)[inside]
            return self._check(image[inside])

    def valid(self, **where: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - rasterio's
        """Return 0 where there is no data, from a mask, an alpha band or a value that says so."""
        with warnings.catch_warnings(), self._whole():
            warnings.simplefilter("ignore", NodataShadowWarning)  # there may be several of them
            return np.asarray(self.file.dataset_mask(**where))

    def _reduced(self) -> Image:
        """Return some rows and columns of the picture, masked where it has no data."""
        step = sampling_step(self.file.height * self.file.width)
        size = -(-self.file.height // step), -(-self.file.width // step)
        with self._whole():
            image = _together(self.file.read(self.bands, out_shape=(len(self.bands), *size)))
        return masked_like(image, self.valid(out_shape=size) == 0) if self._gaps else image

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Give errors of the block the name of the file."""
        try:
            yield
        except ImageError as error:
            raise type(error)(f"{self.path}: {error}") from error

    def read(self, bands: list[int], window: Window) -> Image:
        """Return the pixels of some bands, B x H x W, as they are."""
        with self._whole():
            pixels: Image = self.file.read(bands, window=window)
        return pixels

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Tell what GDAL finds wrong with the file."""
        try:
            yield
        except RasterioError as error:
            raise ImageError(
                f"{self.path}: expected a whole file, found: {error}; copy it again"
            ) from error


class RasterWriter:
    """A file like that of the visible picture; windows that it is given replace the pixels.

    Where the visible picture has no data, its own pixels stay; so do its alpha band and mask.
    """

    def __init__(self, path: Path, like: RasterReader) -> None:
        """Make a tiled, losslessly compressed TIFF file with the tags of `like`."""
        source = like.file
        self._like = like
        points, system = source.gcps  # ground control points, in a system of their own or none
        self._all_valid = all(flags == [MaskFlags.all_valid] for flags in source.mask_flag_enums)
        self._has_mask = not like.alpha and MaskFlags.per_dataset in source.mask_flag_enums[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            self.file = rasterio.open(
                path,
                "w",
                driver="GTiff",
                height=source.height,
                width=source.width,
                count=source.count,
                dtype=source.dtypes[0],
                crs=(system or CRS()) if points else source.crs,
                transform=None if source.transform.is_identity else source.transform,
                gcps=points or None,
                rpcs=source.rpcs,
                nodata=source.nodata,
                photometric="rgb" if len(like.bands) == 3 else "minisblack",
                interleave="pixel",
                tiled=True,
                blockxsize=_BLOCK,
                blockysize=_BLOCK,
                compress="deflate",
                predictor=3 if np.dtype(source.dtypes[0]).kind == "f" else 2,
                num_threads="all_cpus",
                bigtiff="if_safer",
            )
        self.file.colorinterp = source.colorinterp
        self.file.descriptions = source.descriptions
        self.file.update_tags(**source.tags())

    def __setitem__(self, window: Window, pixels: Image) -> None:
        """Write H x W or H x W x 3 pixels."""
        like = self._like
        planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
        if not self._all_valid:
            valid = like.valid(window=window)
            planes = np.where(valid > 0, planes, like.read(like.bands, window))
            if self._has_mask:
                self.file.write_mask(valid, window=window)
        self.file.write(planes, like.bands, window=window)
        if like.alpha:
            self.file.write(like.read(like.alpha, window), like.alpha, window=window)


@contextmanager
def open_rasters(
    infrared: Path,
    visible: Path,
    output: Path,
    *,
    overwrite: bool = False,
    metadata: Metadata = NOTHING,
) -> Iterator[tuple[RasterReader, RasterReader, RasterWriter]]:
    """Open a pair and the file that its fused picture goes to, whole or not at all.

    Args:
        infrared: One grey band, or three equal ones.
        visible: One grey band or red, green and blue; alpha is passed on.
        output: TIFF file to write; its georeference and tags are the visible picture's.
        overwrite: Replace an existing file.
        metadata: All that the output says beside its pixels and the tags of GDAL.

    Raises:
        ImageError: If a file cannot be used or the two show different places.
        SizeMismatchError: If the sizes differ.
        UsageError: If the output exists.
        OutputError: If it cannot be written.
    """
    check_output(output, overwrite=overwrite)
    with ExitStack() as stack:
        stack.enter_context(_environment())
        ir, vi = RasterReader(infrared, as_infrared), RasterReader(visible, as_visible)
        for reader in (ir, vi):
            stack.enter_context(reader.file)
        check_same_size(ir, vi, names=(str(infrared), str(visible)))
        _check_same_place(ir, vi)
        yield ir, vi, stack.enter_context(_writing(output, vi, metadata))


def write_like(
    path: Path | str,
    image: Image,
    like: Path,
    *,
    overwrite: bool = False,
    metadata: Metadata = NOTHING,
) -> None:
    """Write a fused picture with the georeference, no-data value, alpha and tags of the visible.

    Args:
        path: TIFF file to write, whole or not at all.
        image: H x W or H x W x 3, as the visible picture.
        like: TIFF file of the visible picture.
        overwrite: Replace an existing file.
        metadata: All that the output says beside its pixels and the tags of GDAL.

    Raises:
        ImageError: If GDAL reads another picture in the visible file.
        UsageError: If the output exists.
        OutputError: If it cannot be written.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    with ExitStack() as stack:
        stack.enter_context(_environment())
        source = RasterReader(like, as_visible)
        stack.enter_context(source.file)
        writer = stack.enter_context(_writing(path, source, metadata))
        writer[slice(0, image.shape[0]), slice(0, image.shape[1])] = image


@contextmanager
def _writing(output: Path, like: RasterReader, metadata: Metadata) -> Iterator[RasterWriter]:
    """Open the file that takes the output's place at the end."""
    with replacement(output) as temporary:
        writer = RasterWriter(temporary, like)
        with writer.file:
            yield writer
        if metadata != NOTHING:
            with temporary.open("r+b") as file:
                add_to_tiff(file, metadata.fitting(like.shape))


def _environment() -> Any:  # noqa: ANN401 - rasterio has no types
    return rasterio.Env(GDAL_CACHEMAX=_CACHE, GDAL_TIFF_INTERNAL_MASK=True)


def _together(planes: Image) -> Image:
    """Return H x W or H x W x 3 of B x H x W."""
    return planes[0] if len(planes) == 1 else np.ascontiguousarray(np.moveaxis(planes, 0, 2))


def _widened(window: Window, shape: tuple[int, ...]) -> tuple[Window, Window]:
    """Return a window with what a hole is filled from around it, and its place in that one."""
    around, inside = [], []
    for part, length in zip(window, shape, strict=False):
        start, stop = max(0, part.start - 2 * HOLE), min(length, part.stop + 2 * HOLE)
        around.append(slice(start, stop))
        inside.append(slice(part.start - start, part.stop - start))
    return (around[0], around[1]), (inside[0], inside[1])


def _check_same_place(ir: RasterReader, vi: RasterReader) -> None:
    """Raise `ImageError` if both are georeferenced and their corners lie apart."""
    if not (ir.file.crs and vi.file.crs):
        return
    height, width = vi.shape[:2]
    same = ir.file.crs == vi.file.crs
    to_map, from_map = (np.reshape(reader.file.transform, (3, 3)) for reader in (ir, vi))
    corners = np.array([(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1)]).T
    apart = np.abs(np.linalg.solve(from_map, to_map @ corners) - corners).max()
    if not same or apart > _SHIFT:
        found = f"corners up to {apart:.0f} pixels apart" if same else "two coordinate systems"
        raise ImageError(
            f"{ir.path} and {vi.path}: expected georeferences of the same place, found {found}; "
            f"warp one to the other, for example with rio warp --like {vi.path}"
        )
