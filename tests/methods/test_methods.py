import json
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from piafusion import Fuser
from piafusion.errors import ImageError, MissingExtraError, SizeMismatchError, UsageError
from piafusion.methods import find_method, list_methods
from tests.conftest import scene

RULES = [
    name for name, spec in list_methods().items() if spec.kind != "network"
]  # what needs no weights
each_method = pytest.mark.parametrize("name", list_methods())


@each_method
def test_the_registry_says_what_a_method_is(name: str) -> None:
    spec = find_method(name)
    assert spec.name == name
    assert spec.title
    assert spec.paper
    assert all(departure.endswith(".") for departure in spec.departures)
    assert bool(spec.packages) == bool(spec.needs)


@each_method
def test_every_dtype_gives_the_same_picture(name: str) -> None:
    infrared, visible = scene(33, 47)
    fuser = Fuser(method=name)
    bytes_ = fuser(infrared, visible)
    assert (bytes_.dtype, bytes_.shape) == (np.uint8, visible.shape)
    for dtype, factor in ((np.uint16, 257), (np.float32, 1 / 255), (np.float64, 1 / 255)):
        fused = fuser(infrared, (visible * np.float64(factor)).astype(dtype))
        assert (fused.dtype, fused.shape) == (dtype, visible.shape)
        np.testing.assert_allclose(fused / factor, bytes_, atol=0.6)


@each_method
def test_grey_stays_grey(name: str) -> None:
    infrared, visible = scene(24, 40)
    grey = np.ascontiguousarray(visible[..., 0])
    fuser = Fuser(method=name)
    flat = fuser(infrared, grey)
    assert flat.shape == grey.shape
    of_three = fuser(infrared, np.dstack([grey] * 3))
    for channel in range(3):
        np.testing.assert_array_equal(of_three[..., channel], flat)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("size", [(8, 8), (9, 31), (40, 17), (150, 133)])
def test_a_picture_fused_with_itself_is_itself(name: str, size: tuple[int, int]) -> None:
    picture = scene(*size)[0]
    fused = Fuser(method=name)(picture, picture)
    np.testing.assert_allclose(fused.astype(int), picture, atol=1)


@each_method
def test_black_and_white_stay_in_range(name: str) -> None:
    generator = np.random.default_rng(0)
    infrared, visible = generator.integers(2, size=(2, 32, 32)).astype(np.float32)
    fused = Fuser(method=name)(infrared, visible)
    assert np.isfinite(fused).all()
    assert fused.min() >= 0
    assert fused.max() <= 1


@each_method
def test_pictures_that_do_not_fit_are_refused(name: str) -> None:
    infrared, visible = scene()
    fuser = Fuser(method=name)
    with pytest.raises(SizeMismatchError):
        fuser(infrared[1:], visible)
    with pytest.raises(ImageError, match="8x8"):
        fuser(infrared[:7], visible[:7])
    with pytest.raises(UsageError, match="leave the tiles out"):
        Fuser(method=name, tile=64)


@each_method
def test_threads_change_nothing(name: str) -> None:
    pair = scene(70, 90)
    one, two = Fuser(method=name, threads=1), Fuser(method=name, threads=2)
    assert (one.engine.threads, two.engine.threads) == (1, 2)
    np.testing.assert_array_equal(one(*pair), two(*pair))


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("average", "visible")])
def test_texture_of_the_visible_and_heat_of_the_infrared_survive(name: str) -> None:
    infrared = np.full((96, 128), 0.2, np.float32)
    infrared[60:80, 80:105] = 0.9
    generator = np.random.default_rng(0)
    texture = cv2.GaussianBlur(generator.normal(0, 0.5, (96, 128)), (0, 0), 1.5)
    visible = (0.4 + texture * (np.arange(128) < 64)).clip(0, 1).astype(np.float32)
    fused = Fuser(method=name)(infrared, visible)
    there = (slice(8, -8), slice(8, 56))
    assert np.corrcoef(fused[there].ravel(), visible[there].ravel())[0, 1] > 0.9
    heat = fused[60:80, 80:105].mean() - fused[30:50, 80:105].mean()
    assert heat > 0.2


def test_by_hand() -> None:
    infrared = np.tile(np.array([[0, 100], [255, 7]], np.uint8), (4, 4))
    visible = np.tile(np.array([[50, 20], [255, 8]], np.uint8), (4, 4))
    mean = Fuser(method="average")(infrared, visible)
    np.testing.assert_array_equal(mean[:2, :2], [[25, 60], [255, 8]])
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Fuser(method="visible")(infrared, colours), colours)
    larger = Fuser(method="maximum")(infrared, visible)
    np.testing.assert_array_equal(larger[:2, :2], [[50, 100], [255, 8]])


@pytest.mark.parametrize("name", ["average", "laplacian", "wavelet", "mdlatlrr"])
def test_bases_are_averaged(name: str) -> None:
    fused = Fuser(method=name)(*(np.full((40, 56), value, np.uint8) for value in (200, 100)))
    np.testing.assert_allclose(fused.astype(int), 150, atol=1)


def test_names_and_devices() -> None:
    with pytest.raises(
        UsageError, match=r"a method of average, .*mdlatlrr, .*u2fusion, found 'gft'"
    ):
        Fuser(method="gft")
    with pytest.raises(UsageError, match="auto or cpu for the method 'gtf', found 'cuda'"):
        Fuser(method="gtf", device="cuda")
    with pytest.raises(UsageError, match="at least 1 thread"):
        Fuser(method="gtf", threads=0)


@pytest.mark.parametrize(("name", "package"), [("gtf", "scipy"), ("wavelet", "pywt")])
def test_a_missing_package_is_named_with_its_extra(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} .*pip install 'piafusion\[methods\]'"):
        Fuser(method=name)


def test_a_rule_has_no_reach(capsys: pytest.CaptureFixture[str]) -> None:
    fuser = Fuser(method="average")
    assert fuser.engine.reach is None
    assert len(fuser.plan(5000, 5000)) == 1
    with pytest.raises(NotImplementedError):
        fuser.engine.encode(np.zeros((1, 1, 8, 8)), np.zeros((1, 1, 8, 8)))


def test_listed(piafusion: Callable) -> None:
    done = piafusion("methods")
    assert done.code == 0
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines] == ["method", *list_methods()]
    assert lines[1 + list(list_methods()).index("gtf")].endswith("methods")
    listed = json.loads(piafusion("methods", "--json").out)
    assert list(listed) == list(list_methods())
    assert "2016" in listed["gtf"]["paper"]
    assert listed["gtf"]["departures"]
