"""TIFF files read and written in windows: the pixels of the whole, and the georeference."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from starlette.testclient import TestClient

from piafusion import Fuser, pair_files
from piafusion.batch import FailedPair, PairJob, fuse_job
from piafusion.errors import ImageError, SizeMismatchError, UsageError
from piafusion.imaging.align import Alignment, Quality
from piafusion.imaging.headers import LIMIT_VARIABLE
from piafusion.imaging.io import read_image, read_metadata
from piafusion.imaging.metadata import NOTHING, Metadata, add_to_tiff
from piafusion.server.app import create_app
from piafusion.server.settings import ServerSettings
from tests.conftest import scene
from tests.imaging.tiff_files import chain, tiff

rasterio = pytest.importorskip("rasterio")

HERE = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_000_000)
FUSER = Fuser("piafusion-fast", tile=32)
SHIFT = Alignment.of(
    "similarity", np.eye(3), (70, 90), (70, 90), Quality(0.5, 0.3, 1.0, 0.8, pairs=1)
)


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


def test_coordinates_are_kept_by_the_server_and_without_rasterio(
    tmp_path: Path, pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    ir, vi = write(tmp_path / "ir.tif", pair[0]), write(tmp_path / "vi.tif", pair[1], nodata=255)
    monkeypatch.setattr(pair_files, "find_spec", lambda name: None)
    for keep in (True, False):
        fuser = Fuser("piafusion-fast", tone="clahe", keep_metadata=keep)
        fuser.fuse_files(ir, vi, tmp_path / f"{keep}.tif")
    settings = ServerSettings(model="piafusion-fast", workers=1)
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
        files = {"infrared": ir.read_bytes(), "visible": vi.read_bytes()}
        answer = client.post("/v1/fuse", files=files, data={"format": "tiff", "tone": "clahe"})
    (tmp_path / "server.tif").write_bytes(answer.content)
    for name in ("True", "False", "server"):
        with rasterio.open(tmp_path / f"{name}.tif") as file:
            assert (file.crs.to_epsg(), file.transform, file.nodata) == (32633, HERE, 255)
        np.testing.assert_array_equal(read(tmp_path / f"{name}.tif"), read(tmp_path / "True.tif"))
    FUSER.fuse_files(ir, vi, tmp_path / "out.webp")
    assert read_metadata(tmp_path / "out.webp") == NOTHING


def with_holes(image: np.ndarray, value: float) -> np.ndarray:
    """Return a picture with a small and a large part that has no value."""
    holed = image.copy()
    holed[30:33, 40:44] = value
    holed[:, :30] = value
    return holed


@pytest.mark.parametrize("alignment", [None, SHIFT])
@pytest.mark.parametrize("tone", ["span:-20,43.75", "percentile:0,100", "clahe"])
@pytest.mark.parametrize(
    ("dtype", "value"), [("float32", -10_000.0), ("float32", np.nan), ("uint16", 65_535)]
)
def test_pixels_without_data_have_no_value_on_any_path(
    dtype, value, tone, alignment, tmp_path: Path
) -> None:
    """Files as a whole, in windows and tiles, arrays and masked ones: all the same picture."""
    infrared, visible = scene(70, 90)
    if dtype == "uint16":
        if tone.startswith("span"):
            tone = "span:7000,7255"
        degrees = infrared.astype(np.uint16) + 7000
    else:
        degrees = infrared.astype(np.float32) / 4 - 20
    holed = with_holes(degrees, value)
    ir = write(tmp_path / "ir.tif", holed, nodata=value)
    vi = write(tmp_path / "vi.tif", visible)
    whole = Fuser("piafusion-fast", tone=tone, alignment=alignment)
    tiled = Fuser("piafusion-fast", tone=tone, alignment=alignment, tile=32)
    job = PairJob(ir, vi, tmp_path / "job.tif")
    assert not isinstance(fuse_job(tiled, job), FailedPair)
    if alignment is None and tone != "clahe":
        assert tiled.fuse_rasters(ir, vi, tmp_path / "windows.tif") == (70, 90)
    for fuser, name in ((whole, "whole"), (tiled, "tiled")):
        fuser.fuse_files(ir, vi, tmp_path / f"{name}.tif")
        fuser.fuse_files(ir, vi, tmp_path / f"{name}.png")
    hidden = np.isnan(holed) if value != value else holed == value
    results = [read_image(path) for path in tmp_path.glob("*.*") if path not in (ir, vi)]
    results.append(whole(np.ma.masked_array(holed, hidden), visible))
    results.append(whole(ir, vi))
    expected = results[-1].astype(int)
    for result in results:
        assert np.abs(result - expected).max() <= 1
    seen = whole(degrees, visible).astype(int)
    if tone.startswith("span"):  # beside and in the small hole the picture is that of the whole
        assert np.median(np.abs(expected[:, 50:] - seen[:, 50:])) == 0
        assert np.abs(expected[28:35, 38:46] - seen[28:35, 38:46]).mean() < 6
    assert np.abs(expected[:, :12] - visible[:, :12]).mean() < 5  # in the large one the visible's
    for name in ("job.tif", "whole.tif", "tiled.tif"):
        with rasterio.open(tmp_path / name) as file:
            assert (file.crs.to_epsg(), file.transform) == (32633, HERE)


@pytest.mark.parametrize("tone", ["full", "clahe"])
def test_no_data_of_the_visible_stays(tone: str, tmp_path: Path) -> None:
    infrared, visible = scene(70, 90)
    ir = write(tmp_path / "ir.tif", infrared)
    shown = with_holes(visible.astype(np.float32) / 255, -10_000)
    for image, value in ((with_holes(visible, 0), 0), (shown, -10_000)):
        vi = write(tmp_path / "vi.tif", image, nodata=value)
        hidden = (image == value).all(axis=2)
        for name in ("out.tif", "out.png")[: 2 if image.dtype == np.uint8 else 1]:
            job = PairJob(ir, vi, tmp_path / name)
            found = fuse_job(Fuser("piafusion-fast", tone=tone), job, overwrite=True)
            assert not isinstance(found, FailedPair), found.error
            fused = read_image(tmp_path / name)
            assert (fused[hidden] == value).all()
            assert ((fused[~hidden] >= 0) & (fused[~hidden] <= np.iinfo(np.uint8).max)).all()
        with rasterio.open(tmp_path / "out.tif") as file:
            assert (file.nodata, file.crs.to_epsg()) == (value, 32633)
        masked = Fuser("piafusion-fast", tone=tone)(ir, vi)
        np.testing.assert_array_equal(np.ma.getmaskarray(masked)[..., 0], hidden)


def test_masks_and_alpha_of_the_infrared_are_heard(tmp_path: Path, pair) -> None:
    infrared, visible = pair
    vi = write(tmp_path / "vi.tif", visible)
    valid = np.full(infrared.shape, 255, np.uint8)
    valid[:, :40] = 0
    expected = FUSER(np.ma.masked_array(infrared, valid == 0), visible).astype(int)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        inside = write(tmp_path / "mask.tif", infrared)
        with rasterio.open(inside, "r+") as file:
            file.write_mask(valid)
    alpha = write(tmp_path / "alpha.tif", np.dstack([infrared, valid]), ALPHA="YES")
    FUSER.fuse_files(inside, vi, tmp_path / "whole.png")
    assert np.abs(read_image(tmp_path / "whole.png") - expected).max() <= 1
    for ir in (inside, alpha):
        FUSER.fuse_rasters(ir, vi, tmp_path / f"out_{ir.name}")
        assert np.abs(read(tmp_path / f"out_{ir.name}") - expected).max() <= 1


@pytest.mark.parametrize(("tone", "nodata"), [("full", None), ("percentile", None), ("full", 7)])
def test_damage_is_told_once(tone: str, nodata: int | None, tmp_path: Path, pair) -> None:
    ir = write(tmp_path / "ir.tif", pair[0], nodata=nodata, compress="deflate")
    vi = write(tmp_path / "vi.tif", pair[1])
    data = bytearray(ir.read_bytes())
    data[390:1390] = b"\xff" * 1000
    ir.write_bytes(data)
    with pytest.raises(ImageError, match=rf"^{ir}: expected a whole file, found: ((?!ir\.tif).)*$"):
        Fuser("piafusion-fast", tone=tone).fuse_rasters(ir, vi, tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


def test_windows_are_refused_for_what_needs_the_whole(tmp_path: Path, pair) -> None:
    ir, vi = write(tmp_path / "ir.tif", pair[0]), write(tmp_path / "vi.tif", pair[1])
    for fuser in (
        Fuser("piafusion-fast", tone="clahe"),
        Fuser("piafusion-fast", tone="clahe", polarity="black-hot"),
        Fuser("piafusion-fast", palette="ironbow"),
        FUSER.adjusted(alignment=SHIFT),
    ):
        with pytest.raises(UsageError, match="use fuse_files"):
            fuser.fuse_rasters(ir, vi, tmp_path / "out.tif")


def test_visible_pictures_of_few_bits_are_shown_in_windows(tmp_path: Path, pair) -> None:
    infrared, visible = pair
    ir = write(tmp_path / "ir.tif", infrared)
    vi = write(tmp_path / "vi.tif", visible.astype(np.uint16) * 16)
    for tone in ("span:0,4080", "percentile:0,100"):
        fuser = Fuser("piafusion-fast", visible_tone=tone, tile=32)
        fuser.fuse_rasters(ir, vi, tmp_path / "windows.tif", overwrite=True)
        fuser.fuse_files(ir, vi, tmp_path / "whole.png", overwrite=True)
        spread = read(tmp_path / "windows.tif").astype(int)
        assert np.abs(spread - read_image(tmp_path / "whole.png")).max() <= 2
        if tone.startswith("span"):
            assert np.abs(spread / 257 - FUSER(infrared, visible)).max() < 1.5
