from concurrent.futures import ThreadPoolExecutor

import pytest

from piafusion.run.relay import Relay, Turn


def test_every_item_gets_what_the_one_before_gave_in_any_number_of_threads() -> None:
    relay, got = Relay[int](), []

    def work(turn: Turn[int]) -> None:
        with turn:
            got.append(turn.take())
            turn.give(len(got))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [relay.turn() for _ in range(50)]))
    assert got == [None, *range(1, 50)]


def test_an_item_that_fails_passes_on_what_it_would_have_got() -> None:
    relay = Relay[str]()
    first, second, third = (relay.turn() for _ in range(3))
    with first:
        first.give("state")
    with pytest.raises(ValueError, match="broken"), second:
        raise ValueError("broken")
    assert third.take() == "state"
