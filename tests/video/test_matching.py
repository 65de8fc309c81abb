from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from piafusion.video.frames import Frame
from piafusion.video.matching import NearestInTime, match


def frames(times: list[Fraction]) -> Iterator[Frame]:
    for index, time in enumerate(times):
        yield Frame(np.full((1, 1), index, np.uint8), time, Fraction(0))


def source(times: list[Fraction]) -> Callable[[], Frame | None]:
    left = frames(times)
    return lambda: next(left, None)


def chosen(visible: list[Fraction], infrared: list[Fraction], **settings: Fraction) -> list:
    """Return the index of the infrared frame, or None, for each visible one."""
    gap = settings.pop("max_gap", Fraction(100))
    pairs = match(frames(visible), NearestInTime(source(infrared), **settings), max_gap=gap)
    return [None if pair is None else int(pair.infrared[0, 0]) for pair in pairs]


def at(rate: int, count: int) -> list[Fraction]:
    return [Fraction(index, rate) for index in range(count)]


def test_equal_rates_pair_one_to_one() -> None:
    assert chosen(at(30, 6), at(30, 6)) == [0, 1, 2, 3, 4, 5]


def test_a_slower_infrared_camera_is_repeated() -> None:
    assert chosen(at(30, 9), at(10, 3)) == [0, 0, 1, 1, 1, 2, 2, 2, 2]


def test_a_faster_infrared_camera_is_thinned() -> None:
    assert chosen(at(10, 3), at(30, 9)) == [0, 3, 6]


def test_the_offset_moves_the_infrared() -> None:
    assert chosen(at(10, 5), at(10, 5), offset=Fraction(2, 10)) == [0, 0, 0, 1, 2]
    assert chosen(at(10, 3), at(10, 5), offset=Fraction(-2, 10)) == [2, 3, 4]


def test_frames_far_from_any_infrared_one_have_none() -> None:
    assert chosen(at(10, 6), at(10, 2), max_gap=Fraction(1, 10)) == [0, 1, 1, None, None, None]


def test_without_infrared_frames_there_are_no_pairs() -> None:
    assert chosen(at(10, 3), []) == [None, None, None]


def test_when_a_live_source_is_late_the_newest_frame_has_to_do() -> None:
    left = frames(at(10, 2))

    def take() -> Frame | None:
        for frame in left:
            return frame
        raise TimeoutError

    nearest = NearestInTime(take)
    found = nearest(Fraction(5))
    assert found is not None
    assert found[0].time == Fraction(1, 10)
    assert found[1] == Fraction(49, 10)


times = st.lists(
    st.integers(0, 400).map(lambda step: Fraction(step, 90)), min_size=1, max_size=9, unique=True
).map(sorted)


@given(times, times)
def test_no_other_frame_is_nearer(visible: list[Fraction], infrared: list[Fraction]) -> None:
    for time, index in zip(visible, chosen(visible, infrared), strict=True):
        assert abs(infrared[index] - time) == min(abs(other - time) for other in infrared)
