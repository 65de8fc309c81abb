import sys

import cv2
import numpy as np
import pytest

from piafusion.errors import ImageError, MissingExtraError, UsageError
from piafusion.imaging.conditions import VARIABLE
from piafusion.imaging.formats import find_photo_reader
from piafusion.imaging.io import decode_infrared, decode_photo, read_image, read_infrared
from tests.imaging.flir_files import app1, container, flir, jpeg
from tests.imaging.picture_files import encoded

COUNTS = np.arange(15_000, 15_012, dtype="<u2").reshape(3, 4)


def test_a_radiometric_jpeg_is_told_by_its_segment() -> None:
    assert find_photo_reader(jpeg(app1(b"FLIR\x00\x01\x00\x00FFF")))
    assert find_photo_reader(jpeg(app1(b"Exif\x00\x00rest") + app1(b"FLIR\x00\x01\x00\x00FFF")))
    for other in (
        jpeg(),
        jpeg(app1(b"Exif\x00\x00FLIR\x00")),
        b"\x89PNG",
        b"",
        b"\xff\xd8\xff\xe1",
    ):
        assert find_photo_reader(other) is None


def test_thermal_data_that_are_broken_say_how_to_export(tmp_path) -> None:
    path = tmp_path / "flir.jpg"
    path.write_bytes(jpeg(app1(b"FLIR\x00\x01\x00\x00FFF" + bytes(40))))
    with pytest.raises(ImageError, match=r"flir\.jpg: .*16-bit TIFF"):
        read_infrared(path)
    assert read_image(path).shape == (16, 16)  # as a visible picture it is what one sees


@pytest.mark.parametrize("order", [">", "<"], ids=["cameras", "drones"])
@pytest.mark.parametrize("packed", [False, True], ids=["raw", "png"])
def test_counts_become_degrees(tmp_path, order: str, packed: bool) -> None:
    path = tmp_path / "flir.jpg"
    counts = encoded(".png", COUNTS.byteswap()) if packed else COUNTS.tobytes()
    path.write_bytes(flir(container(counts=counts, order=order)))
    celsius = read_infrared(path, check=lambda image: image)
    assert celsius.shape == (3, 4)
    assert celsius.dtype == np.float32
    # Planck's curve with the constants of the file, by hand: R1 / (R2 (counts + O)) = e^(B/T) - 1,
    # after the counts of the air and of what the surface reflects were taken away.
    water = 0.5 * np.exp(1.5587 + 0.06939 * 19.85 - 0.00027816 * 19.83**2 + 6.8455e-7 * 19.85**3)
    roots = [
        np.exp(-np.sqrt(0.5) * (alpha + beta * np.sqrt(water)))
        for alpha, beta in ((0.0066, -0.0023), (0.0126, -0.0067))
    ]
    air = 1.9 * roots[0] - 0.9 * roots[1]
    around = 17000 / (0.012 * (np.exp(1430 / 293) - 1)) + 400
    seen = COUNTS / 0.95 / air**2 - around * (
        (1 - air) / 0.95 / air + (1 - air) / 0.95 / air**2 + 0.05 / 0.95
    )
    wanted = 1430 / np.log(17000 / (0.012 * (seen - 400)) + 1) - 273.15
    np.testing.assert_allclose(celsius, wanted, atol=0.05)


def test_emissivity_and_the_rest_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    visible = encoded(".png", np.zeros((60, 80, 3), np.uint8))
    data = flir(container(counts=COUNTS.tobytes(), visible=visible, place=(1.6, 0, 0)))
    own = decode_photo(data, "photo").conditions
    wanted = {"emissivity": 0.95, "distance": 1, "reflected": 20, "air": 20, "humidity": 0.5}
    assert own == pytest.approx(wanted, abs=0.2)
    monkeypatch.setenv(VARIABLE, "emissivity=1,distance=0")
    found = decode_photo(data, "photo")
    assert found.conditions == pytest.approx({**own, "emissivity": 1, "distance": 0})
    # A black body without air in between: Planck's curve alone.
    celsius = 1430 / np.log(17000 / (0.012 * (COUNTS - 400.0)) + 1) - 273.15
    np.testing.assert_allclose(found.infrared, celsius, atol=0.01)
    with pytest.raises(ImageError, match=r"grey: .* counts of a thermal camera for --radiometry"):
        decode_infrared(encoded(".png", np.zeros((8, 8), np.uint8)), "grey")
    for wrong in ("emissivity=0", "emissivity", "air=warm", "window=1", "humidity=50"):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(UsageError, match="expected"):
            decode_photo(data, "photo")


def test_the_visible_picture_and_its_place_are_read() -> None:
    visible = np.full((60, 80, 3), (40, 90, 200), np.uint8)
    ycbcr = cv2.cvtColor(visible, cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    inside = (encoded(".jpg", visible[..., ::-1]), encoded(".png", ycbcr[..., ::-1]))
    for picture in inside:
        data = flir(container(counts=COUNTS.tobytes(), visible=picture, place=(1.6, 6, -3)))
        found = decode_photo(data, "photo")
        np.testing.assert_allclose(np.asarray(found.visible, float), visible, atol=4)
        # 80 visible pixels / 4 infrared / 1.6: 12.5 visible pixels for each; the middles, (39.5,
        # 29.5) and (1.5, 1), are 6 to the right and 3 up from each other.
        np.testing.assert_allclose(found.mapping @ [45.5, 26.5, 1], [1.5, 1, 1], atol=1e-9)
        np.testing.assert_allclose(found.mapping @ [58, 26.5, 1], [2.5, 1, 1], atol=1e-9)
    with pytest.raises(ImageError, match=r"photo: .* found the infrared one alone; give the vis"):
        decode_photo(flir(container(counts=COUNTS.tobytes())), "photo")
    with pytest.raises(ImageError, match=r"photo: .* found a file without thermal data; give"):
        decode_photo(jpeg(), "photo")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (container(counts=bytes(24), records=2**32 - 1), "4294967295 records"),
        (container(counts=bytes(24), records=257), "257 records"),
        (container(60_000, 60_000, bytes(24)), "60000x60000 pixels"),
        (container(counts=encoded(".png", np.zeros((900, 800), np.uint16))), "another size"),
        (container(counts=b"\x89PNG\r\n" + bytes(18)), "the picture inside"),
        (container()[:40], "cannot be read"),
    ],
)
def test_claims_are_checked_before_they_are_believed(tmp_path, content: bytes, found: str) -> None:
    path = tmp_path / "flir.jpg"
    path.write_bytes(flir(content))
    with pytest.raises(ImageError, match=rf"flir\.jpg: .*{found}.*16-bit TIFF") as error:
        read_infrared(path)
    assert " at 0x" not in str(error.value)  # no places in memory


def test_without_flyr_the_extra_is_named(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flyr", None)
    path = tmp_path / "flir.jpg"
    path.write_bytes(jpeg(app1(b"FLIR\x00\x01\x00\x00FFF")))
    with pytest.raises(MissingExtraError, match=r"pip install 'piafusion\[thermal\]'"):
        read_infrared(path)
