import cv2
import numpy as np
import pytest

from piafusion.errors import UsageError
from piafusion.imaging.align.alignment import Alignment, Quality
from piafusion.imaging.palettes import NAMES, palette
from piafusion.imaging.views import VIEWS, Seen, measure, parse_view, to_colours


def _seen(**changes):
    """A grey street with a texture in the visible picture, and a warm square at 40 degrees."""
    rng = np.random.default_rng(1)
    visible = np.full((60, 80, 3), (90, 100, 110), np.uint8)
    visible[:, 40:] += rng.integers(0, 40, (60, 40, 1), dtype=np.uint8)
    degrees = np.full((60, 80), 10, np.float32)
    degrees[20:40, 10:30] = 40
    thermal = (degrees / 50).astype(np.float32)
    settings = {"visible": visible, "thermal": thermal, "fused": visible + 1, "raw": degrees}
    return Seen(**{**settings, **changes})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("name", VIEWS)
def test_every_view_draws_any_kind_of_picture(name, dtype):
    scale = {np.uint8: 1.0, np.uint16: 257.0, np.float32: 1 / 255}[dtype]
    for colour in (slice(None), 0):
        visible = (_seen().visible[..., colour] * scale).astype(dtype)
        before = visible.copy()
        drawn = parse_view(name)(_seen(visible=visible, fused=visible))
        shape = {"side-by-side": (60, 240, 3), "flicker": (3, 60, 80, 3), "fused": visible.shape}
        assert drawn.shape == shape.get(name, (60, 80, 3))
        assert drawn.dtype == (dtype if name == "fused" else np.uint8)
        np.testing.assert_array_equal(visible, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_palette_can_be_turned_back_into_levels(name):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    colours = to_colours(ramp, name).reshape(-1, 1, 3).astype(int)
    apart = np.abs(colours - palette(name).astype(int)).sum(-1)
    np.testing.assert_allclose(apart.argmin(1), ramp.ravel(), atol=1)
    assert (apart.min(1) == 0).all()


def test_edges_are_those_of_the_visible_picture_alone():
    seen = _seen()
    plain, embossed = (parse_view(name)(seen).astype(int) for name in ("palette", "edges"))
    change = np.abs(embossed - plain).max(axis=2)
    assert change[10:50, 46:74].mean() > 4  # the texture
    assert change[:, :34].max() <= 1  # neither there nor around the warm square
    none = parse_view("edges:0")(seen)
    np.testing.assert_array_equal(none, plain)


def test_no_glow_where_both_pictures_have_an_edge():
    seen = _seen()
    visible = np.where(seen.raw[..., None] > 20, 200, 60).astype(np.uint8).repeat(3, axis=2)
    plain, embossed = (
        parse_view(name, "white-hot")(_seen(visible=visible)).astype(int)
        for name in ("palette", "edges")
    )
    change = np.abs(embossed - plain)[..., 0]
    high_pass = np.abs(visible[..., 0] - cv2.blur(visible[..., 0].astype(float), (9, 9)))
    assert change.max() < high_pass.max() / 2
    assert change.mean() < high_pass.mean() / 5


@pytest.mark.parametrize(("limit", "hot"), [("hot:40", 400), ("hot:40.5", 0), ("hot:95%", 400)])
def test_what_is_hot_is_coloured(limit, hot):
    seen = _seen()
    drawn = parse_view(limit)(seen)
    changed = (drawn != seen.fused).any(axis=2)
    assert changed.sum() == hot
    assert not changed[seen.raw < 40].any()
    hottest = palette("ironbow")[255]
    assert (drawn[changed] == hottest).all()
    grey = parse_view(limit + ",grey")(seen)[seen.raw < 40]
    assert (grey == grey[:, :1]).all()


def test_nothing_is_hot_in_a_flat_picture():
    flat = _seen(raw=np.full((60, 80), 7, np.uint8))
    np.testing.assert_array_equal(parse_view("hot")(flat), flat.fused)


def test_isotherms_are_half_open_bands_on_grey():
    drawn = parse_view("isotherm:..10,40..", "ironbow")(_seen())
    assert (drawn[0, 0] == drawn[0, 0, 0]).all()  # 10 is not below 10
    warm = drawn[30, 20].tolist()
    assert warm == palette("ironbow")[255].tolist()
    assert len(np.unique(parse_view("isotherm")(_seen()).reshape(-1, 3), axis=0)) == 2


def test_inset_and_checker_keep_each_pixel_in_its_place():
    seen = _seen()
    thermal, visible = parse_view("palette")(seen), seen.visible
    inset, reverse = parse_view("inset:0.5")(seen), parse_view("inset:0.5,visible")(seen)
    for drawn, outer, inner in ((inset, visible, thermal), (reverse, thermal, visible)):
        np.testing.assert_array_equal(drawn[:14], outer[:14])
        np.testing.assert_array_equal(drawn[17:43, 22:58], inner[17:43, 22:58])
    checker = parse_view("checker:10", "ironbow")(seen)
    np.testing.assert_array_equal(checker[:10, :10], visible[:10, :10])
    np.testing.assert_array_equal(checker[:10, 10:20], thermal[:10, 10:20])


def test_outside_the_infrared_picture_the_visible_one_is_shown():
    quality = Quality(0, 0, 0, 0, 0)
    shift = Alignment.of(
        "similarity", np.array([[1, 0, -20], [0, 1, 0], [0, 0, 1.0]]), (60, 60), (60, 80), quality
    )
    small = {"thermal": np.ones((60, 60), np.float32), "raw": np.full((60, 60), 30, np.float32)}
    seen = _seen(**small, alignment=shift)
    drawn = parse_view("palette", "inferno")(seen)
    grey = cv2.cvtColor(seen.visible, cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(drawn[:, :20], grey[:, :20, None].repeat(3, axis=2))
    assert (drawn[:, 25:] == palette("inferno")[255]).all()
    assert np.isnan(seen.values[:, :20]).all()
    np.testing.assert_array_equal(parse_view("hot:20")(seen)[:, :20], seen.fused[:, :20])


def test_a_colour_bar_runs_over_the_values_of_the_tone():
    ramp = np.linspace(0, 1, 4800, dtype=np.float32).reshape(60, 80)
    seen = _seen(thermal=ramp, raw=20 + 60 * ramp, unit="°C")
    drawn = parse_view("palette", "cividis", bar=True)(seen)
    assert drawn.shape[0] == 60
    assert drawn.shape[1] > 100
    table = palette("cividis").tolist()
    column = [table.index(pixel) for pixel in drawn[:, 94].tolist() if pixel in table]
    assert column == sorted(column, reverse=True)
    assert column[0] > 240
    assert column[-1] < 15
    banded = parse_view("isotherm:40..60", bar=True)(seen)[:, 94]
    assert 10 <= (banded == palette("ironbow")[89]).all(axis=1).sum() <= 20  # a third of it


def test_spots_and_boxes_are_measured():
    values = _seen().raw.copy()
    values[:, 79] = np.nan
    found = measure(values, ["10,20", "79,0", "0,0,30,40", "all"])
    assert np.isnan(found.pop("79,0")["value"])
    ends = {"min": 10, "max": 40}
    mean = pytest.approx(10 + 30 * 400 / 4740)
    assert found == {
        "10,20": {"value": 40},
        "0,0,30,40": {**ends, "mean": 20},
        "all": {**ends, "mean": mean},
    }
    for place in ("70,0,11,1", "0,60"):
        with pytest.raises(UsageError, match=f"x.png: expected .* 80x60 pixels, found '{place}'"):
            measure(values, [place], "x.png")
    for place in ("1", "1,2,3", "1,2,0,4", "-1,2", "a,b"):
        with pytest.raises(UsageError, match="expected a place X,Y"):
            measure(values, [place])


def test_pixels_without_data_show_the_visible_picture():
    raw = np.ma.masked_less(_seen().raw, 20)
    drawn = parse_view("palette", "inferno")(_seen(raw=raw))
    assert (drawn[0] == cv2.cvtColor(_seen().visible, cv2.COLOR_RGB2GRAY)[0, :, None]).all()
    assert drawn[30, 20].tolist() != drawn[0, 0].tolist()
    flat = parse_view("hot")(_seen(raw=raw))
    np.testing.assert_array_equal(flat, _seen().fused)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("msx", "expected a view of fused, edges"),
        ("palette:3", "expected palette, found"),
        ("edges:nan", "edges:STRENGTH from 0 to 4"),
        ("edges:x", "edges:STRENGTH"),
        ("hot:101%", "hot:LIMIT"),
        ("hot:inf", "hot:LIMIT"),
        ("hot:50%,blue", "hot:LIMIT"),
        ("isotherm:30", "isotherm:LOW"),
        ("isotherm:..", "isotherm:LOW"),
        ("isotherm:40..30", "isotherm:LOW"),
        ("inset:2", "inset:SHARE"),
        ("checker:0", "checker:PIXELS"),
        ("blend:-1", "blend:SHARE"),
    ],
)
def test_wrong_views_are_refused(spec, reason):
    with pytest.raises(UsageError, match=reason):
        parse_view(spec)


def test_wrong_palettes_and_bars_are_refused():
    with pytest.raises(UsageError, match="colours of white-hot"):
        parse_view("palette", "plasma")
    with pytest.raises(UsageError, match="a view for the colours inferno, found 'fused'"):
        parse_view("fused", "inferno")
    with pytest.raises(UsageError, match="found 'flicker'"):
        parse_view("flicker", bar=True)
