"""A file's words beside its pixels: place, time and camera (EXIF, XMP), and its colour profile.

The bytes go from the visible picture's file to the fused one as they are. Only what would no longer
be true is changed: the picture is upright, its size is its own, and the thumbnail is left out. TIFF
files hold EXIF data as directories of their own, so they are taken apart and put together there.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias, Union

import numpy as np

from piafusion.errors import ImageError
from piafusion.imaging.headers import PNG_XMP, read_header
from piafusion.imaging.jpeg import EXIF, XMP
from piafusion.imaging.tiff_directory import (
    GEOREFERENCE,
    ORIENTATION,
    TIFF_SUFFIXES,
    Tags,
    first_directory,
)

_ICC, _XMP = 34675, 700
_EXIF, _PLACE, _MORE = 34665, 34853, 40965  # tags that point to a directory
# Description, maker, model, resolution and its unit, software, time, artist, host, copyright, and
# the same as Windows writes them.
_DESCRIBING = {270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 33432, *range(40091, 40096)}
_IN_EXIF = {*_DESCRIBING, _EXIF, _PLACE}
_MOST_ICC = 2**24  # bytes
_MOST_SEGMENT = 65_533  # bytes in a segment of a JPEG file, its length left out
_ICC_NAME = b"ICC_PROFILE\0"
# In XMP: what is no longer true, and what tells of other parts of the file, such as a film.
_SIZES = {b"tiff:Orientation": 0, b"tiff:ImageLength": 1, b"exif:PixelYDimension": 1}
_SIZES |= {b"tiff:ImageWidth": 2, b"exif:PixelXDimension": 2}
_PARTS = re.compile(
    rb"\s(xmpNote:HasExtendedXMP|hdrgm:\w+|(?:GCamera|Camera):(?:Motion|MicroVideo)\w*)"
    rb"""\s*=\s*("[^"]*"|'[^']*')"""
)
_INNER_PARTS = (b"Container:Directory", b"xmp:Thumbnails")
_CLASSIC = 2**32  # bytes that a TIFF file may have
_FILM = math.hypot(36, 24)  # millimetres: diagonal of the film that focal lengths are compared with
_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # the units of a sensor's resolution

_Value: TypeAlias = tuple[int, int, bytes]  # type, count, and the bytes, or where they are
_Directory: TypeAlias = dict[int, Union[_Value, "_Directory"]]


@dataclass(frozen=True)
class Metadata:
    """All that a file says about its picture.

    Attributes:
        exif: EXIF data, which begin as a TIFF file does; empty if there are none.
        icc: Colour profile; empty if there is none.
        xmp: XMP packet; empty if there is none.
        georeference: Coordinates and no-data value of a TIFF file, in the same form as EXIF data;
            only TIFF files hold them.
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    georeference: bytes = b""

    def stripped(self) -> Metadata:
        """Return nothing but the georeference, without which a map is none."""
        return Metadata(georeference=self.georeference)

    def fitting(self, shape: tuple[int, ...]) -> Metadata:
        """Return those of an upright picture of that shape; a profile has as many channels."""
        space = b"RGB " if len(shape) == 3 else b"GRAY"
        icc = self.icc if self.icc[16:20] == space else b""
        exif, xmp = (
            correct(held, shape[0], shape[1]) if held else b""
            for correct, held in ((_corrected, self.exif), (_corrected_xmp, self.xmp))
        )
        return Metadata(exif, icc, xmp, self.georeference)


NOTHING = Metadata()


def decode_metadata(data: bytes) -> Metadata:
    """Return what a file of this content says beside its pixels; damaged data count as none."""
    try:
        header = read_header(data)
    except ImageError:
        header = None
    if header is None:
        return NOTHING
    if isinstance(header.detail, Tags):
        return metadata_in(header.detail)
    exif, icc, xmp = header.exif.removeprefix(EXIF), header.icc, header.xmp
    if header.format == "png" and icc:  # a name, 0, the kind of compression, and the profile
        try:
            icc = zlib.decompressobj().decompress(icc.partition(b"\0")[2][1:], _MOST_ICC)
        except zlib.error:
            icc = b""
    if header.format == "png" and xmp:  # packed or not, its packing, two texts that end with 0
        packed, text = xmp[0], xmp[2:].partition(b"\0")[2].partition(b"\0")[2]
        try:
            xmp = zlib.decompressobj().decompress(text, _MOST_ICC) if packed else text
        except zlib.error:
            xmp = b""
    return Metadata(exif, icc, xmp)


def metadata_in(tags: Tags) -> Metadata:
    """Return what the tags of a TIFF file say; damaged ones count as none."""
    try:
        exif, coordinates = (
            _alone(_directory(tags, tags.order, wanted), tags.order)
            for wanted in (_IN_EXIF, GEOREFERENCE)
        )
        coordinates = (
            b"" if tags.number(ORIENTATION, 1) != 1 else coordinates
        )  # the picture will be turned
        icc, xmp = (tags.value(tag)[2] if tag in tags else b"" for tag in (_ICC, _XMP))
        return Metadata(exif, icc, xmp, coordinates)
    except ImageError:
        return NOTHING


def facts(metadata: Metadata) -> dict[str, str]:
    """Return camera, time and place in words, those that the EXIF data name."""
    try:
        main = first_directory(io.BytesIO(metadata.exif))[0]
        said = {"camera": _joined(_word(main, 271), _word(main, 272)), "time": _word(main, 306)}
        for pointer, read in ((_EXIF, _taken), (_PLACE, _located)):
            if pointer in main:
                inner = main.sibling()
                inner.load(main.number(pointer))
                said |= read(inner)
    except (ImageError, struct.error, ZeroDivisionError):  # damaged
        return {}
    return {name: text for name, text in said.items() if text}


def field_of_view(metadata: Metadata, size: tuple[int, int]) -> float | None:
    """Return the horizontal field of view in degrees, if the EXIF data tell it.

    It follows from the focal length for film of 35 mm, with the diagonal of the film, or from the
    focal length and the sensor's pixels for each millimetre.

    Args:
        metadata: What the picture's file says.
        size: Height and width of the picture, upright.
    """
    try:
        main = first_directory(io.BytesIO(metadata.exif.removeprefix(EXIF)))[0]
        inner = main.sibling()
        inner.load(main.number(_EXIF))
        height, width = size
        film = inner.number(41989, 0)
        if film:
            tangent = _FILM / 2 / film * width / math.hypot(width, height)
        else:
            unit = _MILLIMETRES[inner.number(41488, 2)]
            pixels = _ratio(inner, 37386) * _ratio(inner, 41486) / unit  # the focal length
            taken = max(inner.number(40962), inner.number(40963))
            tangent = width / 2 / (pixels * max(size) / taken)
    except (ImageError, struct.error, ZeroDivisionError, KeyError):  # damaged, or it does not tell
        return None
    return math.degrees(2 * math.atan(tangent)) or None


def _ratio(tags: Tags, tag: int) -> float:
    if tags.fields[tag][:2] != (5, 1):
        raise KeyError(tag)
    top, bottom = struct.unpack(f"{tags.order}2I", tags.value(tag)[2])
    return float(top / bottom)


def _joined(maker: str, model: str) -> str:
    """Return maker and model; many models begin with the maker's name."""
    first = maker.partition(" ")[0].lower()
    return model if first and model.lower().startswith(first) else f"{maker} {model}".strip()


def _word(tags: Tags, tag: int) -> str:
    text = tags.value(tag)[2].partition(b"\0")[0] if tag in tags else b""
    return " ".join(text.decode("utf-8", "replace").split())


def _taken(tags: Tags) -> dict[str, str]:
    taken = _word(tags, 36867)
    return {"time": taken} if taken else {}


def _located(tags: Tags) -> dict[str, str]:
    """Return the place: a reference and degrees, minutes, seconds for each of the two angles."""
    angles = []
    for letter, tag in ((1, 2), (3, 4)):
        if letter not in tags or tag not in tags or tags.fields[tag][:2] != (5, 3):
            return {}
        numbers = struct.unpack(f"{tags.order}6I", tags.value(tag)[2])
        parts = [top / bottom for top, bottom in zip(numbers[::2], numbers[1::2], strict=True)]
        degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
        angles.append(f"{degrees:.6f}° {_word(tags, letter)}")
    return {"place": ", ".join(angles)}


def with_metadata(content: memoryview, suffix: str, metadata: Metadata) -> memoryview:
    """Return a picture's file, as OpenCV encodes it, with metadata; BMP holds none."""
    if suffix in TIFF_SUFFIXES:
        file = io.BytesIO(content)
        add_to_tiff(file, metadata)
        return file.getbuffer()
    exif, icc, xmp = metadata.exif, metadata.icc, metadata.xmp
    if not (exif or icc or xmp):
        return content
    if suffix in (".jpg", ".jpeg"):
        added = b"".join(_segments(exif, icc, xmp))
        return memoryview(b"".join((content[:2], added, content[2:])))
    if suffix == ".png":
        added = _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)) if icc else b""
        added += _chunk(b"eXIf", exif) if exif else b""
        added += _chunk(b"iTXt", PNG_XMP + bytes(4) + xmp) if xmp else b""
        return memoryview(b"".join((content[:33], added, content[33:])))  # behind the header
    if suffix == ".webp":
        (bits,) = struct.unpack_from("<I", content, 21)  # of the lossless picture: its size
        flags = 0x20 * bool(icc) | 0x08 * bool(exif) | 0x04 * bool(xmp)
        size = (bits & 0x3FFF).to_bytes(3, "little") + (bits >> 14 & 0x3FFF).to_bytes(3, "little")
        parts = [_part(b"VP8X", bytes((flags, 0, 0, 0)) + size), bytes(content[12:])]
        parts[1:1] = [_part(b"ICCP", icc)] if icc else []
        parts += [_part(b"EXIF", exif)] if exif else []
        parts += [_part(b"XMP ", xmp)] if xmp else []
        body = b"WEBP" + b"".join(parts)
        return memoryview(b"RIFF" + struct.pack("<I", len(body)) + body)
    return content


def add_to_tiff(file: BinaryIO, metadata: Metadata) -> None:
    """Add metadata to a TIFF file that has none; BigTIFF files stay as they are.

    The first directory is written anew at the end of the file; the pixels stay where they are.

    Args:
        file: Opened to read and write.
        metadata: The tags that the file has already stay as well.
    """
    tags, following = first_directory(file)
    end = file.seek(0, io.SEEK_END)
    added = len(metadata.exif) + len(metadata.icc) + len(metadata.xmp) + 2**16
    if tags.big or end + added > _CLASSIC:
        return
    entries: _Directory = {}
    for held in filter(None, (metadata.exif, metadata.georeference)):
        try:
            ours, _ = first_directory(io.BytesIO(held))
            entries |= _directory(ours, tags.order, _IN_EXIF | GEOREFERENCE)
        except ImageError:
            continue
    if metadata.icc:
        entries[_ICC] = (7, len(metadata.icc), metadata.icc)
    if metadata.xmp:
        entries[_XMP] = (1, len(metadata.xmp), metadata.xmp)
    entries |= tags.fields
    out = bytearray()
    place = _append(out, entries, tags.order, end, following)
    file.write(out)
    file.seek(4)
    file.write(struct.pack(f"{tags.order}I", place))


def _corrected(exif: bytes, height: int, width: int) -> bytes:
    """Return EXIF data of an upright picture of that size, without a thumbnail."""
    out = bytearray(exif)
    order = ">" if exif.startswith(b"MM") else "<"
    right = {274: 1, 40962: width, 40963: height}
    try:
        places = list(struct.unpack_from(f"{order}I", out, 4))
        for place in places:
            (count,) = struct.unpack_from(f"{order}H", out, place)
            for entry in range(place + 2, place + 2 + 12 * count, 12):
                tag, kind = struct.unpack_from(f"{order}HH", out, entry)
                if tag == _EXIF and len(places) == 1:
                    places += struct.unpack_from(f"{order}I", out, entry + 8)
                if tag in right and kind in (3, 4):
                    letter = "H" if kind == 3 else "I"
                    struct.pack_into(f"{order}{letter}", out, entry + 8, right[tag])
            if place == places[0] and place + 2 + 12 * count + 4 <= len(out):
                struct.pack_into(f"{order}I", out, place + 2 + 12 * count, 0)
    except struct.error:  # damaged
        return b""
    return bytes(out)


def _corrected_xmp(xmp: bytes, height: int, width: int) -> bytes:
    """Return an XMP packet of an upright picture of that size that is alone in its file.

    It is changed as text: programs of drones look for the names that stand there.
    """
    xmp = _PARTS.sub(b"", xmp)
    for name in _INNER_PARTS:
        before, found, rest = xmp.partition(b"<" + name)
        if found:
            _, ends, behind = rest.partition(b"</" + name + b">")
            xmp = before + behind if ends else b""
    right = [b"%d" % number for number in (1, height, width)]
    for name, at in _SIZES.items():
        pattern = b"(" + name + rb"""(?:\s*=\s*["']|>))\s*\d+"""
        xmp = re.sub(pattern, rb"\g<1>" + right[at], xmp)
    return xmp


def _directory(
    tags: Tags, order: str, wanted: Collection[int] | None = None, depth: int = 2
) -> _Directory:
    """Return the wanted entries of a directory and of those that it points to, in a byte order."""
    found: _Directory = {}
    for tag in tags.fields:
        if wanted is not None and tag not in wanted:
            continue
        if tag in (_EXIF, _PLACE, _MORE):
            if depth:
                inner = tags.sibling()
                inner.load(tags.number(tag))
                found[tag] = _directory(inner, order, None, depth - 1)
            continue
        kind, count, data = tags.value(tag)
        width = {2: 1, 5: 4, 7: 1, 10: 4}.get(kind, len(data) // max(count, 1))
        if order != tags.order and width > 1:
            data = np.frombuffer(data, f"<u{width}").byteswap().tobytes()
        found[tag] = (kind, count, data)
    return found


def _alone(entries: _Directory, order: str) -> bytes:
    """Return EXIF data of their own."""
    if not entries:
        return b""
    out = bytearray(b"II*\0" if order == "<" else b"MM\0*") + bytes(4)
    struct.pack_into(f"{order}I", out, 4, _append(out, entries, order))
    return bytes(out)


def _append(
    out: bytearray, entries: _Directory, order: str, start: int = 0, following: int = 0
) -> int:
    """Append a directory with its values, and those that it points to; return its place.

    `start` is the place of the first byte of `out` in the file, `following` that of the next one.
    """
    ready: dict[int, _Value] = {}
    for tag, value in entries.items():
        if isinstance(value, dict):
            inner = _append(out, value, order, start)
            value = (4, 1, struct.pack(f"{order}I", inner))
        ready[tag] = value
    out += bytes((start + len(out)) % 2)
    place, values = start + len(out), bytearray()
    behind = place + 2 + 12 * len(ready) + 4
    out += struct.pack(f"{order}H", len(ready))
    for tag, (kind, count, data) in sorted(ready.items()):
        field = data.ljust(4, b"\0")
        if len(data) > 4:
            field = struct.pack(f"{order}I", behind + len(values))
            values += data + bytes(len(data) % 2)
        out += struct.pack(f"{order}HHI4s", tag, kind, count, field)
    out += struct.pack(f"{order}I", following) + values
    return place


def _segments(exif: bytes, icc: bytes, xmp: bytes) -> list[bytes]:
    """Return the segments of a JPEG file; EXIF or XMP too long for one are left out."""
    texts = (EXIF + exif) * bool(exif), (XMP + xmp) * bool(xmp)
    contents = [(0xE1, text) for text in texts if 0 < len(text) <= _MOST_SEGMENT]
    most = _MOST_SEGMENT - len(_ICC_NAME) - 2
    pieces = [icc[place : place + most] for place in range(0, len(icc), most)]
    if len(pieces) < 256:
        for number, piece in enumerate(pieces, 1):
            contents.append((0xE2, _ICC_NAME + bytes((number, len(pieces))) + piece))
    return [struct.pack(">BBH", 0xFF, mark, len(data) + 2) + data for mark, data in contents]


def _chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _part(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a WebP file."""
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
