"""Every variant of PNG, JPEG, WebP and TIFF against what Pillow and tifffile read of it."""

import io
import itertools
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from piafusion.errors import ImageError
from piafusion.imaging.arrays import as_raw_infrared, as_visible
from piafusion.imaging.io import decode_image
from tests.imaging.picture_files import png, png_chunk

GENERATOR = np.random.default_rng(3)
HEIGHT, WIDTH = 21, 34
SMOOTH = np.linspace(0, 200, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH, 1) + [0, 20, 50]
COLOUR = (SMOOTH + GENERATOR.integers(0, 6, SMOOTH.shape)).astype(np.uint8)
GREY = COLOUR[..., 0]
TRAILERS = {"": b"", "film": b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 9, "end": b"\xff\xd9" * 9}
File = tuple[str, bytes, np.ndarray]
"""A name, the bytes, and what another library reads of them, alpha and all."""


def pillow(data: bytes) -> np.ndarray:
    """Return what Pillow reads, upright, as grey, RGB, grey and alpha, or RGBA."""
    with Image.open(io.BytesIO(data)) as picture:
        upright = ImageOps.exif_transpose(picture)
        mode = upright.mode
        if mode in ("P", "PA") or "transparency" in upright.info:
            mode = "RGBA" if "transparency" in upright.info or mode == "PA" else "RGB"
        return np.asarray(upright.convert({"1": "L"}.get(mode, mode)))


def saved(picture: Image.Image, format: str, **settings: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **settings)
    return file.getvalue()


def oriented(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274], exif[271] = number, "camera"
    return exif


def png_files() -> Iterator[File]:
    kinds = [(bits, colour) for colour, depths in (
        (0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16)),
    ) for bits in depths]  # fmt: skip
    for number, ((bits, colour), interlaced, opaque, trailer) in enumerate(
        itertools.product(kinds, (False, True), (False, True), TRAILERS)
    ):
        channels, most = {2: 3, 4: 2, 6: 4}.get(colour, 1), (1 << bits) - 1
        values = GENERATOR.integers(0, most + 1, (HEIGHT, WIDTH, channels))
        if opaque and colour >= 4:
            values[..., -1] = most
        key = None if opaque or colour > 2 else values[3, 4]
        turn = number % 8 + 1
        extra = png_chunk(b"eXIf", oriented(turn).tobytes().removeprefix(b"Exif\0\0"))
        if key is not None:
            extra += png_chunk(b"tRNS", struct.pack(f">{channels}H", *map(int, key)))
        elif not opaque and colour == 3:
            extra += png_chunk(b"tRNS", b"\x00\x80")
        rows = png_rows(values, bits, interlaced=interlaced)
        data = png(
            WIDTH, HEIGHT, rows, bits=bits, colour=colour, interlaced=interlaced, extra=extra
        )
        data += TRAILERS[trailer]
        if bits == 16 or (bits in (2, 4) and colour == 0):
            # Pillow has no colours of 16 bits, and does not stretch the grey that is transparent.
            right = by_hand(values, bits, key, turn)
        else:
            right = pillow(data)
        yield f"png {bits} {colour=} {interlaced=} {opaque=} {turn=} {trailer}", data, right


def by_hand(values: np.ndarray, bits: int, key: np.ndarray | None, turn: int) -> np.ndarray:
    """Return the picture of samples; where they equal the key it is transparent."""
    image = values * (255 // ((1 << bits) - 1)) if bits < 8 else values
    if key is not None:
        alpha = np.where((values == key).all(axis=2), 0, 65535 if bits == 16 else 255)
        image = np.dstack([image[..., [0, 0, 0]] if image.shape[2] == 1 else image, alpha])
    image = image.astype(np.uint16 if bits == 16 else np.uint8)
    return upright(image[..., 0] if image.shape[2] == 1 else image, turn)


def png_rows(values: np.ndarray, bits: int, *, interlaced: bool) -> bytes:
    """Return rows of samples without a filter, in seven passes if interlaced."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)] if interlaced else [(0, 0, 1, 1)]  # fmt: skip
    rows = b""
    for y, x, down, across in passes:
        for row in values[y::down, x::across]:
            text = "".join(format(int(value), f"0{bits}b") for value in row.reshape(-1))
            text += "0" * (-len(text) % 8)
            rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    return rows


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an array as EXIF says, a line for each of the eight."""
    return [image, image[:, ::-1], image[::-1, ::-1], image[::-1], image.swapaxes(0, 1),
            np.rot90(image, 3), np.rot90(image.swapaxes(0, 1), 2), np.rot90(image),
            ][orientation - 1]  # fmt: skip


def jpeg_files() -> Iterator[File]:
    for number, (mode, sampling, coding, quality) in enumerate(
        itertools.product(
            ("L", "RGB", "YCbCr"),
            (0, 1, 2),
            ({}, {"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 2}),
            (40, 97),
        )
    ):
        picture = Image.fromarray(GREY if mode == "L" else COLOUR).convert(mode)
        chroma = {} if mode == "L" else {"subsampling": sampling}
        if mode == "RGB" and sampling == 0:
            chroma = {"keep_rgb": True}
        turn = number % 8 + 1
        data = saved(picture, "JPEG", quality=quality, exif=oriented(turn), **chroma, **coding)
        data += list(TRAILERS.values())[number % 3]
        yield f"{mode} {sampling} {coding} {quality} {turn}", data, pillow(data)


def webp_files() -> Iterator[File]:
    alpha = np.dstack([COLOUR, GENERATOR.integers(0, 256, GREY.shape, np.uint8)])
    opaque = np.dstack([COLOUR, np.full_like(GREY, 255)])
    for turn, lossless in itertools.product(range(1, 9), (False, True)):
        for image in (COLOUR, alpha, opaque):
            data = saved(
                Image.fromarray(image), "WEBP", lossless=lossless, exif=oriented(turn), exact=True
            )
            yield f"webp {turn} {lossless} {image.shape}", data, pillow(data)


def bmp_files() -> Iterator[File]:
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        data = saved(Image.fromarray(COLOUR).convert(mode), "BMP")
        for name, behind in TRAILERS.items():
            yield f"bmp {mode} {name}", data + behind, pillow(data)


def tiff_files() -> Iterator[File]:
    layouts = [{"rowsperstrip": 5}, {"tile": (16, 32)}, {"rowsperstrip": 64}]
    packings = [(None, None), ("zlib", True), ("lzw", True), ("zstd", None), ("packbits", None)]
    dtypes = ("u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8")
    for number, (dtype, kind, layout, (packing, predictor)) in enumerate(
        itertools.product(dtypes, ("grey", "rgb", "bands", "planes", "rgba"), layouts, packings)
    ):
        channels = {"grey": 1, "rgba": 4}.get(kind, 3)
        values = GENERATOR.integers(0, 100, (HEIGHT, WIDTH, channels)).astype(dtype)
        values = values / np.dtype(dtype).type(128) if dtype[0] == "f" else values
        image = values[..., 0] if kind == "grey" else values
        turn = number % 8 + 1
        file = io.BytesIO()
        tifffile.imwrite(
            file,
            np.moveaxis(image, 2, 0) if kind == "planes" else image,
            photometric="rgb" if kind in ("rgb", "rgba", "planes") else "minisblack",
            planarconfig={"planes": "separate", "grey": None}.get(kind, "contig"),
            extrasamples=["unassalpha"] if kind == "rgba" else None,
            compression=packing,
            predictor=predictor and packing in ("zlib", "lzw"),
            byteorder="<>"[number % 2],
            bigtiff=number % 3 == 0,
            extratags=[(274, "H", 1, turn, True)],
            metadata=None,
            **layout,
        )
        data = file.getvalue()
        raw = tifffile.imread(io.BytesIO(data))
        raw = np.moveaxis(raw, 0, 2) if kind == "planes" else raw
        yield f"tiff {dtype} {kind} {layout} {packing} {turn}", data, upright(raw, turn)


@pytest.mark.parametrize(
    ("files", "least"),
    [(png_files, 180), (jpeg_files, 72), (webp_files, 48), (bmp_files, 15), (tiff_files, 600)],
)
def test_no_picture_is_another_than_to_other_libraries(files: Any, least: int) -> None:
    count = 0
    for name, data, right in files():
        found = decode_image(data, "a")
        full = 1 if found.dtype.kind == "f" else np.iinfo(found.dtype).max
        if right.ndim == 3 and right.shape[2] == 2:  # grey and alpha
            right = right[..., 0] if (right[..., 1] == full).all() else right[..., [0, 0, 0, 1]]
        if right.ndim == 2 and found.ndim == 3:  # three equal channels are the same picture
            right = np.dstack([right] * 3)
        assert found.dtype == right.dtype.newbyteorder("="), name
        np.testing.assert_array_equal(found, right, err_msg=name, strict=True)
        if right.ndim == 3 and right.shape[2] == 4:
            check = as_visible if found.dtype.name in ("uint8", "uint16") else as_raw_infrared
            if (right[..., 3] == full).all():
                np.testing.assert_array_equal(check(found), right[..., :3], err_msg=name)
            else:
                with pytest.raises(ImageError, match="expected grey or RGB"):
                    check(found)
        count += 1
    assert count >= least
