import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from piafusion.run.pool import Turn, map_in_order


@pytest.mark.parametrize(("workers", "ahead"), [(1, 0), (3, 2), (2, 40)])
def test_results_come_in_the_order_of_the_items(workers: int, ahead: int) -> None:
    def late(item: int) -> int:
        time.sleep(0.01 * (item % 3 == 0))
        return item**2

    found = list(map_in_order(late, range(30), workers=workers, ahead=ahead))
    assert found == [item**2 for item in range(30)]


def test_items_are_taken_no_further_ahead_than_allowed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(30):
            taken.append(item)
            yield item

    for done in map_in_order(abs, items(), workers=2, ahead=4):
        assert len(taken) <= done + 5
    assert len(taken) == 30


def test_an_error_of_the_items_comes_after_the_results_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("broken")

    results = map_in_order(abs, items(), workers=2, ahead=10)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(results)


def test_an_error_of_the_function_comes_in_its_turn_and_ends_the_work() -> None:
    begun: list[int] = []

    def invert(item: int) -> float:
        begun.append(item)
        return 1 / (item - 2)

    results = map_in_order(invert, range(100), workers=1, ahead=3)
    assert [next(results), next(results)] == [-0.5, -1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) < 10


def test_closing_waits_for_calls_that_have_begun_and_drops_the_rest() -> None:
    begun, ended, go = [], [], threading.Event()

    def wait(item: int) -> int:
        begun.append(item)
        if item:
            go.wait(60)
        ended.append(item)
        return item

    results = map_in_order(wait, range(20), workers=2, ahead=10)
    assert next(results) == 0
    threading.Timer(0.1, go.set).start()
    results.close()
    assert sorted(begun) == sorted(ended)
    assert len(begun) < 11
    assert not [each for each in threading.enumerate() if each.name.startswith("piafusion")]


def test_every_item_gets_what_the_one_before_gave_in_any_number_of_threads() -> None:
    turns, got = [Turn[int]()], []
    for _ in range(49):
        turns.append(Turn(turns[-1]))

    def work(turn: Turn[int]) -> None:
        with turn:
            got.append(turn.take())
            turn.give(len(got))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, turns))
    assert got == [None, *range(1, 50)]


def test_an_item_that_fails_passes_on_what_it_would_have_got() -> None:
    first = Turn[str]()
    second = Turn(first)
    third = Turn(second)
    with first:
        first.give("state")
    with pytest.raises(ValueError, match="broken"), second:
        raise ValueError("broken")
    assert third.take() == "state"
