"""Refuses numbers that make no sense for any option."""

from __future__ import annotations

from typing import Any

import typer

MOST = 10**9
"""Largest absolute value; many options have narrower limits of their own."""

_NUMERIC = ("int", "integer", "float", "int range", "integer range", "float range")


def refuse_odd_numbers(command: Any) -> None:  # noqa: ANN401 - typer's or click's
    """Make all numeric options of a command and its subcommands refuse NaN and absurd values."""
    for inner in getattr(command, "commands", {}).values():
        refuse_odd_numbers(inner)
    for parameter in command.params:
        if parameter.type.name in _NUMERIC:
            parameter.callback = _checked


def _checked(context: Any, parameter: Any, value: float | None) -> float | None:  # noqa: ANN401
    if value is not None and not abs(value) <= MOST:  # also true for NaN
        raise typer.BadParameter(
            f"expected a number up to {MOST:,}, found {value:.6g}", ctx=context, param=parameter
        )
    return value
