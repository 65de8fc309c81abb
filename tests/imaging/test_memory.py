"""Nothing of what lay in memory before may be seen in a picture, whatever its file leaves out."""

import io
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
import tifffile

from piafusion.errors import ImageError
from piafusion.imaging.io import decode_image
from tests.imaging.picture_files import bmp, encoded, png
from tests.imaging.tiff_files import tiff

# Large enough that freed memory comes back uncleared at once.
HEIGHT, WIDTH = 120, 160
POISON = 0xA7
VISIBLE_RUN = 24  # bytes of poison side by side that are no chance
SMOOTH = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 140, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 3
)


def poison(size: int) -> None:
    """Fill and free buffers of the sizes that pictures of so many bytes have."""
    for each in (size // 3, size, 2 * size, 4 * size, 8 * size):
        buffers = [np.full(each, POISON, np.uint8) for _ in range(4)]
        del buffers


def longest_run(image: np.ndarray) -> int:
    marked = np.ascontiguousarray(image).reshape(-1).view(np.uint8) == POISON
    edges = np.flatnonzero(np.concatenate(([True], ~marked, [True])))
    return int(np.diff(edges).max()) - 1


def leaks(decode: Callable[[], np.ndarray | None]) -> bool:
    for _ in range(2):
        poison(HEIGHT * WIDTH * 3)
        image = decode()
        if image is not None and longest_run(image) >= VISIBLE_RUN:
            return True
    return False


def ours(data: bytes) -> Callable[[], np.ndarray | None]:
    def decode() -> np.ndarray | None:
        try:
            return decode_image(data, "a")
        except ImageError:
            return None

    return decode


def png_files() -> Iterator[tuple[str, bytes]]:
    for bits, colour, channels in ((1, 0, 1), (8, 0, 1), (16, 0, 1), (8, 2, 3), (16, 2, 3),
                                   (8, 3, 1), (8, 4, 2), (8, 6, 4), (16, 6, 4)):  # fmt: skip
        rows = HEIGHT * (1 + WIDTH * bits * channels // 8)
        for interlaced in (False, True):
            for share in (0, 0.1, 0.5, 0.99, 1.2):
                data = png(WIDTH, HEIGHT, bytes(int(rows * share)), bits=bits, colour=colour,
                           interlaced=interlaced)  # fmt: skip
                yield f"png {bits} bits, colour {colour}, {interlaced=}, {share}", data
    data = encoded(".png", SMOOTH)
    for share in (0.3, 0.9):
        yield f"png cut {share}", data[: int(share * len(data))] + data[-12:]


def jpeg_files() -> Iterator[tuple[str, bytes]]:
    for name, settings in (
        ("baseline", ()),
        ("progressive", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        ("restarts", (cv2.IMWRITE_JPEG_RST_INTERVAL, 7)),
    ):
        for image in (SMOOTH, SMOOTH[..., 0]):
            data = encoded(".jpg", image, *settings)
            scans = [n for n in range(len(data)) if data[n : n + 2] == b"\xff\xda"]
            for scan in scans:
                yield f"jpeg {name} until {scan}", data[:scan] + b"\xff\xd9"
                yield f"jpeg {name} from {scan}", data[: scans[0]] + data[scan:]
                yield f"jpeg {name} without data", data[: scan + 14] + b"\xff\xd9"
            for share in (0.4, 0.8):
                cut = data[: int(share * len(data))]
                yield f"jpeg {name} cut {share}", cut
                yield f"jpeg {name} cut and ended {share}", cut + b"\xff\xd9"
                yield f"jpeg {name} end in a comment", cut + b"\xff\xfe\x7f\xff\xff\xd9"
            scan = scans[0]
            yield (
                f"jpeg {name} end in a scan",
                (data[: scan + 11] + b"\xff\xd9\0" + data[scan + 14 : scan + 400]),
            )


def webp_files() -> Iterator[tuple[str, bytes]]:
    for quality in (50, 101):
        data = bytearray(encoded(".webp", SMOOTH, cv2.IMWRITE_WEBP_QUALITY, quality))
        for share in (0.1, 0.5, 0.95, 1):
            yield f"webp {quality} cut {share}", bytes(data[: int(share * len(data))])
            cut = data[: int(share * len(data)) // 2 * 2]
            cut[4:8] = (len(cut) - 8).to_bytes(4, "little")
            cut[16:20] = (len(cut) - 20).to_bytes(4, "little")
            yield f"webp {quality} shorter {share}", bytes(cut)


def bmp_files() -> Iterator[tuple[str, bytes]]:
    end, jump, line = b"\0\1", b"\0\2\x20\x20", b"\5\1\0\0"
    bodies = {
        "nothing": b"", "end": end, "jump": jump + b"\5\1" + end, "jump out": b"\0\2\xff\xff" + end,
        "lines": line * HEIGHT + end, "some lines": line * 9, "run over": b"\xff\1" * 4000 + end,
        "absolute": b"\0\6\1\2\3\4\5\6" * 9 + end,
    }  # fmt: skip
    for top in (False, True):
        for bits, packing in ((8, 1), (4, 2)):
            for name, body in bodies.items():
                yield f"bmp {bits} {name} {top}", bmp(bits, packing, body, WIDTH, HEIGHT, top=top)
        for bits in (1, 4, 8, 16, 24, 32):
            size = (WIDTH * bits + 31) // 32 * 4 * HEIGHT
            for share in (0, 0.5, 0.99, 1):
                data = bmp(bits, 0, bytes(int(share * size)), WIDTH, HEIGHT, top=top)
                yield f"bmp {bits} {share} {top}", data


def tiff_files() -> Iterator[tuple[str, bytes]]:
    for dtype in ("uint8", "uint16", "float32"):
        for samples in (1, 3, 4):
            image = np.zeros((HEIGHT, WIDTH, samples) if samples > 1 else (HEIGHT, WIDTH), dtype)
            for separate in (False, True)[: 1 + (samples > 1)]:
                for block in (None, (16, 32)):
                    for deflate in (False, True):
                        layout = {"separate": separate, "block": block, "deflate": deflate}
                        name = f"tiff {dtype} {samples} {layout}"
                        yield name, tiff(image, **layout)
                        places, sizes = (324, 325) if block else (273, 279)
                        count = (HEIGHT // 16 + 1) * (WIDTH // 32) if block else 1
                        count *= samples if separate else 1
                        for tag in (places, sizes):
                            yield (
                                f"{name} without {tag}",
                                tiff(image, [(tag, "I", (0,) * count)], **layout),
                            )
            if samples != 4:
                for kind in ("lzw", "packbits", "zstd") + ("jpeg",) * (dtype == "uint8"):
                    file = io.BytesIO()
                    colours = "rgb" if samples == 3 else "minisblack"
                    settings = {"compression": kind, "rowsperstrip": 40, "photometric": colours}
                    tifffile.imwrite(file, image, metadata=None, **settings)
                    data = file.getvalue()
                    yield f"tiff {dtype} {samples} {kind}", data
                    with tifffile.TiffFile(io.BytesIO(data)) as read:
                        start = read.pages[0].dataoffsets[1]
                        size = read.pages[0].databytecounts[1]
                    hole = data[: start + size // 2] + bytes(size // 2) + data[start + size :]
                    yield f"tiff {dtype} {samples} {kind} with a hole", hole


def test_the_poison_is_seen_where_memory_is_not_cleared() -> None:
    assert leaks(lambda: np.empty((HEIGHT, WIDTH, 3), np.uint8))
    planes = tiff(np.zeros((HEIGHT, WIDTH, 3), np.uint16), separate=True)
    raw = np.frombuffer(planes, np.uint8)
    assert leaks(lambda: cv2.imdecode(raw, cv2.IMREAD_UNCHANGED))  # why OpenCV reads no TIFF here


@pytest.mark.parametrize("files", [png_files, jpeg_files, webp_files, bmp_files, tiff_files])
def test_no_picture_shows_what_lay_in_memory(files: Callable) -> None:
    read = 0
    for name, data in files():
        decode = ours(data)
        read += decode() is not None
        assert not leaks(decode), name
    assert read > 0


def test_a_sparse_tiff_is_refused() -> None:
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    data = tiff(image, [(324, "I", (0,) * 40), (325, "I", (0,) * 40)], block=(16, 32))
    with pytest.raises(ImageError, match="a strip or tile that is missing"):
        decode_image(data, "a")
