"""Files that no server should accept, by name, with the status they are refused with."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import cv2
import numpy as np

from piafusion.imaging.io import encode_image
from tests.conftest import scene

INFRARED, VISIBLE = scene(96, 128)


def file_of(image: np.ndarray, suffix: str = ".png") -> bytes:
    return bytes(encode_image(image, suffix))


def png(width: int, height: int, pixels: bytes = b"", first: bytes = b"IHDR") -> bytes:
    """Return a grey PNG with that header and whatever pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(first, header) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(*entries: tuple[int, int, int, int], pixels: bytes = b"") -> bytes:
    """Return a TIFF of one directory with those entries (tag, type, count, value)."""
    place = 8 + 2 + 12 * (len(entries) + 2) + 4
    every = sorted((*entries, (273, 4, 1, place), (279, 4, 1, len(pixels))))
    body = b"".join(struct.pack("<HHII", *entry) for entry in every)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(every)) + body + bytes(4) + pixels


def grey_tiff(width: int, height: int, *more: tuple[int, int, int, int]) -> bytes:
    given = {tag for tag, *_ in more}
    usual = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1),
             (262, 3, 1, 1), (277, 3, 1, 1), (278, 4, 1, height)]  # fmt: skip
    return tiff(*[entry for entry in usual if entry[0] not in given], *more, pixels=bytes(64))


def patched(data: bytes, marker: bytes, offset: int, new: bytes) -> bytes:
    place = data.index(marker) + offset
    return data[:place] + new + data[place + len(new) :]


def float_tiff(value: float) -> bytes:
    image = np.full((96, 128), 0.5, np.float32)
    image[3, 4] = value
    return file_of(image, ".tiff")


def pages() -> bytes:
    done, data = cv2.imencodemulti(".tiff", [INFRARED, INFRARED])
    assert done
    return data.tobytes()


def webp(kind: bytes, body: bytes) -> bytes:
    data = b"WEBP" + kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", len(data)) + data


def encoded(suffix: str, image: np.ndarray) -> bytes:
    done, data = cv2.imencode(suffix, image)
    assert done
    return data.tobytes()


JPEG, BMP, TIFF, WEBP = (file_of(VISIBLE, suffix) for suffix in (".jpg", ".bmp", ".tiff", ".webp"))
PNG = file_of(VISIBLE)
FRAME = b"\xff\xc0"

VISIBLES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 422),
    "one byte": (b"\xff", 415),
    "text": (b"hello", 415),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 415),
    "html": (b"<!doctype html><script>alert(1)</script>", 415),
    "gif": (b"GIF89a\xff\xff\xff\xff\0\0\0;", 415),
    "pdf": (b"%PDF-1.7\n", 415),
    "zip": (b"PK\x03\x04", 415),
    "noise": (np.random.default_rng(0).bytes(4000), 415),
    "portable grey map": (encoded(".pgm", INFRARED), 415),
    "radiance": (encoded(".hdr", VISIBLE.astype(np.float32)), 415),
    "sun raster": (encoded(".ras", VISIBLE), 415),
    "png signature alone": (PNG[:8], 422),
    "png cut in its header": (PNG[:20], 422),
    "png cut in its pixels": (PNG[: len(PNG) // 2], 422),
    "png with another first chunk": (png(8, 8, first=b"IHDX"), 422),
    "png without pixels": (png(0, 96), 422),
    "png header bomb": (png(60_000, 60_000), 413),
    "png largest sides": (png(2**31 - 1, 2**31 - 1), 413),
    "png pixel bomb": (png(8000, 8000, bytes(8001 * 8000)), 413),
    "png with less pixels than said": (png(500, 500, bytes(501 * 20)), 422),
    "png damaged": (patched(PNG, b"IDAT", 12, b"\xff" * 50), 422),
    "jpeg start alone": (JPEG[:2], 415),
    "jpeg cut in a segment": (JPEG[:12], 422),
    "jpeg cut in its pixels": (JPEG[: len(JPEG) // 2], 422),
    "jpeg without a frame": (b"\xff\xd8\xff\xda\0\x02\xff\xd9", 422),
    "jpeg bomb": (patched(JPEG, FRAME, 5, b"\xff\xdc\xff\xdc"), 413),
    "jpeg without lines": (patched(JPEG, FRAME, 5, b"\0\0"), 422),
    "jpeg of many scans": (JPEG[:-2] + b"\xff\xda\0\x08\x01\1\0\0?\0" * 500 + b"\xff\xd9", 422),
    "jpeg segment without length": (b"\xff\xd8\xff\xe0\0\0" + JPEG[6:], 422),
    "tiff bomb": (grey_tiff(60_000, 60_000), 413),
    "tiff with huge tiles": (grey_tiff(64, 64, (322, 4, 1, 2**15), (323, 4, 1, 2**15)), 413),
    "tiff with a size twice": (grey_tiff(64, 64, (256, 4, 1, 60_000), (256, 4, 1, 64)), 422),
    "tiff with a long size elsewhere": (grey_tiff(64, 64, (257, 16, 1, 64)), 422),
    "tiff of a thousand channels": (grey_tiff(64, 64, (277, 3, 1, 1000)), 422),
    "tiff without a size": (tiff((258, 3, 1, 8)), 422),
    "tiff directory outside": (b"II*\0" + struct.pack("<I", 10**9) + bytes(8), 422),
    "tiff of 65,535 entries": (b"II*\0\x08\0\0\0\xff\xff" + bytes(200), 422),
    "tiff cut": (TIFF[: len(TIFF) // 2], 422),
    "tiff of two pages": (pages(), 422),
    "tiff with NaN": (float_tiff(np.nan), 422),
    "tiff with infinity": (float_tiff(np.inf), 422),
    "tiff outside 0 to 1": (float_tiff(7), 422),
    "bigtiff bomb": (
        b"II+\0\x08\0\0\0"
        + struct.pack("<QQ", 16, 2)
        + struct.pack("<HHQQ", 256, 16, 1, 2**40)
        + struct.pack("<HHQQ", 257, 16, 1, 2**40)
        + bytes(8),
        413,
    ),
    "webp canvas bomb": (webp(b"VP8X", b"\2\0\0\0" + b"\xff" * 6), 413),
    "webp lossless bomb": (webp(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(20)), 413),
    "webp without a picture": (webp(b"EXIF", b"abcd"), 422),
    "webp cut": (WEBP[: len(WEBP) // 2], 422),
    "bmp bomb": (patched(BMP, b"BM", 18, struct.pack("<ii", 50_000, -50_000)), 413),
    "bmp cut": (BMP[: len(BMP) // 2], 422),
    "bmp without a size": (BMP[:20], 422),
    "alpha": (encoded(".png", np.dstack([VISIBLE, INFRARED * 0 + 127])), 422),
    "another size": (file_of(VISIBLE[:90]), 422),
    "too small": (file_of(VISIBLE[:4, :4]), 422),
}
"""Visible pictures, the infrared one beside them being good."""

INFRAREDS: dict[str, tuple[bytes, int]] = {
    "colours": (PNG, 422),
    "tiff with NaN": (float_tiff(np.nan), 422),
    "tiff of NaN alone": (file_of(np.full((96, 128), np.nan, np.float32), ".tiff"), 422),
    "bomb": (png(60_000, 60_000), 413),
    "a FLIR segment without its data": (
        JPEG[:2] + b"\xff\xe1\0\x40FLIR\0" + bytes(57) + JPEG[2:],
        422,
    ),
}


def archive(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in entries:
            file.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def crowd(count: int) -> bytes:
    """Return a zip whose directory has so many entries of no content."""
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1,
                        0, 0, 0, 0, 0, 0)  # fmt: skip
    directory = b"".join(entry + b"a" for _ in range(count))
    told = min(count, 3)  # it lies
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, told, told, len(directory), 0, 0)
    return directory + end


def zip64(count: int) -> bytes:
    """Return a zip of so many entries, told by a zip64 record; the usual record tells of none."""
    directory = crowd(count)[:-22]
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count,
                         len(directory), 0)  # fmt: skip
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(directory), 1)
    return directory + record + locator + struct.pack("<4s4H2LH", b"PK\x05\x06", *[0] * 7)


def encrypted(data: bytes) -> bytes:
    """Say of every entry that it is encrypted."""
    changed = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(signature)
        while place >= 0:
            changed[place + offset] |= 1
            place = data.find(signature, place + 1)
    return bytes(changed)


GOOD = (("ir/a.png", file_of(INFRARED)), ("vi/a.png", PNG))
ZIPS: dict[str, tuple[bytes, int]] = {
    "empty file": (b"", 422),
    "no zip": (PNG, 422),
    "cut": (archive(*GOOD)[:-40], 422),
    "damaged directory": (archive(*GOOD).replace(b"PK\x01\x02", b"PK\x09\x09"), 422),
    "empty zip": (archive(), 422),
    "no pairs": (archive(("readme.txt", b"hello"), ("ir/a.png", PNG)), 422),
    "out of the folder": (archive(*GOOD, ("../../etc/passwd", b"x")), 422),
    "out of ir": (archive(*GOOD, ("ir/../../x.png", b"x")), 422),
    "no name": (archive(*GOOD, ("", b"x")), 422),
    "absolute": (archive(*GOOD, ("/etc/cron.d/x.png", b"x")), 422),
    "backslashes": (archive(*GOOD, ("..\\..\\x.png", b"x")), 422),
    "a drive": (archive(*GOOD, ("C:/x.png", b"x")), 422),
    "100,000 entries that lie": (crowd(20_000), 413),
    "many entries": (archive(*((f"ir/{n}.png", b"") for n in range(100))), 413),
    "too many pairs": (
        archive(*((f"{side}/{n}.png", b"") for n in range(9) for side in ("ir", "vi"))),
        413,
    ),
    "bomb": (
        archive(("ir/a.png", bytes(2**24)), ("vi/a.png", PNG), method=zipfile.ZIP_DEFLATED),
        413,
    ),
    "bomb of many": (
        archive(
            *((f"{side}/{n}.png", bytes(2**20)) for n in range(9) for side in ("ir", "vi")),
            method=zipfile.ZIP_DEFLATED,
        ),
        413,
    ),
}

FAILING: dict[str, bytes] = {
    "encrypted": encrypted(archive(*GOOD)),
    "lzma": archive(*GOOD, method=zipfile.ZIP_LZMA),
    "damaged entry": patched(archive(*GOOD), b"IDAT", 8, b"\xff" * 9),
    "zip in a zip": archive(("ir/a.png", archive(*GOOD)), ("vi/a.png", PNG)),
    "picture bomb": archive(("ir/a.png", png(60_000, 60_000)), ("vi/a.png", PNG)),
    "two of a name": archive(*GOOD, ("ir/a.jpg", PNG), ("ir/b.png", PNG), ("vi/b.png", PNG)),
}
"""Zips whose pairs all fail, one by one."""
