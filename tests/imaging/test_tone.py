"""Raw infrared values to [0, 1]: each tone by hand, what has no value, and over a video."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from piafusion import Fuser
from piafusion.errors import ImageError, UsageError
from piafusion.imaging.io import read_image
from piafusion.imaging.tone import (
    POLARITIES,
    Clahe,
    Full,
    Percentile,
    Plateau,
    SmoothedTone,
    Span,
    as_tone,
    parse_tone,
    parse_visible_tone,
    show_visible,
)
from piafusion.imaging.tone_curve import InfraredRange
from piafusion.scenes.synthetic import demo_scenes_root
from tests.conftest import scene

MEASURED = [Percentile(), Percentile(0, 100), Plateau(), Clahe()]


@pytest.mark.parametrize(
    ("spec", "tone"),
    [
        ("full", Full()),
        ("percentile", Percentile(1, 99)),
        ("percentile:0.5,99.5", Percentile(0.5, 99.5)),
        ("span:-20,40", Span(-20, 40)),
        ("bits:12", Span(0, 4095)),
        ("plateau", Plateau()),
        ("plateau:2", Plateau(2)),
        ("clahe:4", Clahe(4)),
    ],
)
def test_texts_name_tones(spec: str, tone: object) -> None:
    assert parse_tone(spec) == tone
    assert parse_tone(str(tone)) == tone
    assert as_tone(tone) is tone


@pytest.mark.parametrize(
    "spec",
    [
        "loud",
        "",
        "full:1",
        "percentile:5",
        "percentile:99,1",
        "percentile:-1,50",
        "span",
        "span:a,b",
        "span:4,4",
        "span:nan,3",
        "span:0,inf",
        "bits",
        "bits:0",
        "bits:1.5",
        "plateau:0.5",
        "clahe:0",
        "clahe:-1",
    ],
)
def test_texts_that_name_none(spec: str) -> None:
    with pytest.raises(UsageError, match=r"expected .*, found"):
        parse_tone(spec)


@pytest.mark.parametrize("spec", ["full", "span:100,300", "plateau", "clahe"])
def test_black_hot_is_the_inverse(spec: str) -> None:
    counts = scene(32, 48)[0].astype(np.uint16) + 80
    before = counts.copy()
    for tone, inverse in (
        (parse_tone(spec), parse_tone(spec, "black-hot")),
        (SmoothedTone(spec, 2), SmoothedTone(parse_tone(spec, "black-hot"), 2)),
    ):
        (levels, found), (turned, same) = tone(counts), inverse(counts)
        np.testing.assert_allclose(turned, 1 - levels, atol=1e-6)
        assert (same, str(inverse)) == (found, f"{tone} black-hot")
    np.testing.assert_array_equal(counts, before)
    inverted = Fuser("piafusion-fast", tone=spec, polarity="black-hot", tile=32)
    assert str(inverted.adjusted().tone) == str(inverted.tone) == f"{parse_tone(spec)} black-hot"
    with pytest.raises(UsageError, match="a polarity of white-hot or black-hot, found 'hot'"):
        parse_tone(spec, "hot")
    with pytest.raises(UsageError, match="found a SmoothedTone"):
        as_tone(SmoothedTone(spec, 2), "black-hot")


def test_a_black_hot_pair_is_fused_as_the_white_hot_one() -> None:
    infrared, visible = scene(64, 96)
    for tile in (None, 32):
        fuser = Fuser("piafusion-fast", polarity="black-hot", tile=tile)
        turned = fuser(255 - infrared, visible)
        white = Fuser("piafusion-fast", tile=tile)(infrared, visible)
        assert np.abs(turned.astype(int) - white).max() <= 1


RAW = scene(64, 96)[0].astype(np.uint16)


@pytest.mark.parametrize(
    ("tone", "infrared", "advice"),
    [
        ("full", RAW + 7000, r"70\d\d to 72[\d.]+, fill 0\.\d% of 16 bits .* --tone percentile"),
        ("full", RAW * 257, ""),
        ("full", np.full((64, 96), 7000, np.uint16), ""),
        ("full", scene(64, 96)[0], ""),
        ("percentile", RAW + 7000, ""),
        ("span:20,40", RAW + 7000, r"span:20,40 makes 100% .* use --tone span:70\d\d,72[\d.]+ or"),
        ("span:7000,7255", RAW + 7000, ""),
    ],
)
@pytest.mark.parametrize("polarity", ["white-hot", "black-hot"])
def test_a_tone_that_shows_little_names_a_better_one(tone, infrared, advice, polarity) -> None:
    for tile in (None, 32):
        fuser = Fuser("piafusion-fast", tone=tone, polarity=polarity, tile=tile)
        found = fuser.fuse(infrared, np.zeros((64, 96), np.uint8)).tone.advice
        assert re.search(advice, found) if advice else not found
        assert parse_tone(tone, polarity).advise(infrared) == found


def test_a_picture_in_which_hot_and_cold_look_inverted_names_black_hot() -> None:
    street = read_image(demo_scenes_root() / "ir" / "street_N.png")
    inverted = 255 - street
    for tone in ("full", "percentile", "plateau", "span:0,255"):
        for palette in (None, "auto"):
            white, black = (parse_tone(tone, each, palette) for each in POLARITIES)
            assert "use --polarity black-hot" in white.advise(inverted)
            assert not white.advise(street)
            assert not black.advise(inverted)
    assert "black-hot" in Fuser("piafusion-fast").fuse(inverted, street).tone.advice
    for quiet in (inverted.astype(np.float32) / 255, inverted.astype(np.uint16) * 257):
        assert not parse_tone("full").advise(quiet)  # counts and degrees rise with the heat
    for flat in (np.full((8, 8), 255, np.uint8), np.zeros((9, 300), np.uint8)):
        assert not parse_tone("full").advise(flat)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_visible_picture_of_few_bits_in_sixteen(bits: int) -> None:
    infrared, visible = scene(64, 96)
    counts = np.rint(visible / 255 * (2**bits - 1)).astype(np.uint16)
    fuser = Fuser("piafusion-fast", visible_tone=f"bits:{bits}")
    fused = fuser(infrared, counts)
    assert fused.dtype == np.uint16
    expected = Fuser("piafusion-fast")(infrared, visible)
    assert np.abs(fused / 257 - expected).max() < 1.5
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fuser))(infrared, counts), fused)  # noqa: S301
    plain = Fuser("piafusion-fast", tile=32 if bits == 12 else None)
    assert f"--visible-tone bits:{bits}" in plain.fuse(infrared, counts).tone.advice
    assert fuser.fuse(infrared, counts).tone.advice == ""
    degrees = show_visible(np.array([[10.0, 20, 30]]), Span(10, 30))
    colour = np.full((4, 6, 3), 20, np.uint8)
    np.testing.assert_array_equal(show_visible(colour, Span(10, 30)), np.full((4, 6, 3), 128))
    assert degrees.tolist() == [[0, 0.5, 1]]
    with pytest.raises(UsageError, match="expected a visible tone of full"):
        parse_visible_tone("clahe")


def test_full_is_the_range_of_the_dtype() -> None:
    heat, found = Full()(np.array([[0, 257, 65535]], np.uint16))
    np.testing.assert_allclose(heat, [[0, 1 / 255, 1]], rtol=1e-6)
    assert found == InfraredRange(0, 65535)


def test_sixteen_bits_fuse_as_eight() -> None:
    infrared, visible = scene()
    eight = Fuser()(infrared, visible).astype(int)
    sixteen = Fuser()(infrared.astype(np.uint16) * 257, visible)
    assert np.abs(eight - sixteen).max() <= 1


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.full((8, 8), -3.5), "found -3.5 to -3.5"),
        (np.full((8, 8), 21.0, np.float32), "found 21 to 21"),
        (np.array([[0.5, np.nan]]), "found 1 NaN"),
        (np.zeros((8, 8), np.int16), "found int16"),
    ],
)
def test_full_refuses_what_has_no_range_and_names_the_way_out(image, found: str) -> None:
    with pytest.raises(ImageError, match=rf"{found}.*--tone percentile"):
        Full().check(image)


def test_a_span_in_degrees() -> None:
    celsius = np.array([[-40.0, -20.0, 10.0, 40.0, 200.0]])
    heat, found = Span(-20, 40)(Span(-20, 40).check(celsius))
    np.testing.assert_allclose(heat, [[0, 0, 0.5, 1, 1]], atol=1e-6)
    assert (found.low, found.high) == (-20, 40)


@pytest.mark.parametrize("tone", MEASURED, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_every_tone_takes_every_dtype_and_keeps_the_order(tone, dtype: type) -> None:
    ramp = np.tile(np.arange(0, 120, dtype=dtype), (64, 1))
    heat, found = tone(tone.check(ramp))
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() <= 1
    assert 0 <= found.low < found.high <= 120
    if not isinstance(tone, Clahe):
        assert (np.diff(heat, axis=1) >= 0).all()


def test_dead_and_wild_pixels_do_not_set_the_range() -> None:
    generator = np.random.default_rng(0)
    counts = generator.normal(7400, 30, (120, 160)).astype(np.uint16)
    expected = Percentile()(counts)[1]
    counts[::40, ::40] = 65535
    counts[20::40, ::40] = 0
    found = Percentile()(counts)[1]
    assert abs(found.low - expected.low) < 3
    assert abs(found.high - expected.high) < 3


@pytest.mark.parametrize("tone", [*MEASURED, Span(-10, 30)], ids=str)
def test_pixels_without_a_value_take_their_neighbours(tone) -> None:
    celsius = np.full((32, 32), -5.0, np.float32)
    celsius[:, 16:] = 25.0
    expected, _ = tone(celsius)
    broken = celsius.copy()
    broken[3, 4], broken[20:22, 25], broken[31, 31] = np.nan, np.inf, -np.inf
    heat, found = tone(tone.check(broken))
    assert found.filled == 4
    np.testing.assert_allclose(heat, expected, atol=0.02)


@pytest.mark.parametrize("tone", [*MEASURED, Full(), Span(0, 300)], ids=str)
def test_a_picture_without_any_value_is_refused(tone) -> None:
    with pytest.raises(ImageError, match="NaN"):
        tone.check(np.full((9, 9), np.nan))


@pytest.mark.parametrize("tone", [Percentile(), Plateau()], ids=str)
@pytest.mark.parametrize("value", [np.uint16(7000), np.float32(-12.5), np.uint8(0)])
def test_a_flat_picture_shows_nothing_hot(tone, value) -> None:
    heat, found = tone(np.full((16, 16), value))
    assert not heat.any()
    assert found.low == found.high == value


def test_the_plateau_limits_what_a_wide_sky_takes() -> None:
    """Nine tenths of the picture are sky of a few counts, the rest a scene of many."""
    generator = np.random.default_rng(0)
    counts = generator.integers(7000, 7010, (100, 100))
    counts[90:] = generator.integers(7100, 8100, (10, 100))
    counts = counts.astype(np.uint16)

    def levels_of_scene(tone: Plateau) -> float:
        scene = tone(counts)[0][90:]
        return float(scene.max() - scene.min())

    assert levels_of_scene(Plateau(2)) > 0.8
    assert levels_of_scene(Plateau(1000)) < 0.3


def test_clahe_lifts_local_contrast() -> None:
    generator = np.random.default_rng(0)
    halves = np.where(np.arange(128) < 64, 7000, 9000) + generator.normal(0, 20, (128, 128))
    counts = halves.astype(np.uint16)
    plain, equalised = Percentile()(counts)[0], Clahe(4)(counts)[0]
    assert equalised[:, 16:48].std() > 2 * plain[:, 16:48].std()


def test_a_smoothed_range_arrives_by_half_lives() -> None:
    tone = SmoothedTone(Percentile(0, 100), half_life=4)
    frames = [np.array([[0, high]]) for high in [100] + [200] * 8]
    highs = [tone(frame)[1].high for frame in frames]
    assert highs[0] == 100
    assert highs[4] == pytest.approx(150)
    assert highs[8] == pytest.approx(175)


def test_a_shutter_moves_nothing_and_a_new_scene_starts_anew() -> None:
    tone = SmoothedTone("percentile:0,100", half_life=10)
    scenes = [np.array([[0, 100]]), np.array([[50, 50]]), np.array([[0, 100]])]
    assert [tone(frame)[1].high for frame in scenes] == [100, 100, 100]
    assert tone(np.array([[900, 1000]]))[1] == InfraredRange(900, 1000)


def test_smoothed_plateaus_mix_their_levels() -> None:
    generator = np.random.default_rng(0)
    one, two = generator.integers(0, 1000, (2, 64, 64))
    two = two**2 // 1000
    tone = SmoothedTone(Plateau(), half_life=1)
    tone(one)
    mixed = tone(two)[0]
    expected = (Plateau().render(two, Plateau().measure(one))[0] + Plateau()(two)[0]) / 2
    assert np.abs(mixed - expected).mean() < 0.02


def test_no_half_life_below_a_frame() -> None:
    with pytest.raises(UsageError, match="expected a half-life above 0 frames, found 0"):
        SmoothedTone("plateau", 0)


@pytest.mark.parametrize("spec", ["percentile", "plateau", "clahe"])
def test_tiles_see_the_tone_of_the_whole_picture(spec: str) -> None:
    infrared, visible = scene(96, 128)
    counts = infrared.astype(np.uint16) + 7000
    whole, tiled = (Fuser(tone=spec, tile=side).fuse(counts, visible) for side in (None, 48))
    assert whole.tone == tiled.tone
    assert np.abs(whole.image.astype(int) - tiled.image).max() <= 1


EXTREME = st.sampled_from(
    [0.0, 5e-324, 1e-320, 1e-308, 1e-45, 1e-38, 1.0, 1 + 2**-52, 65504.0, 3.4e38, 1e300, 1.7e308]
)
SIGNED = st.builds(lambda value, negative: -value if negative else value, EXTREME, st.booleans())


@given(
    data=st.data(),
    dtype=st.sampled_from([np.float16, np.float32, np.float64, np.longdouble, np.int64, np.uint64]),
    name=st.sampled_from(
        ["span", "percentile:0,100", "percentile", "plateau:1e308", "clahe:1e308"]
    ),
    smoothed=st.booleans(),
)
@settings(max_examples=100)
def test_no_tone_gives_anything_but_levels(data, dtype, name, smoothed) -> None:
    low, high = sorted(data.draw(st.tuples(SIGNED, SIGNED)))
    frames = data.draw(st.lists(st.lists(SIGNED, min_size=4, max_size=4), min_size=1, max_size=3))
    assume(low < high or name != "span")
    tone = Span(low, high) if name == "span" else parse_tone(name)
    follow = SmoothedTone(tone, 2) if smoothed else tone
    for values in frames:
        if np.dtype(dtype).kind == "f":
            with np.errstate(over="ignore"):
                frame = np.array(values).astype(dtype)
        else:
            ends = np.iinfo(dtype)
            frame = np.array([int(max(ends.min, min(ends.max, v))) for v in values], dtype)
        frame = np.tile(frame.reshape(2, 2), (8, 8))
        if np.isfinite(frame).any():
            levels, found = follow(follow.check(frame))
            assert levels.dtype == np.float32
            assert 0 <= levels.min() <= levels.max() <= 1  # NaN is not
            assert np.isfinite([found.low, found.high]).all()


@pytest.mark.parametrize(
    ("span", "values", "expected"),
    [
        ((0, 1e-320), [-1.0, 0.0, 5e-321, 1e-320, 1.0], [0, 0, 0.5, 1, 1]),
        ((-1e308, 1e308), [-1.7e308, -5e307, 0.0, 5e307, 1.7e308], [0, 0.25, 0.5, 0.75, 1]),
        ((-3e38, 3e38), np.float32([-3e38, -1.5e38, 0, 1.5e38, 3e38]), [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_extreme_spans_are_straight_lines(span, values, expected) -> None:
    levels, _ = Span(*span)(np.atleast_2d(values))
    np.testing.assert_allclose(levels[0], expected, atol=1e-3)
