import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from affine import Affine
from rasterio.io import MemoryFile

from piafusion.errors import ImageError
from piafusion.imaging.io import decode_image, read_pair
from tests.imaging.tiff_files import tiff

GENERATOR = np.random.default_rng(0)
HEIGHT, WIDTH = 37, 45
DTYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32",
          "float64")  # fmt: skip


def noise(dtype: str, *shape: int) -> np.ndarray:
    if np.dtype(dtype).kind == "f":
        return GENERATOR.random(shape).astype(dtype)
    ends = np.iinfo(dtype)
    return GENERATOR.integers(ends.min, ends.max, shape, dtype=np.dtype(dtype), endpoint=True)


def written(image: np.ndarray, **settings: Any) -> bytes:
    """Return the file that another library writes."""
    if settings.get("planarconfig") == "separate":
        image = np.ascontiguousarray(np.moveaxis(image, 2, 0))
    file = io.BytesIO()
    tifffile.imwrite(file, image, metadata=None, **settings)
    return file.getvalue()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("samples", [1, 3, 4])
@pytest.mark.parametrize("block", [{"rowsperstrip": 16}, {"tile": (16, 32)}])
@pytest.mark.parametrize(
    ("compression", "predictor"),
    [(None, 1), ("lzw", 1), ("lzw", 2), ("zlib", 1), ("zlib", 2), ("zlib", 3), ("packbits", 1),
     ("zstd", 1), ("zstd", 2)],
)  # fmt: skip
def test_every_layout_comes_back(
    dtype: str, samples: int, block: dict[str, Any], compression: str | None, predictor: int
) -> None:
    if (np.dtype(dtype).kind == "f") != (predictor == 3) and predictor > 1:
        return  # differences of floats are another kind of predictor
    image = noise(dtype, HEIGHT, WIDTH, *[samples] * (samples > 1))
    colour = {"photometric": "rgb" if samples >= 3 else "minisblack", "compression": compression}
    for planes in ("contig", "separate") if samples > 1 else (None,):
        for order in "<>":
            for big in (False, True):
                data = written(
                    image,
                    planarconfig=planes,
                    byteorder=order,
                    bigtiff=big,
                    predictor=predictor if predictor > 1 else None,
                    **block,
                    **colour,
                )
                found = decode_image(data, "a")
                assert found.dtype == np.dtype(dtype)
                assert found.flags["C_CONTIGUOUS"]
                np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("block", [{"rowsperstrip": 16}, {"tile": (16, 32)}])
def test_jpeg_compression(samples: int, planes: str, block: dict[str, Any]) -> None:
    rows = np.linspace(20, 230, HEIGHT)[:, None] + np.zeros(WIDTH)
    image = np.stack([rows, 255 - rows, rows / 2][:samples], 2).astype(np.uint8)
    image = image[..., 0] if samples == 1 else image
    data = written(
        image,
        photometric="rgb" if samples == 3 else "minisblack",
        planarconfig=planes if samples == 3 else None,
        compression="jpeg",
        **block,
    )
    assert np.abs(decode_image(data, "a").astype(int) - image).mean() < 3


@pytest.mark.parametrize("photometric", ["ycbcr", "rgb"])
@pytest.mark.parametrize("tiled", [False, True])
def test_jpeg_compression_by_gdal(photometric: str, tiled: bool) -> None:
    rows = np.linspace(20, 230, 64)[:, None] + np.zeros(80)
    image = np.stack([rows, 255 - rows, rows / 2]).astype(np.uint8)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=64, width=80, count=3, dtype="uint8", compress="jpeg",
            photometric=photometric, interleave="pixel", tiled=tiled, blockxsize=32, blockysize=16,
            transform=Affine.translation(1, 1),
        ) as file:  # fmt: skip
            file.write(image)
        data = bytes(memory.getbuffer())
    found = np.moveaxis(decode_image(data, "a"), 2, 0)
    assert np.abs(found.astype(int) - image).max() < 16


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_white_is_zero_is_inverted_at_every_depth(dtype: str) -> None:
    image = noise(dtype, HEIGHT, WIDTH)
    data = written(image, photometric="miniswhite")
    np.testing.assert_array_equal(decode_image(data, "a"), np.iinfo(dtype).max - image)


@pytest.mark.parametrize("predictor", [None, 3])
def test_half_floats_become_floats(predictor: int | None) -> None:
    image = noise("float16", HEIGHT, WIDTH, 3)
    for compression in (None, "zlib"):
        if predictor and not compression:
            continue
        data = written(image, photometric="rgb", compression=compression, predictor=predictor)
        found = decode_image(data, "a")
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, image.astype(np.float32))


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_white_is_zero_without_a_white_is_refused(dtype: str) -> None:
    data = written(noise(dtype, 8, 8), photometric="miniswhite")
    with pytest.raises(ImageError, match="white-is-zero"):
        decode_image(data, "a")


@pytest.mark.parametrize("colour", ["white", "black", "rgb"])
@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12, 14])
def test_packed_bits_are_stretched(bits: int, colour: str) -> None:
    white, channels = colour == "white", [3] * (colour == "rgb")
    values = GENERATOR.integers(0, 1 << bits, (HEIGHT, WIDTH, *channels))
    rows = values.reshape(HEIGHT, -1)
    lines = ["".join(format(value, f"0{bits}b") for value in row) for row in rows]
    lines = [line + "0" * (-len(line) % 8) for line in lines]
    packed = [b"".join(int(line, 2).to_bytes(len(line) // 8, "big") for line in lines)]
    full, dtype = (255, np.uint8) if bits <= 8 else (65535, np.uint16)
    values = (1 << bits) - 1 - values if white else values
    shifted = values * 255 // ((1 << bits) - 1) if bits < 8 else values << (16 - bits)
    photometric = ("white", "black", "rgb").index(colour)
    entries = [(258, "H", (bits,) * (3 if channels else 1)), (262, "H", (photometric,))]
    found = decode_image(tiff(np.zeros(values.shape, dtype), entries, segments=packed), "a")
    np.testing.assert_array_equal(found, shifted)
    assert found.dtype == dtype
    assert found.max() > full * 0.9
    turned = [bytes(int(f"{byte:08b}"[::-1], 2) for byte in packed[0])]
    entries += [(266, "H", (2,))]
    data = tiff(np.zeros(values.shape, dtype), entries, segments=turned)
    np.testing.assert_array_equal(decode_image(data, "a"), shifted)


def test_palettes_become_colours() -> None:
    image = noise("uint8", HEIGHT, WIDTH)
    colours = GENERATOR.integers(0, 256, (3, 256)).astype(np.uint16) * 257
    found = decode_image(written(image, photometric="palette", colormap=colours), "a")
    np.testing.assert_array_equal(found, (colours[:, image] // 257).transpose(1, 2, 0))
    short = tiff(image, [(262, "H", (3,)), (320, "H", (0,) * 700)])
    with pytest.raises(ImageError, match="palette that is too short"):
        decode_image(short, "a")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_three_bands_are_colours_whatever_the_file_calls_them(dtype: str) -> None:
    image = noise(dtype, HEIGHT, WIDTH, 3)
    data = tiff(image, [(262, "H", (1,)), (338, "H", (0, 0))])
    np.testing.assert_array_equal(decode_image(data, "a"), image)


def test_grey_with_a_second_channel_is_read_if_that_is_opaque() -> None:
    image = noise("uint16", HEIGHT, WIDTH, 2)
    with pytest.raises(ImageError, match="found a grey channel and transparency"):
        decode_image(tiff(image), "a")
    image[..., 1] = 65535
    np.testing.assert_array_equal(decode_image(tiff(image), "a"), image[..., 0])
    with pytest.raises(ImageError, match="a grey channel and another"):
        decode_image(tiff(image, [(338, "H", (0,))]), "a")


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ((262, "H", (5,)), "CMYK"),
        ((262, "H", (8,)), "CIELab"),
        ((262, "H", (32844,)), "photometric 32844"),
        ((259, "H", (4,)), "compression 4"),
        ((259, "H", (34887,)), "compression 34887"),
        ((339, "H", (6, 6, 6)), "complex pixels"),
        ((258, "H", (16, 8, 8)), "different depths"),
        ((258, "H", (24, 24, 24)), "24 bits"),
        ((278, "I", (0,)), "strips without rows"),
        ((322, "I", (8,)), "tiles of 8x"),
        ((32997, "I", (2,)), "pixels of 3 channels"),
        ((256, "I", (0,)), "0x37"),
        ((256, "f", (1.0,)), "no number for the tag 256"),
        ((317, "H", (3,)), "predictor 3"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named(entry: Any, found: str) -> None:
    image = noise("uint8", HEIGHT, WIDTH, 3)
    deflate = entry[0] == 317
    more = [entry, (323, "I", (16,))] if entry[0] == 322 else [entry]
    with pytest.raises(ImageError, match=rf"a: expected .*found .*{found}.*; "):
        decode_image(tiff(image, more, deflate=deflate), "a")


def compressed(kind: str | None) -> bytes:
    return written(noise("uint8", HEIGHT, WIDTH), compression=kind, rowsperstrip=16)


@pytest.mark.parametrize("kind", [None, "lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize("fault", ["short", "missing place", "missing size", "outside", "fewer"])
def test_strips_that_are_missing_or_short_are_errors(kind: str | None, fault: str) -> None:
    data = compressed(kind)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tags = file.pages[0].tags
        places, sizes = tags[273], tags[279]
    letter = {3: "H", 4: "I"}[sizes.dtype]
    second = sizes.valueoffset + struct.calcsize(letter)
    changed = bytearray(data)
    if fault == "short":
        struct.pack_into("<" + letter, changed, second, sizes.value[1] // 2)
    elif fault == "missing size":
        struct.pack_into("<" + letter, changed, second, 0)
    elif fault == "fewer":
        struct.pack_into("<I", changed, places.offset + 4, 2)
        struct.pack_into("<I", changed, sizes.offset + 4, 2)
    else:
        value = 0 if fault == "missing place" else len(data)
        struct.pack_into("<I", changed, places.valueoffset + 4, value)
    with pytest.raises(ImageError, match=r"a: expected a whole TIFF file, found .*; copy it"):
        decode_image(bytes(changed), "a")
    with pytest.raises(ImageError):
        decode_image(data[:-20], "a")


@pytest.mark.parametrize("predictor", [None, 2])
def test_every_flipped_bit_of_deflate_is_noticed(predictor: int | None) -> None:
    image = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    data = written(image, compression="zlib", predictor=predictor, tile=(32, 32))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        start, size = file.pages[0].dataoffsets[1], file.pages[0].databytecounts[1]
    for place in range(start + 2, start + size):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        try:
            found = decode_image(bytes(changed), "a")
        except ImageError as error:
            assert "whole TIFF file" in str(error)  # noqa: PT017 - or one of the unused bits
        else:
            np.testing.assert_array_equal(found, image)


def test_strips_longer_than_their_pixels_are_errors() -> None:
    import zlib

    image = noise("uint8", 32, 32)
    for content in (bytes(1025), bytes(10**6)):
        data = tiff(image, deflate=True, segments=[zlib.compress(content)])
        with pytest.raises(ImageError, match="do not end where they have to"):
            decode_image(data, "a")
    empty_blocks = b"\x78\x9c" + b"\0\0\0\xff\xff" * 2000
    with pytest.raises(ImageError, match="larger than its pixels"):
        decode_image(tiff(image, deflate=True, segments=[empty_blocks]), "a")


def test_the_last_strip_may_have_all_its_rows() -> None:
    image = noise("uint8", 20, 32)
    parts = [image[:16].tobytes(), image[16:].tobytes() + bytes(12 * 32)]
    np.testing.assert_array_equal(decode_image(tiff(image, rows=16, segments=parts), "a"), image)


def test_jpeg_tiles_of_another_size_are_errors() -> None:
    from tests.imaging.picture_files import encoded

    image = noise("uint8", 16, 16)
    for shape in ((160, 160), (16, 32), (16, 16, 3)):
        part = encoded(".jpg", np.zeros(shape, np.uint8))
        data = tiff(image, [(259, "H", (7,))], segments=[part])
        with pytest.raises(ImageError, match="a JPEG strip or tile of"):
            decode_image(data, "a")
    part = encoded(".jpg", image)
    for cut in (part[:-2], part[: len(part) // 2]):
        with pytest.raises(ImageError, match="JPEG"):
            decode_image(tiff(image, [(259, "H", (7,))], segments=[cut]), "a")
    damaged = encoded(".jpg", noise("uint8", 16, 16))[:-40] + b"\xff\xd9"
    with pytest.raises(ImageError, match="Corrupt JPEG data"):
        decode_image(tiff(image, [(259, "H", (7,))], segments=[damaged]), "a")


def test_separate_planes_of_a_pair_are_fused_in_their_colours(tmp_path: Any) -> None:
    image = noise("uint16", HEIGHT, WIDTH, 3)
    (tmp_path / "vi.tif").write_bytes(tiff(image, separate=True, deflate=True))
    (tmp_path / "ir.tif").write_bytes(tiff(image[..., 0]))
    infrared, visible = read_pair(tmp_path / "ir.tif", tmp_path / "vi.tif")
    np.testing.assert_array_equal(infrared, image[..., 0])
    np.testing.assert_array_equal(visible, image)
