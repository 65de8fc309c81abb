"""Files of FLIR cameras, made byte by byte."""

import struct

import cv2
import numpy as np

from piafusion.imaging.io import read_pair
from piafusion.scenes.synthetic import demo_scenes_root

CONSTANTS = {32: 0.95, 36: 1.0, 40: 293.0, 44: 293.0, 48: 293.0, 52: 1.0, 60: 0.5,
             88: 17000.0, 92: 1430.0, 96: 1.0, 112: 0.0066, 116: 0.0126, 120: -0.0023,
             124: -0.0067, 128: 1.9}  # fmt: skip


def jpeg(segment: bytes = b"", image: np.ndarray | None = None) -> bytes:
    """Return a small grey JPEG with one more segment behind its first marker."""
    done, data = cv2.imencode(".jpg", np.full((16, 16), 90, np.uint8) if image is None else image)
    assert done
    return data.tobytes()[:2] + segment + data.tobytes()[2:]


def app1(content: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def container(
    width: int = 4,
    height: int = 3,
    counts: bytes = b"",
    records: int = 0,
    order: str = ">",
    visible: bytes = b"",
    place: tuple[float, int, int] | None = None,
    milliseconds: int = 0,
    view: float = 0.0,
) -> bytes:
    """Return FLIR's data: a header, the entries of the records, and these."""
    camera = bytearray(920)
    for at, value in CONSTANTS.items():
        struct.pack_into("<f", camera, at, value)
    struct.pack_into("<f", camera, 436, view)
    struct.pack_into("<if", camera, 776, -400, 0.012)
    struct.pack_into("<IH", camera, 900, *divmod(milliseconds, 1000))
    pixels = struct.pack("<HHH", 2, width, height).ljust(32, b"\0") + counts
    contents = [(1, pixels), (32, bytes(camera))]
    if visible:
        contents.append((14, bytes(32) + visible))
    if place:
        contents.append((42, struct.pack("<fhh", *place).ljust(64, b"\0")))
    head = b"FFF\0".ljust(24, b"\0") + struct.pack(f"{order}II", 64, records or len(contents))
    head = head.ljust(64, b"\0")
    start = 64 + 32 * len(contents)
    for kind, content in contents:
        head += struct.pack(f"{order}HH8xII12x", kind, 1, start, len(content))
        start += len(content)
    return head + b"".join(content for _, content in contents)


def flir(content: bytes, image: np.ndarray | None = None) -> bytes:
    """Return a radiometric JPEG with these data in its segments."""
    size = max(500, len(content) // 200)
    pieces = [content[place : place + size] for place in range(0, len(content), size)]
    last = len(pieces) - 1
    segments = [app1(bytes([*b"FLIR\0\1", n, last]) + piece) for n, piece in enumerate(pieces)]
    return jpeg(b"".join(segments), image)


def photo(infrared: np.ndarray, visible: np.ndarray, place: tuple[float, int, int] | None) -> bytes:
    """Return a photo of grey infrared levels in 8 bits, as warm counts, and a visible picture."""
    counts = 15_000 + 10 * infrared.astype("<u2")
    done, inside = cv2.imencode(".jpg", visible[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 98))
    assert done
    height, width = infrared.shape
    return flir(container(width, height, counts.tobytes(), visible=inside.tobytes(), place=place))


def street() -> tuple[np.ndarray, np.ndarray]:
    """Return the infrared and the visible picture of a shipped scene, 320x240."""
    root = demo_scenes_root()
    pair = read_pair(*(next((root / name).glob("*D.png")) for name in ("ir", "vi")))
    infrared, visible = (
        cv2.resize(each, (320, 240), interpolation=cv2.INTER_AREA) for each in pair
    )
    return infrared, visible


def thermal_scene() -> np.ndarray:
    """Return an infrared picture, H x W uint8."""
    return street()[0]


SCALE, SHIFT = 2, (6, -4)  # visible pixels for each infrared one, and off the middle


def both(shift: tuple[int, int] = SHIFT) -> bytes:
    """Return a photo: infrared of 96x72 in a visible view of 320x240; it says it is shifted so."""
    whole, visible = street()
    top, left = 120 - 72 + SHIFT[1], 160 - 96 + SHIFT[0]
    part = whole[top : top + 144, left : left + 192].reshape(72, 2, 96, 2).mean(axis=(1, 3))
    return photo(part.astype(np.uint8), visible, (320 / 96 / SCALE, *shift))


def dji(counts: np.ndarray, picture: np.ndarray) -> bytes:
    """Return a JPEG of DJI: the counts in APP3 segments, and a picture in RGB."""
    content = counts.astype("<u2").tobytes()
    pieces = [content[place : place + 10_000] for place in range(0, len(content), 10_000)]
    segments = [b"\xff\xe3" + struct.pack(">H", len(piece) + 2) + piece for piece in pieces]
    return jpeg(b"".join(segments), picture[..., ::-1])
