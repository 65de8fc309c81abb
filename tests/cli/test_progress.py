import io
import sys

import pytest

from piafusion.cli import progress
from piafusion.cli.printing import warn
from piafusion.cli.progress import ProgressDisplay, track


def test_plain_lines(monkeypatch, capsys) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with ProgressDisplay() as display:
        for done in range(121):
            now = done / 10
            display("fusing", done, 200)
        warn("a word")
        now += 5
        display("fusing", 170, None)
        now += 1
        display("writing", 0, 3)
        now += 5
        display("writing", 1, 3)
    assert capsys.readouterr().err.splitlines() == [
        "fusing: 50 of 200, 10.0/s, 15 s left",
        "fusing: 100 of 200, 10.0/s, 10 s left",
        "a word",
        "fusing: 170, 10.0/s",
        "writing: 1 of 3, 0.2/s, 10 s left",
    ]


def test_the_pace_is_that_of_the_work_under_any_label(monkeypatch, capsys) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with ProgressDisplay() as display:
        for done in range(40, 81):  # the first 40 were done before
            now = (done - 40) / 4
            display(f"training, loss {1 / done:.3f}", done, 200)
    assert capsys.readouterr().err.splitlines() == [
        "training, loss 0.017: 60 of 200, 4.0/s, 35 s left",
        "training, loss 0.013: 80 of 200, 4.0/s, 30 s left",
    ]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal(monkeypatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "_REDRAW", 0.0)
    with ProgressDisplay() as display:
        display("fusing [b]x", 3, 10)
        warn("a word [not markup]")
        display._bar.refresh()
    assert "fusing [b]x" in screen.getvalue()
    assert "3 of 10" in screen.getvalue()
    assert "a word [not markup]" in screen.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_tracking_passes_items_and_errors_on(monkeypatch, capsys, terminal: bool) -> None:
    if terminal:
        monkeypatch.setattr(sys, "stderr", Screen())
    assert list(track(iter("abc"), "reading", total=3)) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="broken"), ProgressDisplay():
        raise ValueError("broken")
    assert capsys.readouterr().err == ""
