"""TIFF files read and written in windows: the pixels of the whole, and the georeference."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from piafusion import Fuser
from piafusion.errors import ImageError, SizeMismatchError, UsageError
from piafusion.imaging.headers import LIMIT_VARIABLE
from piafusion.imaging.metadata import Metadata, add_to_tiff
from tests.conftest import scene
from tests.imaging.tiff_files import chain, tiff

rasterio = pytest.importorskip("rasterio")

HERE = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_000_000)
FUSER = Fuser("piafusion-fast", tile=32)


def write(path: Path, image: np.ndarray, transform=HERE, crs: str = "EPSG:32633", **more) -> Path:
    """Write H x W or H x W x C pixels as a GeoTIFF."""
    planes = image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)
    count, height, width = planes.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=count,
        dtype=image.dtype,
        crs=crs,
        transform=transform,
        photometric="rgb" if count > 2 else "minisblack",
        **more,
    ) as file:
        file.write(planes)
        file.update_tags(SENSOR="nadir")
    return path


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        planes = file.read()
    return planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, 2)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    return scene(70, 90)


def test_pixels_of_the_whole_and_georeference_of_the_visible(tmp_path: Path, pair) -> None:
    ir, vi = write(tmp_path / "ir.tif", pair[0]), write(tmp_path / "vi.tif", pair[1])
    assert FUSER.fuse_rasters(ir, vi, tmp_path / "out.tif") == (70, 90)
    expected = Fuser("piafusion-fast")(*pair)
    assert np.abs(read(tmp_path / "out.tif").astype(int) - expected).max() <= 1
    with rasterio.open(tmp_path / "out.tif") as file:
        assert (file.crs.to_epsg(), file.transform) == (32633, HERE)
        assert file.tags()["SENSOR"] == "nadir"
    with pytest.raises(UsageError, match="exists already"):
        FUSER.fuse_rasters(ir, vi, tmp_path / "out.tif")


def test_the_command_takes_windows_for_what_has_a_georeference(
    piafusion, tmp_path: Path, pair
) -> None:
    ir, vi = write(tmp_path / "ir.tif", pair[0]), write(tmp_path / "vi.tif", pair[1])
    done = piafusion("fuse", ir, vi, "-o", tmp_path / "out.tif", "--tile", 32)
    assert done.code == 0, done.err
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.transform == HERE


def test_an_alpha_band_and_pixels_without_data_are_passed_on(tmp_path: Path, pair) -> None:
    infrared, visible = pair
    alpha = np.full((70, 90), 255, np.uint8)
    alpha[:, 60:] = 0
    ir = write(tmp_path / "ir.tif", infrared)
    vi = write(tmp_path / "vi.tif", np.dstack([visible, alpha]), ALPHA="YES")
    FUSER.fuse_rasters(ir, vi, tmp_path / "out.tif")
    out = read(tmp_path / "out.tif")
    np.testing.assert_array_equal(out[..., 3], alpha)
    np.testing.assert_array_equal(out[:, 60:, :3], visible[:, 60:])
    assert (out[:, :60, :3] != visible[:, :60]).any()
    grey = visible[..., 0].copy()
    grey[:20] = 7
    FUSER.fuse_rasters(ir, write(tmp_path / "grey.tif", grey, nodata=7), tmp_path / "grey_out.tif")
    np.testing.assert_array_equal(read(tmp_path / "grey_out.tif")[:20], grey[:20])


def test_an_alpha_band_beside_a_no_data_value_is_no_warning(tmp_path: Path, pair) -> None:
    infrared, visible = pair
    ir = write(tmp_path / "ir.tif", infrared)
    alpha = np.full((70, 90), 255, np.uint8)
    vi = write(tmp_path / "vi.tif", np.dstack([visible, alpha]), ALPHA="YES", nodata=0)
    FUSER.fuse_rasters(ir, vi, tmp_path / "out.tif")
    np.testing.assert_array_equal(read(tmp_path / "out.tif")[..., 3], alpha)


@pytest.mark.parametrize("system", ["EPSG:4326", None])
def test_ground_control_points_are_passed_on(system: str | None, tmp_path: Path, pair) -> None:
    corners = ((0, 0, 10, 50), (0, 90, 11, 50), (70, 0, 10, 49))
    points = [rasterio.control.GroundControlPoint(*each) for each in corners]
    ir = write(tmp_path / "ir.tif", pair[0])
    crs = system or rasterio.crs.CRS()
    vi = write(tmp_path / "vi.tif", pair[1], transform=None, crs=crs, gcps=points)
    FUSER.fuse_rasters(ir, vi, tmp_path / "out.tif")
    with rasterio.open(tmp_path / "out.tif") as file:
        kept, crs = file.gcps
    assert [(p.row, p.col, p.x, p.y) for p in kept] == list(corners)
    assert (crs and crs.to_string()) == system


def test_a_file_of_thousands_of_bands_is_refused_at_once(tmp_path: Path, pair) -> None:
    ir, vi = write(tmp_path / "ir.tif", pair[0]), tmp_path / "vi.tif"
    vi.write_bytes(tiff(pair[1][..., 0], [(277, "H", (65_535,))]))
    with pytest.raises(ImageError, match="found 65535 bands"):
        FUSER.fuse_rasters(ir, vi, tmp_path / "out.tif")


def test_big_tiff_of_sixteen_bits(tmp_path: Path, pair) -> None:
    infrared, visible = (image.astype(np.uint16) * 257 for image in pair)
    ir = write(tmp_path / "ir.tif", infrared, BIGTIFF="YES")
    vi = write(
        tmp_path / "vi.tif", visible, BIGTIFF="YES", tiled=True, blockxsize=16, blockysize=16
    )
    FUSER.fuse_rasters(ir, vi, tmp_path / "out.tif")
    out = read(tmp_path / "out.tif")
    expected = Fuser("piafusion-fast")(infrared, visible)
    assert out.dtype == np.uint16
    assert np.abs(out.astype(int) - expected).max() <= 7  # 1e-4 of the range


def test_what_cannot_be_a_pair_is_refused_and_leaves_nothing(tmp_path: Path, pair) -> None:
    infrared, visible = pair
    ir, vi = write(tmp_path / "ir.tif", infrared), write(tmp_path / "vi.tif", visible)
    elsewhere = rasterio.Affine(0.5, 0, 500_100, 0, -0.5, 4_000_000)
    moved = write(tmp_path / "moved.tif", infrared, elsewhere)
    other = write(tmp_path / "other.tif", infrared, crs="EPSG:32634")
    small = write(tmp_path / "small.tif", infrared[:50])
    bands = write(tmp_path / "bands.tif", np.dstack([visible, visible]))
    out = tmp_path / "out.tif"
    for one, two, error, message in (
        (moved, vi, ImageError, "corners up to 200 pixels apart"),
        (other, vi, ImageError, "two coordinate systems"),
        (small, vi, SizeMismatchError, "small.tif with 90x50"),
        (ir, bands, ImageError, "found the bands"),
        (vi, vi, ImageError, "vi.tif: expected a grey infrared image"),
    ):
        with pytest.raises(error, match=message):
            FUSER.fuse_rasters(one, two, out)
        assert not out.exists()
        assert not list(tmp_path.glob(".*"))


def test_pages_and_strips_are_counted_before_gdal_follows_them(
    tmp_path: Path, pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    infrared, visible = pair
    ir, vi = write(tmp_path / "ir.tif", infrared), write(tmp_path / "vi.tif", visible)
    pages = tmp_path / "pages.tif"
    pages.write_bytes(chain(1000))
    with pytest.raises(ImageError, match=r"pages\.tif: .* two pages or more"):
        FUSER.fuse_rasters(ir, pages, tmp_path / "out.tif")
    monkeypatch.setenv(LIMIT_VARIABLE, "0.0001")
    with pytest.raises(ImageError, match=r"ir\.tif: in one strip or tile expected at most 0\.0001"):
        FUSER.fuse_rasters(ir, vi, tmp_path / "out.tif")


def test_place_and_time_of_the_visible_are_kept_beside_the_georeference(
    tmp_path: Path, pair
) -> None:
    exif = Image.Exif()
    exif[271] = "Maker"
    exif.get_ifd(0x8769)[36867] = "2024:05:06 07:08:09"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ir, vi = write(tmp_path / "ir.tif", pair[0]), write(tmp_path / "vi.tif", pair[1])
    with vi.open("r+b") as file:
        add_to_tiff(file, Metadata(exif.tobytes().removeprefix(b"Exif\0\0"), profile))
    FUSER.fuse_rasters(ir, vi, tmp_path / "out.tif")
    with Image.open(tmp_path / "out.tif") as out:
        assert out.info["icc_profile"] == profile
        assert out.getexif()[271] == "Maker"
        assert out.getexif().get_ifd(0x8769)[36867] == "2024:05:06 07:08:09"
    expected = read(tmp_path / "out.tif")
    Fuser("piafusion-fast", tile=32, keep_metadata=False).fuse_rasters(ir, vi, tmp_path / "no.tif")
    np.testing.assert_array_equal(read(tmp_path / "no.tif"), expected)
    with rasterio.open(tmp_path / "out.tif") as file:
        assert (file.crs.to_epsg(), file.transform) == (32633, HERE)
