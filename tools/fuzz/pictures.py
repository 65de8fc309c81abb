"""Whole pictures of each format and layout, made from a synthetic scene."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[Any]
HEIGHT, WIDTH = 48, 64


def scene() -> tuple[Pixels, Pixels]:
    """Return a grey and a colour picture of 48 x 64, uint8, with texture everywhere."""
    generator = np.random.default_rng(17)
    coarse = generator.integers(30, 220, (6, 8, 4), dtype=np.uint8)
    smooth = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(int)
    noisy = np.clip(smooth + generator.integers(-9, 10, smooth.shape), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(noisy[..., 3]), np.ascontiguousarray(noisy[..., :3])


GREY, COLOUR = scene()
_GREY16, _COLOUR16 = (image.astype(np.uint16) * 251 + 17 for image in (GREY, COLOUR))
_ALPHA = np.dstack((COLOUR, np.full_like(GREY, 255)))


def make(name: str) -> dict[str, bytes]:
    """Return the pictures of a format, by name."""
    return _MAKERS[name]()


def _png() -> dict[str, bytes]:
    made = {
        "grey8": GREY, "grey16": _GREY16, "rgb8": COLOUR, "rgb16": _COLOUR16, "rgba8": _ALPHA,
        "rgba16": _ALPHA.astype(np.uint16) * 257,
    }  # fmt: skip
    files = {f"{name}.png": png(image) for name, image in made.items()}
    files |= {f"{name}_adam7.png": png(image, interlaced=True) for name, image in made.items()}
    files["palette.png"] = _pil(Image.fromarray(COLOUR).quantize(64), "PNG")
    files["palette_alpha.png"] = _pil(Image.fromarray(GREY).convert("P"), "PNG", transparency=3)
    files["bits1.png"] = _pil(Image.fromarray(GREY).convert("1"), "PNG")
    files["grey_alpha.png"] = _pil(Image.fromarray(_ALPHA).convert("LA"), "PNG")
    files["exif.png"] = _pil(Image.fromarray(COLOUR), "PNG", exif=_sideways())
    files["text.png"] = _pil(Image.fromarray(COLOUR), "PNG", dpi=(72, 72), icc_profile=bytes(200))
    return files


def png(image: Pixels, *, interlaced: bool = False) -> bytes:
    """Return a PNG file of 1 to 4 channels of 8 or 16 bits, with Adam7 if wanted."""
    planes = image[..., None] if image.ndim == 2 else image
    height, width, channels = planes.shape
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]  # fmt: skip
    rows = []
    for y, x, down, across in passes:
        part = planes[y::down, x::across]
        content = part.astype(">u2" if image.dtype == np.uint16 else np.uint8)
        rows += [b"\0" + row.tobytes() for row in content] if part.size else []
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8 * image.itemsize, colour, 0, 0, interlaced)
    packed = zlib.compress(b"".join(rows))
    half = len(packed) // 2
    chunks = (b"IHDR", header), (b"IDAT", packed[:half]), (b"IDAT", packed[half:]), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _jpeg() -> dict[str, bytes]:
    files = {
        "grey.jpg": cv_file(".jpg", GREY),
        "baseline.jpg": cv_file(".jpg", COLOUR, cv2.IMWRITE_JPEG_QUALITY, 90),
        "progressive.jpg": cv_file(".jpg", COLOUR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        "restart.jpg": cv_file(".jpg", COLOUR, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        "optimised.jpg": cv_file(".jpg", COLOUR, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        "full_chroma.jpg": _pil(Image.fromarray(COLOUR), "JPEG", subsampling=0, quality=97),
        "cmyk.jpg": _pil(Image.fromarray(COLOUR).convert("CMYK"), "JPEG"),
        "comment.jpg": _pil(Image.fromarray(COLOUR), "JPEG", comment=b"x" * 99, dpi=(72, 72)),
    }
    files["exif.jpg"] = _pil(Image.fromarray(COLOUR), "JPEG", exif=_sideways())
    return files


def _sideways() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    return exif


def _tiff() -> dict[str, bytes]:
    dtypes = {
        "u8": GREY, "u16": _GREY16, "rgb8": COLOUR, "rgb16": _COLOUR16,
        "f32": GREY.astype(np.float32) / 255, "f64": GREY / 255.0, "i16": GREY.astype(np.int16),
        "u32": GREY.astype(np.uint32), "rgbf32": COLOUR.astype(np.float32) / 255,
        "i8": (GREY // 2).astype(np.int8), "rgba8": _ALPHA,
    }  # fmt: skip
    files = {f"{name}_strips.tif": tiff(image, rowsperstrip=7) for name, image in dtypes.items()}
    for name in ("u8", "u16", "rgb8", "rgb16", "f32"):
        image = dtypes[name]
        files[f"{name}_tiles.tif"] = tiff(image, tile=(16, 32))
        files[f"{name}_big.tif"] = tiff(image, bigtiff=True)
        files[f"{name}_motorola.tif"] = tiff(image, byteorder=">")
        files[f"{name}_zlib_predicted.tif"] = tiff(image, compression="zlib", predictor=True)
        files[f"{name}_lzw_tiles.tif"] = tiff(image, compression="lzw", tile=(16, 16))
        if image.ndim == 3:
            planes = np.moveaxis(image, 2, 0)
            for packing in (None, "zlib", "lzw"):
                files[f"{name}_planes_{packing}.tif"] = tiff(
                    planes, planarconfig="separate", compression=packing
                )
            files[f"{name}_planes_tiles.tif"] = tiff(
                planes, planarconfig="separate", tile=(16, 16), compression="zlib"
            )
    files["white_is_zero.tif"] = tiff(GREY, photometric="miniswhite")
    files["white_is_zero16.tif"] = tiff(_GREY16, photometric="miniswhite")
    files["packbits.tif"] = tiff(COLOUR, compression="packbits")
    files["jpeg.tif"] = tiff(COLOUR, compression="jpeg", tile=(16, 16))
    files["zstd.tif"] = tiff(_GREY16, compression="zstd")
    files["webp.tif"] = tiff(COLOUR, compression="webp")
    files["palette.tif"] = _pil(Image.fromarray(COLOUR).quantize(64), "TIFF")
    files["bits1.tif"] = _pil(Image.fromarray(GREY).convert("1"), "TIFF", compression="group4")
    files["cmyk.tif"] = _pil(Image.fromarray(COLOUR).convert("CMYK"), "TIFF")
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(GREY)
        writer.write(GREY[::2, ::2], subfiletype=1)
    files["overview.tif"] = buffer.getvalue()
    return files


def tiff(image: Pixels, **settings: Any) -> bytes:
    """Return a TIFF file."""
    buffer = io.BytesIO()
    if "photometric" not in settings:
        colour = image.ndim == 3
        settings["photometric"] = "rgb" if colour else "minisblack"
    tifffile.imwrite(buffer, image, **settings)
    return buffer.getvalue()


def _geotiff() -> dict[str, bytes]:
    place = [(33550, "d", 3, (0.5, 0.5, 0.0), True), (33922, "d", 6, (0.0,) * 6, True),
             (34735, "H", 8, (1, 1, 0, 1, 1024, 0, 1, 1), True)]  # fmt: skip
    nodata = [*place, (42113, "s", 2, "0", True)]
    return {
        "grey.tif": tiff(GREY, extratags=place),
        "rgb_tiles.tif": tiff(COLOUR, extratags=place, tile=(16, 16), compression="zlib"),
        "rgb16.tif": tiff(_COLOUR16, extratags=nodata, compression="lzw", predictor=True),
        "f32_big.tif": tiff(GREY.astype(np.float32) / 255, extratags=place, bigtiff=True),
        "planes.tif": tiff(np.moveaxis(COLOUR, 2, 0), planarconfig="separate", extratags=place),
        "rgba.tif": tiff(_ALPHA, extratags=nodata, compression="zlib"),
    }


def _webp() -> dict[str, bytes]:
    colour, alpha = Image.fromarray(COLOUR), Image.fromarray(_ALPHA)
    more = [colour.rotate(180), Image.fromarray(255 - COLOUR)]
    return {
        "lossy.webp": cv_file(".webp", COLOUR, cv2.IMWRITE_WEBP_QUALITY, 80),
        "lossless.webp": cv_file(".webp", COLOUR, cv2.IMWRITE_WEBP_QUALITY, 101),
        "alpha.webp": _pil(alpha, "WEBP"),
        "alpha_lossless.webp": _pil(alpha, "WEBP", lossless=True),
        "exif.webp": _pil(colour, "WEBP", exif=_sideways()),
        "animated.webp": _pil(colour, "WEBP", save_all=True, append_images=more, duration=40),
    }


def _bmp() -> dict[str, bytes]:
    colour = Image.fromarray(COLOUR)
    files = {
        "grey.bmp": cv_file(".bmp", GREY),
        "rgb.bmp": cv_file(".bmp", COLOUR),
        "rgba.bmp": cv_file(".bmp", _ALPHA),
        "bits1.bmp": _pil(Image.fromarray(GREY).convert("1"), "BMP"),
        "palette.bmp": _pil(colour.quantize(64), "BMP"),
    }
    levels = GREY // 16 * 16
    coded = b"".join(
        b"".join(bytes((1, int(value))) for value in row) + b"\0\0" for row in levels[::-1]
    )
    files["rle8.bmp"] = _rle(coded + b"\0\1", 8, 1)
    nibbles = b"".join(bytes((WIDTH, 0x3C)) + b"\0\0" for _ in range(HEIGHT))
    files["rle4.bmp"] = _rle(nibbles + b"\0\1", 4, 2)
    files["rle8_gaps.bmp"] = _rle(bytes((9, 80, 0, 2, 5, 3, 7, 90, 0, 1)), 8, 1)
    return files


def _rle(body: bytes, bits: int, packing: int) -> bytes:
    colours = b"".join(bytes((level, level, level, 0)) for level in range(0, 256, 256 >> bits))
    start = 54 + len(colours)
    return (
        struct.pack("<2sIII", b"BM", start + len(body), 0, start)
        + struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, bits, packing, len(body), 0, 0, 0, 0)
        + colours
        + body
    )


def _flir() -> dict[str, bytes]:
    raw, packed = thermal(png_inside=False), thermal(png_inside=True)
    picture = cv_file(".jpg", COLOUR)
    return {
        "raw.jpg": with_thermal(picture, raw, 2**15),
        "png.jpg": with_thermal(picture, packed, 2**15),
        "parts.jpg": with_thermal(picture, raw, 1500),
        "both.jpg": with_thermal(picture, thermal(png_inside=False, visible=picture), 2**15),
        "dji.jpg": _dji(picture),
    }


def _sequence() -> dict[str, bytes]:
    return {"two.seq": 2 * thermal(png_inside=False), "png.seq": 3 * thermal(png_inside=True)}


def _dji(picture: bytes) -> bytes:
    """Return a JPEG of DJI, whose counts lie in APP3 segments."""
    counts = (GREY.astype("<u2") * 20 + 12_000).tobytes()
    parts = [counts[place : place + 1500] for place in range(0, len(counts), 1500)]
    segments = b"".join(b"\xff\xe3" + struct.pack(">H", len(part) + 2) + part for part in parts)
    return picture[:2] + segments + picture[2:]


def thermal(*, png_inside: bool, visible: bytes = b"") -> bytes:
    """Return a block of thermal data as FLIR cameras write it: a directory, counts, constants.

    With a visible picture, there are also its place and the picture itself.
    """
    counts = (GREY.astype(np.uint16) * 20 + 12_000).astype("<u2")
    pixels = png(counts.byteswap()) if png_inside else counts.tobytes()
    raw = struct.pack("<HHH", 2, WIDTH, HEIGHT).ljust(32, b"\0") + pixels
    camera = bytearray(1000)
    for at, number in ((32, 0.95), (36, 1.0), (40, 293.15), (44, 293.15), (48, 293.15), (52, 1.0),
                       (60, 0.5), (88, 17_000.0), (92, 1_430.0), (96, 1.0), (112, 0.0066),
                       (116, 0.0126), (120, -0.0023), (124, -0.0067), (128, 1.9), (132, 400.0),
                       (136, 250.0), (780, 0.0125)):  # fmt: skip
        struct.pack_into("<f", camera, at, number)
    struct.pack_into("<i", camera, 776, -1000)
    struct.pack_into("<HH", camera, 784, 12_000, 17_100)
    records = [(1, raw), (32, bytes(camera))]
    if visible:
        place = struct.pack("<fhh", 1.2, 2, -3).ljust(64, b"\0")
        records += [(42, place), (14, bytes(32) + visible)]
    size = 64 + 32 * len(records)
    head = bytearray(size)
    struct.pack_into(">4s16sIII", head, 0, b"FFF\0", b"CAMCTRL", 100, 64, len(records))
    for index, (kind, content) in enumerate(records, 2):
        entry = (kind, 2, 100, 1, size, len(content), 0, 0, 0)
        struct.pack_into(">HHIIIIIII", head, 32 * index, *entry)
        size += len(content)
    return bytes(head) + b"".join(content for _, content in records)


def with_thermal(picture: bytes, block: bytes, part: int) -> bytes:
    """Put a block into APP1 segments of a JPEG."""
    parts = [block[place : place + part] for place in range(0, len(block), part)]
    segments = b"".join(
        b"\xff\xe1" + struct.pack(">H", len(each) + 10) + b"FLIR\0\x01"
        + bytes((number, len(parts) - 1)) + each
        for number, each in enumerate(parts)
    )  # fmt: skip
    return picture[:2] + segments + picture[2:]


def cv_file(suffix: str, image: Pixels, *settings: int) -> bytes:
    """Return what OpenCV writes."""
    swap = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, swap[image.shape[2]])
    done, data = cv2.imencode(suffix, pixels, settings)
    if not done:
        raise RuntimeError(f"expected a {suffix} file, found that OpenCV cannot write it")
    return data.tobytes()


def _pil(image: Image.Image, format: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **settings)
    return buffer.getvalue()


_MAKERS = {
    "png": _png,
    "jpeg": _jpeg,
    "tiff": _tiff,
    "geotiff": _geotiff,
    "webp": _webp,
    "bmp": _bmp,
    "flir": _flir,
    "sequence": _sequence,
}
