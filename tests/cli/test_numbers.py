"""Every numeric option of every command, with what is no number that it could take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer

from piafusion import cli
from piafusion.cli.options import _NUMERIC

ODD = ("nan", "-1", "9" * 5000)
ODDER = ("inf", "-inf", "1e30", "1e309", "", " ", "0x10", "9" * 30, "1_0_")
BELOW_ZERO = {("video", "--offset"), ("align", "--offset")}  # one video may begin first


def options(command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each numeric option: its command with what that needs, and its name."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from options(inner, (*path, name))
    for each in command.params:
        if each.required:
            name = () if each.param_type_name == "argument" else (max(each.opts, key=len),)
            path = (*path, *name, "none")
    for each in command.params:
        if each.type.name in _NUMERIC:
            yield path, max(each.opts, key=len)


OPTIONS = list(options(typer.main.get_command(cli.make_app())))


def test_the_options_are_found():
    assert len(OPTIONS) > 30


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        *((*each, ODD) for each in OPTIONS),
        (("fuse", "none", "none", "--output", "none"), "--tile", ODDER),  # a whole number
        (("video", "none", "--output", "none"), "--offset", ODDER),
    ],
)
def test_odd_numbers_are_refused_before_any_work(
    piafusion, tmp_path, monkeypatch, command, option, values
):
    monkeypatch.chdir(tmp_path)
    for value in values:
        if value == "-1" and (command[0], option) in BELOW_ZERO:
            continue
        done = piafusion(*command, f"{option}={value}")
        assert (done.code, done.out) == (2, ""), value
        (line,) = done.err.splitlines()
        assert line.startswith("piafusion: ")
        assert option.lstrip("-") in line.replace("_", "-"), value
        assert len(line) < 300 + len(value)
        assert not list(tmp_path.iterdir())
