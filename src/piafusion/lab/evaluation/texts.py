"""An evaluation as Markdown and LaTeX, and what these and the page have in common."""

from __future__ import annotations

from collections.abc import Sequence

from piafusion.lab.evaluation.predict import Runtime
from piafusion.lab.evaluation.results import DataResult
from piafusion.lab.evaluation.sets import Problem, told
from piafusion.lab.evaluation.statistics import PairedTest
from piafusion.lab.evaluation.tables import heading, latex, markdown, pipes

SIGNIFICANT = 0.05

Texts = list[list[str]]

NOT_RANKED = "a method that lacks pairs is not ranked, since its mean is one of other pictures"
CAUTION = (
    "Neighbouring pictures of a recording resemble each other; intervals and p values take them "
    "as independent and so promise somewhat too much."
)
TESTS = (
    "Two-sided Wilcoxon signed-rank tests on the pairs that both have, p after Holm's correction "
    "for all tests of this table. ▲ better, ▼ worse at 5 %, · no difference shown; in brackets, "
    "on how many pairs better and worse."
)
TIMES = (
    "Milliseconds from arrays to array, measured when a picture was first fused; files are not "
    "read or written in it."
)


def comparison_table(tests: Sequence[PairedTest]) -> Texts:
    """Return header and rows, a row per method and a column per metric; cells of two lines."""
    rows: dict[str, list[str]] = {}
    metrics = dict.fromkeys(test.metric for test in tests)
    for test in tests:
        sign = "·" if test.adjusted >= SIGNIFICANT else "▲" if test.effect > 0 else "▼"
        p = "<0.001" if test.adjusted < 0.001 else f"{test.adjusted:.3f}"
        rows.setdefault(test.method, []).append(f"{sign} {p}\n({test.better}/{test.worse})")
    header = ["method", *map(heading, metrics)]
    return [header, *([method, *cells] for method, cells in rows.items())]


def time_table(runtimes: dict[str, Runtime]) -> Texts:
    """Return header and rows, a row per method."""
    rows = [["method", "median", "calls", "first call", "threads"]]
    for method, time in runtimes.items():
        first, usual = (
            "-" if each is None else f"{each:.1f}" for each in (time.first, time.median)
        )
        rows.append([method, usual, str(time.calls), first, str(time.threads)])
    return rows


def processors(runtimes: dict[str, Runtime]) -> str:
    """Name the processors that were timed."""
    names = sorted({name for time in runtimes.values() for name in time.processors})
    return f"Processor: {', '.join(names)}."


def markdown_document(
    results: Sequence[DataResult], problems: Sequence[Problem], convention: str, against: str
) -> str:
    """Return all tables as Markdown."""
    lines = [
        "# Fusion methods compared",
        "",
        f"Convention `{convention}`. Mean ± standard deviation; the best in bold, the second best "
        f"in italics; {NOT_RANKED}. {CAUTION}",
    ]
    for result in results:
        for table in (result.table, *result.parts):
            lines += ["", f"## {table.title}, {table.size}", "", markdown(table)]
        lines += ["", f"## {result.table.title}, 95 % intervals of the means", ""]
        lines.append(markdown(result.table, intervals=True))
        if result.tests:
            lines += ["", f"## {result.table.title}, against {against}", "", TESTS, ""]
            lines += pipes(comparison_table(result.tests))
        if result.runtimes:
            lines += ["", f"## {result.table.title}, time per pair", ""]
            lines += [f"{TIMES} {processors(result.runtimes)}", ""]
            lines += pipes(time_table(result.runtimes))
    if problems:
        lines += ["", "## What is missing", "", *(f"- {told(problem)}" for problem in problems)]
    return "\n".join([*lines, ""])


def latex_document(results: Sequence[DataResult], convention: str) -> str:
    """Return all tables of means as LaTeX."""
    lines = [
        r"% Needs \usepackage{booktabs}. Best in bold, second best underlined.",
        f"% Convention {convention}; {NOT_RANKED}.",
    ]
    for result in results:
        for table in (result.table, *result.parts):
            lines += ["", latex(table)]
    return "\n".join([*lines, ""])
