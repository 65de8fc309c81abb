"""Photos that hold both pictures: placed, fused, and their temperatures kept."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

import piafusion as pf
from piafusion.errors import AlignmentError
from piafusion.imaging import photos
from piafusion.imaging.io import decode_photo, read_image, read_infrared
from piafusion.imaging.photos import estimate_told, place, told_view
from piafusion.imaging.tone import Plateau
from tests.imaging.flir_files import SHIFT, both, container, flir


def centre_of(alignment: pf.Alignment) -> np.ndarray:
    return (np.linalg.inv(alignment.matrix) @ [47.5, 35.5, 1])[:2]


@pytest.mark.parametrize("off", [0, 3, 8], ids=str)
def test_the_files_mapping_places_the_infrared_and_parallax_is_corrected(off: int) -> None:
    found = decode_photo(both((SHIFT[0] + off, SHIFT[1])), "photo")
    alignment, note = place(found, Plateau()(found.infrared)[0])
    np.testing.assert_allclose(centre_of(alignment), [159.5 + 6, 119.5 - 4], atol=1)
    assert ("pixels off" in note) is (off > 5)


def test_without_a_mapping_the_pictures_tell_or_it_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = replace(decode_photo(both(), "photo"), mapping=None)
    shown = Plateau()(found.infrared)[0]
    alignment, note = place(found, shown)
    np.testing.assert_allclose(centre_of(alignment), [159.5 + 6, 119.5 - 4], atol=2)
    assert "no mapping; the alignment was estimated" in note

    def refuse(*args: object, **options: object) -> None:
        raise AlignmentError("nothing in common was found")

    monkeypatch.setattr(photos, "estimate_alignment", refuse)
    with pytest.raises(AlignmentError):
        place(found, np.zeros_like(shown))
    given = decode_photo(both(), "photo")
    alignment, note = place(given, np.zeros_like(shown))
    np.testing.assert_allclose(alignment.matrix, given.mapping, atol=1e-9)
    assert "could not be checked" in note


def test_temperatures_survive_within_a_tenth_of_a_kelvin(tmp_path: Path) -> None:
    path, kelvin = tmp_path / "a.jpg", tmp_path / "a.tif"
    path.write_bytes(both())
    fuser = pf.Fuser(method="average")
    fused = fuser.fuse_files(path, None, tmp_path / "fused.png", temperature=kelvin)
    celsius, written = read_infrared(path, lambda image: image), read_image(kelvin)
    assert written.dtype == np.float32
    assert written.shape == fused.image.shape[:2] == (240, 320)
    rows, columns = np.mgrid[:240, :320]
    x, y, _ = np.einsum("ij,jyx->iyx", fused.alignment.matrix, [columns, rows, np.ones_like(rows)])
    inside = (x >= 0) & (x <= 95) & (y >= 0) & (y <= 71)
    left, top = np.clip(x.astype(int), 0, 94), np.clip(y.astype(int), 0, 70)
    right, down = x - left, y - top
    wanted = (1 - down) * (
        (1 - right) * celsius[top, left] + right * celsius[top, left + 1]
    ) + down * ((1 - right) * celsius[top + 1, left] + right * celsius[top + 1, left + 1])
    assert np.ptp(celsius) > 5
    steep = np.abs(np.diff(celsius, axis=1)).max()
    assert np.abs(written - wanted)[inside].max() < 0.1 + steep / 64  # OpenCV's steps are 1/32
    outside = (x < -0.51) | (x > 95.51) | (y < -0.51) | (y > 71.51)
    assert np.isnan(written[outside]).all()
    assert not np.isnan(written[inside]).any()


LANDSCAPE, UPRIGHT = (480, 640), (640, 480)


def told(size: tuple[int, int] = LANDSCAPE, **tags: float) -> bytes:
    """Return a JPEG of that size with such EXIF data."""
    exif = Image.Exif()
    detail = exif.get_ifd(0x8769)
    numbers = {"film": 41989, "focal": 37386, "across": 41486, "unit": 41488, "wide": 40962,
               "high": 40963}  # fmt: skip
    for name, value in tags.items():
        detail[numbers[name]] = value if isinstance(value, int) else IFDRational(value)
    file = io.BytesIO()
    Image.new("RGB", size[::-1]).save(file, "jpeg", exif=exif.tobytes())
    return file.getvalue()


SENSOR = {"focal": 9.1, "across": 100.0, "unit": 4, "wide": 1280, "high": 960}  # 12.8 mm wide


@pytest.mark.parametrize(
    ("file", "size", "degrees"),
    [
        (told(film=24), LANDSCAPE, 71.6),  # a diagonal of 84.1 degrees
        (told(film=24), UPRIGHT, 56.8),
        (told(**SENSOR), LANDSCAPE, 70.2),
        (told(**SENSOR), UPRIGHT, 55.6),
        (told(**{**SENSOR, "across": 2540.0, "unit": 2}), LANDSCAPE, 70.2),
        (told(**{**SENSOR, "unit": 9}), LANDSCAPE, None),
        (told(focal=9.1), LANDSCAPE, None),
        (told(film=0), LANDSCAPE, None),
        (told(), LANDSCAPE, None),
        (flir(container(view=25.5)), LANDSCAPE, 25.5),
        (flir(container()), LANDSCAPE, None),
        (flir(container()[:40]), LANDSCAPE, None),
        (b"none", LANDSCAPE, None),
    ],
)
def test_a_file_tells_its_field_of_view(
    file: bytes, size: tuple[int, int], degrees: float | None
) -> None:
    assert told_view(file, size) == (degrees and pytest.approx(degrees, abs=0.1))


@pytest.mark.parametrize("fits", [True, False])
def test_what_files_tell_is_tried_first(fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(np.zeros(LANDSCAPE, np.uint8), np.zeros((*LANDSCAPE, 3), np.uint8))]
    asked = []

    def estimate(pairs: object, kind: str, fov: object = None, **given: object) -> str:
        asked.append(fov and tuple(np.round(fov)))
        if fov and not fits:
            raise AlignmentError("nothing in common was found")
        return kind

    monkeypatch.setattr(photos, "estimate_alignment", estimate)
    assert estimate_told(pairs, (told(film=40), told(film=24)), "affine") == "affine"
    assert asked == ([(47, 72)] if fits else [(47, 72), None])
    estimate_told(pairs, (told(film=40), told()))
    assert asked[-1] is None


def test_files_that_tell_impossible_views_are_not_believed() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    files = flir(container(view=1e-6)), told(film=24)
    assert None not in [told_view(file, noise.shape) for file in files]
    with pytest.raises(AlignmentError):  # of noise: it was looked for without them
        estimate_told([(noise, np.stack([noise.T] * 3, axis=-1))], files)
