"""Photos that hold both pictures: placed, fused, and their temperatures kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import piafusion as pf
from piafusion.errors import AlignmentError
from piafusion.imaging import photos
from piafusion.imaging.io import decode_photo, read_image, read_infrared
from piafusion.imaging.photos import place
from piafusion.imaging.tone import Plateau
from tests.imaging.flir_files import SHIFT, both


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
