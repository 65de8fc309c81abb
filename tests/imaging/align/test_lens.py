from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion.errors import AlignmentError, SizeMismatchError
from piafusion.imaging.align import Alignment, Quality, estimate_alignment, read_alignment
from piafusion.imaging.align.distortion import Blocks
from piafusion.imaging.align.files import read_calibrations
from piafusion.imaging.align.geometry import distances
from piafusion.imaging.align.lens import Lens, over_grid

QUALITY = Quality(score=0.5, likeness=0.3, disagreement=1.0, residual=0.8, pairs=12)
SIZE = (96, 128)
GRID = np.stack(np.meshgrid(np.arange(0, 128, 8.0), np.arange(0, 96, 8.0)), -1).reshape(-1, 2)
BARREL = Lens((110.0, 112.0), (62.0, 49.0), (-0.2, 0.05, 0.01, -0.02))
TURN = np.array([[0.98, 0.03, 4.0], [-0.03, 0.98, 2.0], [0, 0, 1]])


@pytest.mark.parametrize(
    "distortion",
    [BARREL.distortion, (*BARREL.distortion, 0.01), (*BARREL.distortion, 0.01, 0.1, 0.02, 0.01)],
)
def test_lenses_bend_as_opencv_does_and_back(distortion: tuple[float, ...]) -> None:
    lens = Lens(BARREL.focal, BARREL.centre, distortion)
    bent = lens.bend(GRID)
    ahead = np.column_stack([(GRID - lens.centre) / lens.focal, np.ones(len(GRID))])
    camera = np.array([[110.0, 0, 62], [0, 112, 49], [0, 0, 1]])
    expected, _ = cv2.projectPoints(ahead, np.zeros(3), np.zeros(3), camera, np.array(distortion))
    np.testing.assert_allclose(bent, expected[:, 0])
    np.testing.assert_allclose(lens.straighten(bent), GRID, atol=1e-3)


def test_fisheye_lenses_bend_as_opencv_does_and_back() -> None:
    lens = Lens((110.0, 112.0), (62.0, 49.0), (-0.05, 0.01, 0.002, -0.001), fisheye=True)
    camera = np.array([[110.0, 0, 62], [0, 112, 49], [0, 0, 1]])
    slopes = ((GRID - lens.centre) / lens.focal)[:, None]
    expected = cv2.fisheye.distortPoints(slopes, camera, np.array(lens.distortion))
    np.testing.assert_allclose(lens.bend(GRID), expected[:, 0])
    np.testing.assert_allclose(lens.straighten(lens.bend(GRID)), GRID, atol=1e-3)


def test_places_that_a_lens_shows_nowhere_are_not_numbers() -> None:
    fold = Lens((110.0, 110.0), (62.0, 49.0), (-1.0, 0.0, 0.0, 0.0))
    assert np.isnan(fold.straighten(np.array([[127.0, 95]]))).all()
    np.testing.assert_allclose(over_grid(lambda p: p * 2, SIZE)[90, 120], [240, 180], atol=1e-4)


def test_an_alignment_with_lenses_is_one_map_and_keeps_them_in_its_file(tmp_path: Path) -> None:
    plain = Alignment.of("similarity", TURN, SIZE, SIZE, QUALITY)
    bent = replace(plain, infrared_lens=BARREL, visible_lens=Lens.plain(SIZE, 0.1))
    infrared = np.tile(np.arange(128, dtype=np.uint8), (96, 1)) * 2
    warped = bent.warp(infrared, SIZE)
    at = np.array([[40.0, 30], [70, 60], [100, 20]])
    places = bent.place(at)
    np.testing.assert_allclose(warped[[30, 60, 20], [40, 70, 100]], 2 * places[:, 0], atol=1.1)
    assert distances(places, plain.place(at)).max() > 1
    path = tmp_path / "rig.json"
    bent.save(path)
    assert read_alignment(path) == bent
    doubled = bent.scaled((192, 256), (192, 256))
    np.testing.assert_allclose(doubled.place(2 * at + 0.5), 2 * places + 0.5, atol=1e-3)
    outside = bent.coverage(SIZE, SIZE) == 0
    x = over_grid(bent.place, SIZE)[..., 0]
    assert outside[x < -1].all()


def blocks(lens: Lens | None) -> tuple[Blocks, Alignment]:
    points = np.stack(np.meshgrid(np.linspace(8, 119, 14), np.linspace(8, 87, 10)), -1)
    points = points.reshape(-1, 2)
    plain = Alignment.of("similarity", TURN, SIZE, SIZE, QUALITY)
    noise = np.random.default_rng(3).normal(0, 0.2, points.shape)
    noise[::9] += 5  # found in a wrong place
    sent = plain.place(points)
    return Blocks(points, (lens.bend(sent) if lens else sent) + noise, 1.0, 4.0), plain


def test_lenses_are_found_where_there_are_some_and_else_none() -> None:
    straight, plain = blocks(None)
    assert straight.plainest(plain, "homography")[0].count == 0
    bent, plain = blocks(Lens.plain(SIZE, -0.3))
    model, numbers = bent.plainest(plain, "homography")
    known = model.alignment(numbers)
    assert model.count == 1
    misses = bent.misses(known)
    assert np.median(misses) < 0.4
    assert np.median(bent.misses(plain)) > 2 * np.median(misses)


KALIBR = """cam0:
  camera_model: pinhole
  distortion_coeffs: [-0.1, 0.02, 0.001, -0.0002]
  distortion_model: radtan
  intrinsics: [110, 111, 62.5, 48]
  resolution: [128, 96]
cam1:
  T_cn_cnm1:
  - [1.0, 0.0, 0.0, -0.1]
  camera_model: pinhole
  distortion_coeffs: [-0.05, 0.02, 0.001, -0.0002]
  distortion_model: equidistant
  intrinsics: [210, 211, 120, 90]
  resolution: [256, 192]
"""
OPENCV = """%YAML:1.0
---
image_width: 128
image_height: 96
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 110., 0., 62.5, 0., 111., 48.,
       0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -0.1, 0.02, 0.001, -0.0002, 0. ]
"""


def test_calibrations_of_kalibr_and_opencv_are_read(tmp_path: Path) -> None:
    chain, one = tmp_path / "chain.yaml", tmp_path / "one.yml"
    chain.write_text(KALIBR)
    one.write_text(OPENCV)
    first, second = read_calibrations([chain])
    expected = Lens((110, 111), (62.5, 48), (-0.1, 0.02, 0.001, -0.0002))
    assert first == (expected, SIZE)
    assert second[0].fisheye
    assert second[1] == (192, 256)
    (lens, size), _ = read_calibrations([one, one])
    assert size == SIZE
    assert lens.distortion == (*expected.distortion, 0)
    wide = [np.zeros((96, 150), np.uint8), np.zeros(SIZE, np.uint8)]
    with pytest.raises(SizeMismatchError, match="128x96, found 150x96"):
        estimate_alignment([(wide[0], wide[1])], lenses=[first, first])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no list 'camera_matrix'"),
        (KALIBR.replace("pinhole", "omni"), "the camera model omni"),
        (KALIBR.replace("0.02, 0.001, ", ""), "2 numbers of distortion"),
        (KALIBR.replace("110, 111", "-110, 111"), "the lens"),
        (OPENCV.replace("110.", "x"), "could not convert"),
        (OPENCV, "two calibrated cameras"),
    ],
)
def test_damaged_calibrations_are_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(AlignmentError, match=rf"camera\.yaml: expected .*{words}.*kalibr"):
        read_calibrations([path])
