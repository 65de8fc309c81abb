"""Numbers that no option takes, whatever it is for."""

from __future__ import annotations

from typing import Any

import typer

MOST = 10**9
"""In either direction; options have closer bounds of their own."""

_NUMERIC = ("int", "integer", "float", "int range", "integer range", "float range")


def refuse_odd_numbers(command: Any) -> None:  # noqa: ANN401 - typer's or click's
    """Have every numeric option of a command and its subcommands refuse NaN and what is absurd."""
    for inner in getattr(command, "commands", {}).values():
        refuse_odd_numbers(inner)
    for parameter in command.params:
        if parameter.type.name in _NUMERIC:
            parameter.callback = _checked


def _checked(context: Any, parameter: Any, value: float | None) -> float | None:  # noqa: ANN401
    if value is not None and not abs(value) <= MOST:  # NaN is not either
        raise typer.BadParameter(
            f"expected a number up to {MOST:,}, found {value:.6g}", ctx=context, param=parameter
        )
    return value
