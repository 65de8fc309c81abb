import re

import numpy as np
import pytest

from piafusion.lab.evaluation.results import MethodScores, marks, mean_scores, per_image_csv
from piafusion.lab.evaluation.scoring import PictureScores
from piafusion.report.text import latex, markdown_table

METRICS = ("MI", "Nabf")
Values = dict[str, dict[str, dict[str, float]]]


def scored(**methods: list[tuple[float, float]]) -> Values:
    return {
        method: {str(i): dict(zip(METRICS, both, strict=True)) for i, both in enumerate(values)}
        for method, values in methods.items()
    }


def summed_up(values: Values) -> MethodScores:
    return mean_scores("tno", values, METRICS, ["0", "1"])


def as_markdown(scores: MethodScores) -> list[str]:
    return markdown_table(scores.table())


def as_latex(scores: MethodScores) -> str:
    return latex([scores.table("tno, 2 pairs")], [])


@pytest.fixture
def scores() -> MethodScores:
    values = scored(
        a_1=[(2.0, 0.01), (4.0, 0.03)],
        b=[(4.0, 0.03), (6.0, 0.05)],
        c=[(1.0, 0.05), (1.0, 0.05)],
        few=[(9.0, 0.0)],
    )
    return summed_up(values)


def test_means_deviations_and_marks_follow_the_directions(scores: MethodScores) -> None:
    mi, nabf = scores.means["a_1"]
    assert (mi.mean, mi.std, mi.mark) == (3.0, 1.0, "second")
    assert (nabf.mean, nabf.mark) == (pytest.approx(0.02), "best")
    assert mi.interval95 == (2.0, 4.0)
    assert [each.mark for each in scores.means["b"]] == ["best", "second"]
    assert [each.mark for each in scores.means["c"]] == ["", ""]
    assert [each.mark for each in scores.means["few"]] == ["", ""]  # lacks a pair, best or not
    assert scores.counts == {"a_1": 2, "b": 2, "c": 2, "few": 1}


def test_equal_means_share_a_mark_and_nan_has_none() -> None:
    means = {"a": 2.0, "b": 3.0, "c": 3.0, "d": 1.0, "e": np.nan}
    assert marks(means, higher=True) == {"b": "best", "c": "best", "a": "second"}
    assert marks(means, higher=False) == {"d": "best", "a": "second"}
    assert marks({"a": 1.0}, higher=True) == {"a": "best"}


def test_markdown(scores: MethodScores) -> None:
    lines = as_markdown(scores)
    assert lines[0] == "| method | MI ↑ | Nabf ↓ |"
    assert lines[2] == (
        "| a_1 | *3.000* ± 1.000 (2.000 to 4.000) | **0.0200** ± 0.0100 (0.0100 to 0.0300) |"
    )
    assert lines[3].startswith("| b | **5.000** ± 1.000 (4.000 to 6.000) | *0.0400* ± 0.0100 ")
    assert lines[5].startswith("| few (1 of 2) | 9.000 ± 0.000 (9.000 to 9.000) | 0.0000 ± 0.0000 ")


def test_latex_is_balanced_and_escaped(scores: MethodScores) -> None:
    text = as_latex(scores)
    assert r"a\_1 & $\underline{3.000} \pm 1.000$ & $\mathbf{0.0200} \pm 0.0100$ \\" in text
    assert r"Method & MI $\uparrow$ & Nabf $\downarrow$ \\" in text
    assert re.findall(r"\\begin\{(\w+)\}", text) == ["table", "tabular"]
    assert re.findall(r"\\end\{(\w+)\}", text) == ["tabular", "table"]
    bare = re.sub(r"\\.|(?m:^%.*)", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not set(bare) & set("_%#")
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {len(METRICS)}
    assert r"\begin{tabular}{lrr}" in text


def test_undefined_values_are_left_out_and_shown_as_a_dash() -> None:
    values = scored(a=[(2.0, 0.01), (4.0, 0.03)], b=[(3.0, 0.02), (3.0, 0.02)])
    del values["a"]["1"]["MI"], values["b"]["1"]["MI"]
    picture = PictureScores("tno", "1", "", "a", values["a"]["1"])
    header = "dataset,stem,light,method,MI,Nabf"
    assert per_image_csv([picture], METRICS).decode() == f"{header}\ntno,1,,a,,0.03\n"
    (mi, nabf) = summed_up(values).means["a"]
    assert (mi.mean, mi.mark) == (2.0, "second")
    assert nabf.mean == pytest.approx(0.02)
    del values["a"]["0"]["MI"], values["b"]["0"]["MI"]
    nothing = summed_up(values)
    assert as_markdown(nothing)[2].startswith("| a | - | ")
    assert r"a & -- & " in as_latex(nothing)
    assert nothing.as_json()["methods"]["a"]["MI"]["interval95"] == [None, None]


def test_infinite_values_leave_no_nan() -> None:
    scores = summed_up(scored(a=[(np.inf, 0.1), (1.0, 0.1)]))
    assert as_markdown(scores)[2].startswith("| a | **∞** ± ∞ (∞ to ∞) | **0.100** ± 0.000 ")
    assert r"$\mathbf{\infty} \pm \infty$" in as_latex(scores)
    assert scores.as_json()["methods"]["a"]["MI"]["mean"] == "inf"
