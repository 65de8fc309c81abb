"""Damage: the general kinds, and those that know how a format is built."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

Mutator = Callable[[bytes, Random, bytes], bytes]
"""Takes the bytes, the source of chance and another whole input; returns damaged bytes."""

_SMALL = (0, 1, 2, 3, 4, 7, 8, 9, 16, 32, 64, 127, 128, 255, 256, 257)
_LARGE = (2**15 - 1, 2**15, 2**16 - 1, 2**16, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40)
_ODD = (*_SMALL, *_LARGE, 2**63 - 1, 2**64 - 1)
_TIFF_TAGS = (256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 338, 339,
              254, 347, 530, 33922)  # fmt: skip
_TIFF_VALUES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 32773, 32946, 34712, 34887, 50000)
_BMP_FIELDS = ((2, "<I"), (10, "<I"), (14, "<I"), (18, "<i"), (22, "<i"), (26, "<H"), (28, "<H"),
               (30, "<I"), (34, "<I"), (46, "<I"))  # fmt: skip
_LONGEST = 1 << 20  # bytes that a mutated input may have

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3.5, 1e308, -1e308, 5e-324, float("nan"), float("inf"),
    2**31, 2**63, 2**64, 10**400, "", "0", "x", "x" * 5000, "../../up", "/", "a\nb", "a\0b",
    "\x1b[31mred", "\ud800", "\u202e", "é", [], {}, [[]], [None], [0] * 1000, {"": None}, "nan",
)  # fmt: skip


def _place(data: bytes, random: Random) -> int:
    """Return a place in the bytes; every other one near the start, where the headers are."""
    if not data:
        return 0
    near = min(len(data), 256) if random.random() < 0.5 else len(data)
    return random.randrange(near)


def flip_bits(data: bytes, random: Random, other: bytes) -> bytes:
    """Flip one bit to eight."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4, 8))):
        if changed:
            changed[_place(data, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def set_bytes(data: bytes, random: Random, other: bytes) -> bytes:
    """Set a run to 00, FF or chance."""
    start, length = _place(data, random), random.choice((1, 1, 2, 4, 8, 32, 200))
    fill = random.choice((b"\0", b"\xff", bytes([random.randrange(256)])))
    end = min(len(data), start + length)
    return data[:start] + fill * (end - start) + data[end:]


def set_number(data: bytes, random: Random, other: bytes) -> bytes:
    """Write an odd whole number of 1 to 8 bytes in either order."""
    size = random.choice((1, 2, 4, 8))
    number = random.choice(_ODD) % (1 << 8 * size)
    start = _place(data, random)
    written = number.to_bytes(size, random.choice(("little", "big")))
    return data[:start] + written + data[start + size :]


def truncate(data: bytes, random: Random, other: bytes) -> bytes:
    """Cut the end off."""
    return data[: random.choice((_place(data, random), len(data) - random.randrange(1, 20)))]


def insert(data: bytes, random: Random, other: bytes) -> bytes:
    """Put a few bytes in between."""
    start, length = _place(data, random), random.choice((1, 2, 3, 4, 16, 1000))
    fill = bytes(length) if random.random() < 0.5 else random.randbytes(length)
    return data[:start] + fill + data[start:]


def remove(data: bytes, random: Random, other: bytes) -> bytes:
    """Take a few bytes out."""
    start = _place(data, random)
    return data[:start] + data[start + random.choice((1, 2, 3, 4, 16, 200)) :]


def repeat(data: bytes, random: Random, other: bytes) -> bytes:
    """Say a part twice or more often."""
    start, length = _place(data, random), random.choice((1, 4, 16, 64, 256))
    end = start + length
    return data[:end] + data[start:end] * random.choice((1, 1, 2, 50)) + data[end:]


def splice(data: bytes, random: Random, other: bytes) -> bytes:
    """Go on with another input."""
    return data[: _place(data, random)] + other[_place(other, random) :]


def graft(data: bytes, random: Random, other: bytes) -> bytes:
    """Overwrite a part with one of another input."""
    start, source = _place(data, random), _place(other, random)
    part = other[source : source + random.choice((4, 16, 64, 512))]
    return data[:start] + part + data[start + len(part) :]


def append(data: bytes, random: Random, other: bytes) -> bytes:
    """Put another input or zeros behind it."""
    return data + random.choice((other, bytes(100), random.randbytes(100)))


GENERAL: tuple[Mutator, ...] = (
    flip_bits, flip_bits, set_bytes, set_number, set_number, truncate, insert, remove, repeat,
    splice, graft, append,
)  # fmt: skip


def png(data: bytes, random: Random, other: bytes) -> bytes:
    """Change a chunk and give it a right checksum, or leave it out, say it twice, move it."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        length = struct.unpack_from(">I", data, place)[0]
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    if not chunks:
        return data
    index, claim = random.randrange(len(chunks)), None
    name, body = chunks[index]
    match random.randrange(7):
        case 0 | 1:
            body = random.choice((flip_bits, set_number, set_bytes))(body, random, other)
        case 2:
            claim = random.choice((0, len(body) - 1, len(body) + 1, 2**31 - 1, 2**32 - 1)) % 2**32
        case 3:
            body = truncate(body, random, other) if body else b"\0"
        case 4:
            chunks.insert(random.randrange(len(chunks)), (name, body))
        case 5:
            name = random.choice((b"tRNS", b"PLTE", b"IEND", b"IDAT", b"acTL", b"fdAT", b"iCCP"))
        case _:
            del chunks[index]
            chunks.append((b"IDAT", zlib.compress(bytes(random.choice((0, 10, 100_000))))))
            index = len(chunks) - 1
            name, body = chunks[index]
    chunks[index] = (name, body)
    parts = [data[:8]]
    for place, (name, body) in enumerate(chunks):
        length = claim if place == index and claim is not None else len(body)
        parts.append(struct.pack(">I", length) + name + body)
        parts.append(struct.pack(">I", zlib.crc32(name + body)))
    return b"".join(parts)


def jpeg(data: bytes, random: Random, other: bytes) -> bytes:
    """Change a segment: its length, its content, its marker; leave it out or say it twice."""
    segments, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        length = struct.unpack_from(">H", data, place + 2)[0]
        segments.append((place, place + 2 + length))
        place += 2 + length
    if not segments:
        return data
    start, end = random.choice(segments)
    match random.randrange(6):
        case 0:
            length = struct.pack(">H", random.choice((0, 1, 2, 3, end - start - 1, 0xFFFF)))
            return data[: start + 2] + length + data[start + 4 :]
        case 1 | 2:
            body = random.choice((flip_bits, set_number))(data[start + 4 : end], random, other)
            return data[: start + 4] + body[: end - start - 4] + data[end:]
        case 3:
            marker = random.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xDB, 0xDD, 0xE1, 0xD9))
            return data[: start + 1] + bytes([marker]) + data[start + 2 :]
        case 4:
            return data[:start] + data[end:]
        case _:
            return data[:end] + data[start:end] * random.choice((1, 1, 3, 300)) + data[end:]


def tiff(data: bytes, random: Random, other: bytes) -> bytes:
    """Change the tag, type, count or value of an entry, or where the next directory lies."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    try:
        first = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)[0]
        count = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, first)[0]
    except struct.error:
        return data
    entries, size = first + (8 if big else 2), 20 if big else 12
    if not 0 < count < 100:
        return data
    start = entries + size * random.randrange(count)
    word, width = ("Q", 8) if big else ("I", 4)
    odd = random.choice((*_ODD, random.randrange(len(data) + 1)))
    match random.randrange(8):
        case 0:
            tag = random.choice(_TIFF_TAGS)
            at, new = start, struct.pack(f"{order}H", tag)
        case 1:
            at, new = start + 2, struct.pack(f"{order}H", random.randrange(20))
        case 2:
            at, new = start + 4, struct.pack(order + word, odd % (1 << 8 * width))
        case 3:
            at = entries + size * count  # the next directory: none, itself or anywhere
            new = struct.pack(order + word, random.choice((first, odd)) % (1 << 8 * width))
        case 4:
            kind = struct.unpack_from(f"{order}H", data, start + 2)[0]
            at = start + size - width
            if kind == 3:
                new = struct.pack(f"{order}H", odd % 65536)
            else:
                new = struct.pack(order + word, odd % (1 << 8 * width))
        case _:  # a value that such a tag may have
            at = start + size - width
            new = struct.pack(f"{order}H", random.choice(_TIFF_VALUES))
    return data[:at] + new + data[at + len(new) :]


def riff(data: bytes, random: Random, other: bytes) -> bytes:
    """Change the name, size or first bytes of a chunk."""
    places, place = [0], 12
    while place + 8 <= len(data) and len(places) < 50:
        places.append(place)
        length = struct.unpack_from("<I", data, place + 4)[0]
        place += 8 + length + length % 2
    start = random.choice(places)
    match random.randrange(4):
        case 0:
            names = (b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"EXIF", b"ICCP")
            return data[:start] + random.choice(names) + data[start + 4 :]
        case 1:
            length = struct.pack("<I", random.choice(_ODD) % 2**32)
            return data[: start + 4] + length + data[start + 8 :]
        case 2:
            body = flip_bits(data[start + 8 : start + 28], random, other)
            return data[: start + 8] + body + data[start + 28 :]
        case _:
            return set_number(data[: start + 24], random, other) + data[start + 24 :]


def bmp(data: bytes, random: Random, other: bytes) -> bytes:
    """Write an odd number into a field of the two headers."""
    at, layout = random.choice(_BMP_FIELDS)
    if layout == "<i":
        number = random.choice((-1, 0, 1, -48, 48, 64, 2**31 - 1, -(2**31), 5000))
    else:
        number = random.choice((0, 1, 2, 3, 4, 8, 16, 24, 32, 40, *_ODD))
        number %= 1 << 8 * struct.calcsize(layout)
    new = struct.pack(layout, number)
    return data[:at] + new + data[at + len(new) :]


def flir(data: bytes, random: Random, other: bytes) -> bytes:
    """Change a field of the thermal data's head, its directory or the camera's constants."""
    start = data.find(b"FFF\0")
    if start < 0:
        return data
    at = start + random.choice((24, 28, random.randrange(0, 160), random.randrange(160, 1100)))
    new = struct.pack(random.choice("<>") + "I", random.choice(_ODD) % 2**32)
    return data[:at] + new + data[at + 4 :]


def zipped(data: bytes, random: Random, other: bytes) -> bytes:
    """Change a field of an entry, of the directory or of the end record."""
    marks = [found.start() for found in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06|\x06)", data)]
    if not marks:
        return data
    start = random.choice(marks)
    if random.random() < 0.1:  # records of zip64, before the end
        end = data.rfind(b"PK\x05\x06")
        odd = [random.choice(_ODD) for _ in range(5)]
        record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, *odd[:4])
        place = struct.pack("<4sIQI", b"PK\x06\x07", 0, random.choice((end, odd[4])), 1)
        return data[:end] + record + place + data[end:]
    size = random.choice((2, 4))
    at = start + random.randrange(4, 46)
    new = (random.choice(_ODD) % (1 << 8 * size)).to_bytes(size, "little")
    return data[:at] + new + data[at + size :]


def text(data: bytes, random: Random, other: bytes) -> bytes:
    """Replace, remove or rename a value of a JSON text or of a line of one."""
    lines = data.split(b"\n")
    whole = random.random() < 0.5
    index = next((i for i, line in enumerate(lines) if line), 0) if whole else None
    if index is None:
        index = random.randrange(len(lines))
    try:
        value = json.loads(data)
        index = None
    except (ValueError, RecursionError):
        try:
            value = json.loads(lines[index])
        except (ValueError, RecursionError):
            return data
    if random.random() < 0.05:
        changed = b"[" * 100_000 if random.random() < 0.5 else b'{"a":' * 50_000
    else:
        changed = json.dumps(_replaced(value, random)).encode("utf-8", "surrogatepass")
    if index is None:
        return changed
    return b"\n".join((*lines[:index], changed, *lines[index + 1 :]))


def _replaced(value: Any, random: Random) -> Any:
    """Return the value with one part of it made odd."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        chance = random.random()
        if chance < 0.1:
            return {name: each for name, each in value.items() if name != key}
        if chance < 0.2:
            return {(f"{k}x" if k == key else k): each for k, each in value.items()}
        return {**value, key: _replaced(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.9:
        index = random.randrange(len(value))
        chance = random.random()
        if chance < 0.1:
            return value[:index] + value[index + 1 :]
        if chance < 0.2:
            return value + [value[index]]
        return [*value[:index], _replaced(value[index], random), *value[index + 1 :]]
    return random.choice(ODD_VALUES)


def picture(data: bytes, random: Random, other: bytes) -> bytes:
    """Damage a picture as its format is built."""
    known = ((b"\x89PNG", png), (b"\xff\xd8", jpeg), (b"RIFF", riff), (b"BM", bmp))
    return next((kind for start, kind in known if data.startswith(start)), tiff)(
        data, random, other
    )


def mutate(data: bytes, random: Random, other: bytes, structured: tuple[Mutator, ...]) -> bytes:
    """Damage an input in one to four ways; every other one knows the format."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        choice = structured if structured and random.random() < 0.5 else GENERAL
        with suppress(struct.error, IndexError):  # too damaged already for this kind
            data = random.choice(choice)(data, random, other)[:_LONGEST]
    return data
