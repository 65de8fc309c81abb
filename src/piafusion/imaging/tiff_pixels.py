"""The pixels of a TIFF file: strips and tiles by imagecodecs, each one checked to be whole.

OpenCV reads such files too, but leaves two of three separate planes as they lay in memory, takes
16-bit white-is-zero for black-is-zero and three bands for one, and goes on after damage. Here a
missing or short strip is an error, and so is an unknown layout; the tags that limit the work are
the same tags that the pixels are read by.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from piafusion.errors import ImageError
from piafusion.imaging.arrays import Image, turned
from piafusion.imaging.jpeg import decode_jpeg, read_jpeg
from piafusion.imaging.tiff_directory import (
    BITS,
    HEIGHT,
    NO_DATA,
    ORIENTATION,
    PHOTOMETRIC,
    SAMPLES,
    TILE_HEIGHT,
    TILE_WIDTH,
    WIDTH,
    Tags,
)
from piafusion.imaging.tone_curve import fill, masked_like

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COMPRESSION, _BIT_ORDER, _STRIP_PLACES = 259, 266, 273
_STRIP_ROWS, _STRIP_SIZES, _PLANES, _PREDICTOR, _COLOURS = 278, 279, 284, 317, 320
_TILE_PLACES, _TILE_SIZES, _EXTRA, _KIND, _JPEG_TABLES, _DEPTH = 324, 325, 338, 339, 347, 32997

_NONE, _LZW, _JPEG, _PACKBITS, _ZSTD = 1, 5, 7, 32773, 50000
_DEFLATE = (8, 32946)
_READ = (_NONE, _LZW, _JPEG, _PACKBITS, _ZSTD, *_DEFLATE)
_WHITE, _BLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_PHOTOMETRICS = {
    0: "white-is-zero",
    3: "a palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "raw mosaic",
}
_ALPHAS = (1, 2)
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}  # 4 is undefined: whole numbers, as libtiff takes it
_PACKED = (1, 2, 4, 10, 12, 14)  # bits that do not fill bytes
_MOST_SEGMENTS = 2**18
_OVERHEAD = 2**12  # bytes that a compressed strip may have beyond twice its pixels
_TABLES = 2**16  # bytes, of the tables that JPEG strips share
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64" + bytes(4)  # the next byte: 0 is RGB, 1 is YCbCr


@dataclass(frozen=True)
class _Layout:
    """The layout of the pixels in a file; `rows` and `columns` are those of a strip or tile."""

    data: memoryview
    order: str
    height: int
    width: int
    samples: int
    bits: int
    kind: str
    photometric: int
    compression: int
    predictor: int
    planes: int
    rows: int
    columns: int
    tiled: bool
    places: tuple[int, ...]
    sizes: tuple[int, ...]
    reversed_bits: bool
    tables: bytes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the decoded pixels."""
        bits = 8 if self.bits < 8 else 16 if self.bits < 16 and self.bits != 8 else self.bits
        return np.dtype(f"{self.kind}{bits // 8}")


def decode_tiff(data: bytes, tags: Tags, *, masked: bool = False) -> Image:
    """Return the picture in a TIFF or BigTIFF file, whose tags `find_picture` has found.

    Returns:
        H x W, H x W x 3 RGB or H x W x 4 (the fourth being alpha or another band), turned as the
        file says. Integers of 8 to 64 bits, float32 or float64; 1, 2 and 4 bits are stretched to
        uint8, 10, 12 and 14 bits to uint16, floats of 16 bits become float32, palettes uint8 RGB.
        On request it is masked
        where a mask in the file says so, or where all bands have the value that means "no data",
        as GDAL writes it into a tag.

    Raises:
        ImageError: If anything is missing, damaged or of a layout that is not read here.
    """
    layout = _read_layout(tags, data)
    pixels = np.zeros((layout.height, layout.width, layout.samples), layout.dtype)
    across = -(-layout.width // layout.columns)
    down = -(-layout.height // layout.rows)
    channels = layout.samples // layout.planes
    for index, (place, size) in enumerate(zip(layout.places, layout.sizes, strict=True)):
        plane, index = divmod(index, across * down)
        row, column = index // across * layout.rows, index % across * layout.columns
        rows, columns = min(layout.rows, layout.height - row), min(layout.columns, layout.width)
        target = pixels[row : row + rows, column : column + columns]
        if layout.planes > 1:
            target = target[..., plane : plane + 1]
        block = _decode(layout, layout.data[place : place + size], rows, channels)
        target[...] = block[:rows, : target.shape[1]]
    orientation = tags.number(ORIENTATION, 1)
    dead = _without_data(layout, tags, pixels, data) if masked else np.zeros(1, bool)
    image = turned(_coloured(layout, tags, pixels), orientation)
    if not dead.any():
        return image
    if dead.all():
        raise ImageError(
            'expected values, found a picture of nothing but "no data"; check the file'
        )
    dead = turned(dead, orientation)
    return masked_like(fill(image, dead)[0], dead, image[dead].flat[0])


def _without_data(
    layout: _Layout, tags: Tags, pixels: NDArray[Any], data: bytes
) -> NDArray[np.bool_]:
    """Return where a picture has no data, H x W."""
    dead = np.zeros(pixels.shape[:2], bool)
    mask = tags.mask
    if mask and all(mask.number(tag) == tags.number(tag) for tag in (WIDTH, HEIGHT)):
        mask.fields[PHOTOMETRIC] = (3, 1, struct.pack(f"{mask.order}H", _BLACK))
        dead |= decode_tiff(data, mask) == 0
    if NO_DATA in tags and layout.bits in (8, 16, 32, 64) and layout.photometric != _PALETTE:
        try:
            value = float(tags.value(NO_DATA)[2].split(b"\0")[0])
        except ValueError:
            return dead
        if layout.kind == "f":
            with np.errstate(over="ignore"):
                value = layout.dtype.type(value)  # as few digits as the pixels have
        dead |= (np.isnan(pixels) if np.isnan(value) else pixels == value).all(axis=2)
    return dead


def _read_layout(tags: Tags, data: bytes) -> _Layout:
    samples = tags.number(SAMPLES, 1)
    height, width = tags.number(HEIGHT), tags.number(WIDTH)
    if not (1 <= samples <= 4 and height and width) or tags.number(_DEPTH, 1) != 1:
        raise _unread(f"{width}x{height} pixels of {samples} channels")
    bits, kinds = (
        set(tags.numbers(tag, most=samples)) if tag in tags else {1} for tag in (BITS, _KIND)
    )
    compression, photometric = tags.number(_COMPRESSION, _NONE), tags.number(PHOTOMETRIC)
    bit, kind = max(bits), _KINDS.get(max(kinds), "complex")
    _check_depth(len(bits) + len(kinds), bit, kind, samples, compression)
    _check_colour(photometric, samples, bit, kind, compression)
    separate = tags.number(_PLANES, 1) == 2
    tiled = TILE_WIDTH in tags
    if tiled:
        rows, columns = tags.number(TILE_HEIGHT), tags.number(TILE_WIDTH)
        if rows % 16 or columns % 16 or not rows * columns:
            raise _unread(f"tiles of {columns}x{rows} pixels")
    else:
        rows, columns = min(tags.number(_STRIP_ROWS, height), height), width
        if not rows:
            raise _unread("strips without rows")
    planes = samples if separate else 1
    predictor = tags.number(_PREDICTOR, 1) if compression in (_LZW, _ZSTD, *_DEFLATE) else 1
    if not (
        predictor == 1
        or (predictor == 2 and bit not in _PACKED)
        or (predictor == 3 and kind == "f")
    ):
        raise _unread(f"predictor {predictor} for {bit} bits")
    count = planes * -(-width // columns) * -(-height // rows)
    if count > _MOST_SEGMENTS:
        raise _unread(f"{count} strips or tiles")
    row_bytes = -(-columns * (samples // planes) * bit // 8)
    places = tags.numbers(_TILE_PLACES if tiled else _STRIP_PLACES, most=count)
    sizes_tag = _TILE_SIZES if tiled else _STRIP_SIZES
    if sizes_tag in tags:
        sizes = tags.numbers(sizes_tag, most=count)
    elif compression == _NONE and not tiled:
        left = [min(rows, height - row) for row in range(0, height, rows)] * planes
        sizes = tuple(each * row_bytes for each in left)
    else:
        raise _unread("no sizes of the strips")
    if not len(places) == len(sizes) == count:
        raise _damaged(f"{min(len(places), len(sizes))} of {count} strips or tiles")
    for place, size in zip(places, sizes, strict=True):
        if not place or not size:
            raise _damaged("a strip or tile that is missing")
        if place + size > len(data):
            raise _damaged("a file that ends too early")
        if compression != _NONE and size > 2 * rows * row_bytes + _OVERHEAD:
            raise _damaged("a strip or tile larger than its pixels")
    if compression == _NONE and planes == 1 and not tiled:
        whole = rows * row_bytes
        if all(places[0] + whole * each == place for each, place in enumerate(places)) and all(
            size == whole for size in sizes[:-1]
        ):  # one behind the other: as good as one strip, and faster
            rows, places, sizes = height, places[:1], (whole * (count - 1) + sizes[-1],)
    tables = bytes(tags.numbers(_JPEG_TABLES, most=_TABLES)) if _JPEG_TABLES in tags else b""
    return _Layout(
        memoryview(data), tags.order, height, width, samples, bit, kind, photometric, compression,
        predictor, planes, rows, columns, tiled, places, sizes,
        tags.number(_BIT_ORDER, 1) == 2 and compression != _JPEG, tables,
    )  # fmt: skip


def _check_depth(kinds: int, bits: int, kind: str, samples: int, compression: int) -> None:
    """Refuse numbers that are not read here."""
    whole = kind in "ui" and bits in (8, 16, 32, 64)
    packed = kind == "u" and bits in _PACKED and samples in (1, 3)
    real = kind == "f" and bits in (16, 32, 64)
    name = {"u": "unsigned", "i": "signed", "f": "float"}.get(kind, kind)
    if kinds > 2:
        raise _unread("channels of different depths")
    if not (whole or packed or real):
        raise _unread(f"{name} pixels of {bits} bits in {samples} channels")
    if compression not in _READ:
        raise _unread(f"compression {compression}")
    if compression == _JPEG and not (bits == 8 and kind == "u" and samples in (1, 3)):
        raise _unread(f"JPEG compression of {bits} bits in {samples} channels")


def _check_colour(photometric: int, samples: int, bits: int, kind: str, compression: int) -> None:
    """Refuse colours that are not read here."""
    right = {
        _WHITE: samples <= 2 and kind == "u",
        _BLACK: True,  # rasterio writes red, green and blue so, unless it is told
        _RGB: samples >= 3,
        _PALETTE: samples == 1 and bits <= 8 and kind == "u",
        _YCBCR: samples == 3 and compression == _JPEG,
    }
    if not right.get(photometric):
        name = _PHOTOMETRICS.get(photometric, f"photometric {photometric}")
        raise ImageError(
            f"expected a TIFF file that is grey, RGB or has a palette, found {name} with "
            f"{samples} channels of {bits} bits; convert it to RGB"
        )


def _decode(layout: _Layout, data: memoryview, rows: int, channels: int) -> Image:
    """Return the pixels of a strip or tile: at least `rows` x `columns` x `channels`."""
    if layout.compression == _JPEG:
        return _decode_jpeg(layout, bytes(data), rows, channels)
    if layout.reversed_bits:
        data = memoryview(_codecs().bitorder_decode(bytes(data)))
    runs = layout.columns * channels
    row_bytes = -(-runs * layout.bits // 8)
    rows = layout.rows if layout.tiled else rows
    needed, most = rows * row_bytes, layout.rows * row_bytes
    raw = data[:most] if layout.compression == _NONE else _unpack(layout.compression, data, most)
    if len(raw) < needed:
        raise _damaged(f"{len(raw)} of {needed} bytes in a strip or tile")
    raw = memoryview(raw)[:needed]
    if layout.bits in _PACKED:
        numbers = _codecs().packints_decode(bytes(raw), layout.dtype, layout.bits, runlen=runs)
        block: Image = np.asarray(numbers).reshape(rows, layout.columns, channels)
        return block
    return _unpredict(layout, raw, (rows, layout.columns, channels))


def _unpack(compression: int, data: memoryview, most: int) -> bytes:
    """Decompress a strip or tile to at most so many bytes.

    Raises:
        ImageError: If the data are damaged, incomplete or more than that.
    """
    if compression in _DEFLATE:
        inflate = zlib.decompressobj()
        try:
            raw = inflate.decompress(data, most + 1)
        except zlib.error as error:
            raise _damaged(str(error)) from error
        if len(raw) > most or not inflate.eof:
            raise _damaged("a strip or tile whose data do not end where they have to")
        return raw
    codecs = _codecs()
    decode = {
        _LZW: codecs.lzw_decode, _PACKBITS: codecs.packbits_decode, _ZSTD: codecs.zstd_decode,
    }[compression]  # fmt: skip
    try:
        return bytes(decode(bytes(data), out=most))
    except (RuntimeError, ValueError) as error:
        raise _damaged(" ".join(str(error).split())) from error


def _unpredict(layout: _Layout, raw: memoryview, shape: tuple[int, int, int]) -> Image:
    """Undo the differences between neighbours, and the order of bytes."""
    size = layout.bits // 8
    if layout.predictor == 3:  # its bytes have an order of their own
        halves = np.frombuffer(raw, layout.dtype).reshape(shape)
        block: Image = _codecs().floatpred_decode(halves, axis=-2)
        return block
    stored = np.frombuffer(raw, np.dtype(f"{layout.order}u{size}")).reshape(shape)
    if layout.predictor == 2:
        stored = stored.astype(f"u{size}")
        _codecs().delta_decode(stored, axis=-2, out=stored)
    return stored.astype(f"=u{size}", copy=False).view(layout.dtype)


def _decode_jpeg(layout: _Layout, data: bytes, rows: int, channels: int) -> Image:
    head = b""
    if channels == 3:  # what its colours are tells the TIFF file
        head = _ADOBE + bytes([layout.photometric == _YCBCR])
        if layout.photometric != _YCBCR and data[6:10] == b"JFIF":  # it would have the last word
            raise _damaged("a JPEG strip or tile of YCbCr for RGB")
    data = data[:2] + head + layout.tables[2:-2] + data[2:]
    outline = read_jpeg(data)
    full = (layout.rows, layout.columns)
    found = (outline.height, outline.width)
    if found not in (full, (rows, layout.columns)) or outline.channels != channels:
        raise _damaged(f"a JPEG strip or tile of {found[1]}x{found[0]} for {full[1]}x{full[0]}")
    if outline.end is None:
        raise _damaged("a JPEG strip or tile that ends too early")
    return decode_jpeg(data, outline).reshape(*found, channels)


def _coloured(layout: _Layout, tags: Tags, pixels: NDArray[Any]) -> Image:
    """Return grey, RGB or four channels with black at zero."""
    bits, photometric = layout.bits, layout.photometric
    if photometric == _PALETTE:
        colours = np.array(tags.numbers(_COLOURS, most=3 << bits), np.uint16)
        if len(colours) != 3 << bits:
            raise _damaged("a palette that is too short")
        palette = (colours.reshape(3, -1).T >> 8).astype(np.uint8)
        return np.take(palette, pixels[..., 0], axis=0)
    if photometric == _WHITE:
        grey = pixels[..., 0]
        np.subtract(2**bits - 1, grey, out=grey, casting="unsafe")
    if bits < 8:
        pixels *= np.uint8(255 // (2**bits - 1))
    elif bits in _PACKED:
        pixels <<= np.uint16(16 - bits)
    elif pixels.dtype == np.float16:
        pixels = pixels.astype(np.float32)
    if layout.samples == 2:
        extra = tags.number(_EXTRA, 0)
        opaque = 1 if layout.kind == "f" else np.iinfo(layout.dtype).max
        if extra not in _ALPHAS or (pixels[..., 1] != opaque).any():
            raise ImageError(
                "expected a TIFF file that is grey or RGB, found a grey channel and "
                f"{'transparency' if extra in _ALPHAS else 'another'}; save it without the second"
            )
    return np.ascontiguousarray(pixels[..., 0]) if layout.samples <= 2 else pixels


def _codecs() -> Any:  # noqa: ANN401 - a module without types
    import imagecodecs  # takes time to load, which only TIFF files pay

    return imagecodecs


def _unread(found: str) -> ImageError:
    return ImageError(
        "expected a TIFF file of integers or floats of 16 to 64 bits, uncompressed or in LZW, "
        f"Deflate, PackBits, Zstandard or JPEG, found {found}; save it as uint16 or float32"
    )


def _damaged(found: str) -> ImageError:
    return ImageError(f"expected a whole TIFF file, found {found}; copy it again")
