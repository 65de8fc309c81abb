"""What a visible file says beside its pixels is in the fused file, and true there."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin
from starlette.testclient import TestClient

from piafusion import Fuser
from piafusion.imaging.io import (
    decode_image,
    encode_image,
    read_image,
    read_metadata,
)
from piafusion.imaging.metadata import NOTHING, Metadata, decode_metadata, facts
from piafusion.server.app import create_app
from piafusion.server.settings import ServerSettings
from tests.conftest import scene

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
TAKEN, PLACE = "2024:05:06 07:08:09", (48.0, 8.0, 30.5)
FORMATS = ("jpg", "png", "tif", "webp")
XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description drone-dji:GimbalPitchDegree="-45.3" tiff:Orientation="6"%s
 exif:PixelXDimension="96"><exif:PixelYDimension>64</exif:PixelYDimension>%s
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
PARTS = (b" GCamera:MotionPhoto='1'", b"<Container:Directory><i/></Container:Directory>")
UPRIGHT = (XMP % (b"", b"")).replace(b'n="6"', b'n="1"')
UPRIGHT = UPRIGHT.replace(b"96", b"00").replace(b"64", b"96").replace(b"00", b"64")


def exif_of(order: str = "<") -> bytes:
    """Return EXIF data of a camera on its side, with a thumbnail and a second directory."""
    exif = Image.Exif()
    exif.endian = order
    exif[271], exif[274], exif[306] = "Maker", 6, TAKEN
    detail, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    detail[36867], detail[40962], detail[40963], detail[37500] = TAKEN, 96, 64, b"note" * 9
    place[1], place[2] = "N", PLACE
    return exif.tobytes()


def visible_file(suffix: str, order: str = "<") -> bytes:
    xmp = XMP % PARTS
    said = Metadata(exif_of(order).removeprefix(b"Exif\0\0"), PROFILE, xmp)
    if suffix == "tif":  # Pillow writes no directory of EXIF data into it
        return bytes(encode_image(scene(96, 64)[1], ".tif", metadata=said))
    file = io.BytesIO()
    options: dict[str, object] = {"lossless": True} if suffix == "webp" else {}
    if suffix == "png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=order == "<")
    else:
        options["xmp"] = xmp
    Image.fromarray(scene(64, 96)[1]).save(
        file,
        {"jpg": "jpeg"}.get(suffix, suffix),
        exif=exif_of(order),
        icc_profile=PROFILE,
        **options,
    )
    return file.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("source", FORMATS)
def test_it_goes_from_every_format_to_every_format(source, order, tmp_path: Path) -> None:
    infrared, visible = tmp_path / "ir.png", tmp_path / f"vi.{source}"
    infrared.write_bytes(encode_image(scene(96, 64)[0], ".png"))
    visible.write_bytes(visible_file(source, order))
    fuser, stripping = (Fuser("piafusion-fast", keep_metadata=keep) for keep in (True, False))
    for suffix in (*FORMATS, "bmp"):
        out, bare = tmp_path / f"out.{suffix}", tmp_path / f"bare.{suffix}"
        fuser.fuse_files(infrared, visible, out)
        stripping.fuse_files(infrared, visible, bare)
        assert read_metadata(bare) == NOTHING
        np.testing.assert_array_equal(read_image(out), read_image(bare))
        with Image.open(out) as shown, Image.open(bare) as plain:
            np.testing.assert_array_equal(np.asarray(shown), np.asarray(plain))
            found = shown.getexif()
            if suffix == "bmp":
                continue
            assert shown.info["icc_profile"] == PROFILE
            assert shown.info["xmp"] == UPRIGHT
            assert (found[271], found[306], found.get(274, 1)) == ("Maker", TAKEN, 1)
            detail = found.get_ifd(0x8769)
            assert (detail[36867], detail[37500]) == (TAKEN, b"note" * 9)
            assert (detail[40962], detail[40963]) == (64, 96)
            assert found.get_ifd(0x8825) == {1: "N", 2: PLACE}


def test_the_command_and_the_server_keep_or_strip_it(piafusion, tmp_path: Path) -> None:
    infrared, visible = tmp_path / "ir.png", tmp_path / "vi.jpg"
    infrared.write_bytes(encode_image(scene(96, 64)[0], ".png"))
    visible.write_bytes(visible_file("jpg"))
    for option, kept in (((), True), (("--strip-metadata",), False)):
        out = tmp_path / f"{kept}.png"
        assert piafusion("fuse", infrared, visible, "-o", out, *option).code == 0
        assert (read_metadata(out) != NOTHING) is kept
    files = {"infrared": infrared.read_bytes(), "visible": visible.read_bytes()}
    settings = ServerSettings(model="piafusion-fast", workers=1)
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
        for data, kept in (({}, True), ({"metadata": "strip"}, False)):
            answer = client.post("/v1/fuse", files=files, data={"format": "webp", **data})
            assert answer.status_code == 200
            assert (decode_metadata(answer.content) != NOTHING) is kept


def test_a_thumbnail_and_a_profile_of_other_channels_are_left_out() -> None:
    exif = bytearray(exif_of().removeprefix(b"Exif\0\0"))
    count = int.from_bytes(exif[8:10], "little")
    link = 10 + 12 * count
    exif[link : link + 4] = len(exif).to_bytes(4, "little")  # one more directory, of a thumbnail
    said = Metadata(bytes(exif) + bytes(6), PROFILE)
    found = decode_metadata(bytes(encode_image(scene()[0], ".png", metadata=said)))
    assert found.icc == b""
    assert found.exif[link : link + 4] == bytes(4)
    long = Metadata(said.exif, PROFILE + bytes(200_000))
    assert decode_metadata(bytes(encode_image(scene()[1], ".jpg", metadata=long))).icc == long.icc


def test_damaged_metadata_cost_nothing_but_themselves() -> None:
    pixels = scene(64, 96)[1]
    plain = {suffix: bytes(encode_image(pixels, f".{suffix}")) for suffix in FORMATS}
    chance = random.Random(0)  # noqa: S311
    for source in 8 * FORMATS:
        data = bytearray(visible_file(source))
        most = len(data) if source == "tif" else 400
        for _ in range(3):
            data[chance.randrange(most)] ^= 1 << chance.randrange(8)
        found = decode_metadata(bytes(data))
        for suffix in FORMATS:
            written = bytes(encode_image(pixels, f".{suffix}", metadata=found))
            shown, expected = (decode_image(each, suffix) for each in (written, plain[suffix]))
            np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize("order", ["<", ">"])
def test_camera_time_and_place_in_words(order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[271], exif[272], exif[306] = "Maker Inc.", "Maker 7", "2020:01:01 00:00:00"
    exif.get_ifd(0x8769)[36867] = TAKEN
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", PLACE, "W", (0.0, 30.0, 0.0)
    said = exif.tobytes().removeprefix(b"Exif\0\0")
    angles = "48.141806° N, 0.500000° W"
    assert facts(Metadata(said)) == {"camera": "Maker 7", "time": TAKEN, "place": angles}
    assert facts(Metadata(exif_of(order).removeprefix(b"Exif\0\0"))) == {
        "camera": "Maker",
        "time": TAKEN,
    }
    for length in range(len(said)):
        facts(Metadata(said[:length]))
