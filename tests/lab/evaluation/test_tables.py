import re

import numpy as np
import pytest

from piafusion.lab.evaluation.score import Row
from piafusion.lab.evaluation.tables import Table, latex, markdown, marks, per_image, summarise

METRICS = ("MI", "Nabf")


def rows(method: str, *values: tuple[float, float]) -> list[Row]:
    return [
        Row("tno", str(i), "", method, dict(zip(METRICS, value, strict=True)))
        for i, value in enumerate(values)
    ]


@pytest.fixture
def table() -> Table:
    scored = [
        *rows("a_1", (2.0, 0.01), (4.0, 0.03)),
        *rows("b", (4.0, 0.03), (6.0, 0.05)),
        *rows("c", (1.0, 0.05), (1.0, 0.05)),
        *rows("few", (9.0, 0.0)),
    ]
    return summarise("tno", per_image(scored, METRICS), 2)


def test_means_deviations_and_marks_follow_the_directions(table: Table) -> None:
    mi, nabf = table.cells["a_1"]
    assert (mi.mean, mi.std, mi.mark) == (3.0, 1.0, "second")
    assert (nabf.mean, nabf.mark) == (pytest.approx(0.02), "best")
    assert (mi.low, mi.high) == (2.0, 4.0)
    assert [cell.mark for cell in table.cells["b"]] == ["best", "second"]
    assert [cell.mark for cell in table.cells["c"]] == ["", ""]
    assert [cell.mark for cell in table.cells["few"]] == ["", ""]  # lacks a pair, best or not
    assert table.counts == {"a_1": 2, "b": 2, "c": 2, "few": 1}


def test_equal_means_share_a_mark() -> None:
    means = {"a": 2.0, "b": 3.0, "c": 3.0, "d": 1.0}
    assert marks(means, higher=True) == {"b": "best", "c": "best", "a": "second"}
    assert marks(means, higher=False) == {"d": "best", "a": "second"}
    assert marks({"a": 1.0}, higher=True) == {"a": "best"}


def test_markdown(table: Table) -> None:
    lines = markdown(table).splitlines()
    assert lines[0] == "| method | MI ↑ | Nabf ↓ |"
    assert lines[2] == "| a_1 | *3.000* ± 1.000 | **0.0200** ± 0.0100 |"
    assert lines[3] == "| b | **5.000** ± 1.000 | *0.0400* ± 0.0100 |"
    assert lines[5] == "| few (1 of 2) | 9.000 ± 0.000 | 0.0000 ± 0.0000 |"
    assert "| a_1 | *3.000* (2.000 to 4.000) |" in markdown(table, intervals=True)


def test_latex_is_balanced_and_escaped(table: Table) -> None:
    text = latex(table)
    assert r"a\_1 & $\underline{3.000} \pm 1.000$ & $\mathbf{0.0200} \pm 0.0100$ \\" in text
    assert r"Method & MI $\uparrow$ & Nabf $\downarrow$ \\" in text
    assert re.findall(r"\\begin\{(\w+)\}", text) == ["table", "tabular"]
    assert re.findall(r"\\end\{(\w+)\}", text) == ["tabular", "table"]
    bare = re.sub(r"\\.", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not set(bare) & set("_%#")
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {len(METRICS)}
    assert r"\begin{tabular}{lrr}" in text


def test_undefined_values_are_left_out_and_shown_as_a_dash() -> None:
    scored = [
        *rows("a", (2.0, 0.01), (4.0, 0.03)),
        *rows("b", (3.0, 0.02), (3.0, 0.02)),
    ]
    del scored[1].values["MI"], scored[3].values["MI"]
    frame = per_image(scored, METRICS)
    assert "tno,1,,a,,0.03" in frame.to_csv(index=False)
    table = summarise("tno", frame, 2)
    assert (table.cells["a"][0].mean, table.cells["a"][0].mark) == (2.0, "second")
    assert table.cells["a"][1].mean == pytest.approx(0.02)
    del scored[0].values["MI"], scored[2].values["MI"]
    nothing = summarise("tno", per_image(scored, METRICS), 2)
    assert markdown(nothing).splitlines()[2].startswith("| a | - | ")
    assert r"a & -- & " in latex(nothing)


def test_infinite_values_leave_no_nan() -> None:
    table = summarise("x", per_image(rows("a", (np.inf, 0.1), (1.0, 0.1)), METRICS), 2)
    assert markdown(table).endswith("| a | **∞** ± ∞ | **0.100** ± 0.000 |")
    assert r"$\mathbf{\infty} \pm \infty$" in latex(table)
