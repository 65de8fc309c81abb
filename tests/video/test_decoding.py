import threading

import pytest

from piafusion.video.decoding import BoundedQueue, ClosedError


def test_a_full_queue_makes_the_writer_wait() -> None:
    queue = BoundedQueue[int](size=2)

    def write() -> None:
        for item in range(100):
            queue.put(item)
        queue.end()

    thread = threading.Thread(target=write)
    thread.start()
    items = []
    while (item := queue.get()) is not None:
        items.append(item)
    thread.join()
    assert items == list(range(100))
    assert queue.dropped == 0


def test_a_live_queue_keeps_the_newest() -> None:
    queue = BoundedQueue[int](size=3, drop_oldest=True)
    for item in range(10):
        queue.put(item)
    queue.end()
    assert [queue.get() for _ in range(4)] == [7, 8, 9, None]
    assert queue.dropped == 7


def test_the_writers_error_comes_after_its_last_item() -> None:
    queue = BoundedQueue[int](size=2)
    queue.put(1)
    queue.end(ValueError("broken"))
    assert queue.get() == 1
    with pytest.raises(ValueError, match="broken"):
        queue.get()


def test_closing_wakes_a_waiting_writer() -> None:
    queue = BoundedQueue[int](size=1)
    queue.put(1)
    raised = []

    def write() -> None:
        try:
            queue.put(2)
        except ClosedError as error:
            raised.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    queue.close()
    thread.join(5)
    assert raised


def test_the_readers_error_reaches_the_writer() -> None:
    queue = BoundedQueue[int](size=1)
    queue.close(OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        queue.put(1)


def test_waiting_ends() -> None:
    queue = BoundedQueue[int](size=1)
    with pytest.raises(TimeoutError):
        queue.get(0.01)
    assert not queue.wait_closed(0.01)
    queue.close()
    assert queue.wait_closed(60)
