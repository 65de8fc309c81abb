import sys

import pytest

from piafusion.cli.table import print_table


@pytest.mark.parametrize("terminal", [True, False])
def test_tables(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")  # no colours
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    print_table(["model", "ms"], [["fast", "12.5"], ["a slow one", ""]])
    header, first, second = (line.rstrip() for line in capsys.readouterr().out.splitlines())
    assert header.split() == ["model", "ms"]
    assert first.split() == ["fast", "12.5"]
    assert second.strip() == "a slow one"
