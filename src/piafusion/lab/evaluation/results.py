"""What the rows of an evaluation say: tables, tests, times, for each data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from piafusion.lab.evaluation.methods import Method, Pictures
from piafusion.lab.evaluation.predict import Runtime, runtime
from piafusion.lab.evaluation.score import Row
from piafusion.lab.evaluation.sets import DataSet
from piafusion.lab.evaluation.statistics import PairedTest, paired_tests
from piafusion.lab.evaluation.tables import Table, per_image, summarise
from piafusion.metrics import SPECS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class DataResult:
    """All that is told of one data set.

    Attributes:
        data: The data set.
        table: All pairs.
        parts: Day and night; the pairs that all methods have, where some have not all.
        tests: Each method against one of them.
        runtimes: Of the methods that ran here.
        values: By method, stem and metric.
    """

    data: DataSet
    table: Table
    parts: list[Table]
    tests: list[PairedTest]
    runtimes: dict[str, Runtime]
    values: dict[str, dict[str, dict[str, float]]]

    def as_json(self) -> dict[str, Any]:
        """Return the tables, tests and times as JSON knows them."""
        return {
            "name": self.data.name,
            "tables": [_table_json(table) for table in (self.table, *self.parts)],
            "tests": [vars(test) for test in self.tests],
            "runtime_ms": {name: vars(time) for name, time in self.runtimes.items()},
        }


def sum_up(
    data: DataSet,
    rows: Sequence[Row],
    methods: Sequence[Method | Pictures],
    metrics: Sequence[str],
    against: str,
    output: Path,
) -> DataResult:
    """Sum up what was scored on a data set.

    Args:
        data: The data set.
        rows: Its rows; at least one.
        methods: All methods.
        metrics: In the order of the columns.
        against: The method that the others are tested against.
        output: Folder of the evaluation.
    """
    values: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        values.setdefault(row.method, {})[row.stem] = row.values
    frame = per_image(rows, metrics)
    directions = {name: SPECS[name].direction for name in metrics}
    times = {each.name: runtime(each, data, output) for each in methods if isinstance(each, Method)}
    return DataResult(
        data,
        summarise(data.name, frame, len(data.pairs)),
        _parts(data, frame, values),
        paired_tests(values, against, directions) if against in values else [],
        {name: time for name, time in times.items() if time is not None},
        values,
    )


def _parts(
    data: DataSet, frame: pd.DataFrame, values: dict[str, dict[str, dict[str, float]]]
) -> list[Table]:
    tables = []
    for light in sorted(set(data.lights.values())):
        count = list(data.lights.values()).count(light)
        part = frame[frame["light"] == light]
        if count < len(data.pairs) and len(part):
            tables.append(summarise(f"{data.name} by {light}", part, count))
    common = set.intersection(*(set(rows) for rows in values.values()))
    if common and any(len(rows) > len(common) for rows in values.values()):
        part = frame[frame["stem"].isin(common)]
        title = f"{data.name}, the pairs that every method has"
        tables.append(summarise(title, part, len(common)))
    return tables


def _table_json(table: Table) -> dict[str, Any]:
    return {
        "pairs": table.pairs,
        "title": table.title,
        "methods": {
            method: {
                "pairs": table.counts[method],
                **{
                    name: {
                        "mean": _number(cell.mean),
                        "std": _number(cell.std),
                        "interval95": [_number(cell.low), _number(cell.high)],
                        "mark": cell.mark,
                    }
                    for name, cell in zip(table.metrics, row, strict=True)
                },
            }
            for method, row in table.cells.items()
        },
    }


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if value < float("inf") else "inf"
