import io
import sys

import pytest

from piafusion.cli import counting
from piafusion.cli.counting import FrameCounter


def test_plain_lines(monkeypatch, capsys) -> None:
    now = 0.0
    monkeypatch.setattr(counting.time, "monotonic", lambda: now)
    with FrameCounter() as counter:
        for done in range(1, 121):
            now = done / 10
            counter.show(done, 200)
        counter.show(121, None)
        counter.note("a word")
        now += 5
        counter.show(170, None)
    assert capsys.readouterr().err.splitlines() == [
        "fusing: 50 of 200 frames, 10.0 frames/s, 15 s left",
        "fusing: 100 of 200 frames, 10.0 frames/s, 10 s left",
        "a word",
        "fusing: 170 frames, 10.0 frames/s",
    ]


def test_a_bar_on_a_terminal(monkeypatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(counting, "_REDRAW", 0.0)
    with FrameCounter() as counter:
        counter.show(3, 10)
        counter.note("a word [not markup]")
        counter._progress.refresh()
    assert "3 of 10 frames" in screen.getvalue()
    assert "a word [not markup]" in screen.getvalue()


def test_an_error_passes_through() -> None:
    with pytest.raises(ValueError, match="broken"), FrameCounter():
        raise ValueError("broken")
