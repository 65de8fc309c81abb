"""Numbers and records as reports, JSON and CSV files hold them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any


def number(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """Return a number as tables show it; a dash stands for None and NaN.

    >>> number(2.5, 2), number(2.5, 1, signed=True), number(float("nan"), 1), number(math.inf, 1)
    ('2.50', '+2.5', '-', '∞')
    """
    if value is None or math.isnan(value):
        return "-"
    return f"{value:{'+' if signed else ''}.{decimals}f}" if math.isfinite(value) else "∞"


def decimals(values: Iterable[float]) -> int:
    """Return how many decimals show three or four digits of the largest of some values.

    >>> decimals([0.0123, 0.001]), decimals([43.7]), decimals([4321.0])
    (4, 2, 1)
    """
    sizes = (abs(value) for value in values)
    largest = max((size for size in sizes if math.isfinite(size) and size > 0), default=1.0)
    power = math.floor(math.log10(largest))
    return min(6, max(1, 3 - power - (power < 0)))


def for_json(value: Any) -> Any:  # noqa: ANN401 - whatever a report holds
    """Return a value as JSON takes it: records become objects, NaN null, infinity "inf"."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): for_json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return str(value) if isinstance(value, Path) else value


def json_text(value: Any) -> str:  # noqa: ANN401 - whatever a report holds
    """Return a value as the text of a JSON file."""
    return json.dumps(for_json(value), indent=2, allow_nan=False) + "\n"


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return records as CSV; None and NaN become empty cells."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow(["" if each is None or each != each else each for each in row])
    return stream.getvalue()
