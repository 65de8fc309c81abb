from pathlib import Path

import pytest

from piafusion.imaging.pairs import Pair
from piafusion.lab.evaluation.results import DataSetResult, sum_up
from piafusion.lab.evaluation.scoring import PictureScores
from piafusion.lab.evaluation.sets import DataSet
from piafusion.lab.paper.experiment import lead_verdict, ranks_first


def result(tmp_path: Path, values: dict[str, list[float]]) -> DataSetResult:
    stems = [f"{index:02d}" for index in range(len(next(iter(values.values()))))]
    pairs = [Pair(stem, Path(f"ir/{stem}.png"), Path(f"vi/{stem}.png")) for stem in stems]
    data = DataSet("road", pairs, dict.fromkeys(stems, ""), frozenset(stems), [])
    rows = [
        PictureScores("road", stem, "", method, {"MI": value})
        for method, own in values.items()
        for stem, value in zip(stems, own, strict=True)
    ]
    return sum_up(data, rows, [], ["MI"], "paper", tmp_path)


def test_first_by_more_than_chance(tmp_path: Path) -> None:
    low = [1 + 0.01 * index for index in range(12)]
    scores = {"paper": [value + 1 for value in low], "gtf": low, "csf": [0.5] * 12}
    claim = ranks_first(result(tmp_path, scores), "MI", "paper", ["csf", "gtf"], "4.4", "first")
    assert claim.verdict == "holds"
    assert claim.data == "road"
    assert claim.evidence == (
        "MI 2.055, best of the others gtf 1.055; higher on 12 of 12 pairs, p < 0.001"
    )


def test_first_by_chance_alone_is_not_judged(tmp_path: Path) -> None:
    scores = {"paper": [1.0, 2.0, 3.1], "gtf": [1.0, 2.1, 2.9]}
    claim = ranks_first(result(tmp_path, scores), "MI", "paper", ["gtf"], "4.4", "first")
    assert claim.verdict == "cannot be tested here"
    assert "higher on 1 of 3 pairs" in claim.evidence


def test_second_does_not_hold_and_others_do_not_count(tmp_path: Path) -> None:
    scores = {"paper": [2.0] * 8, "maximum": [9.0] * 8, "gtf": [2.5] * 8}
    found = result(tmp_path, scores)
    assert ranks_first(found, "MI", "paper", ["gtf"], "4.4", "").verdict == "does not hold"
    assert ranks_first(found, "MI", "gtf", ["paper"], "4.4", "").verdict == "holds"


def test_without_rivals_nothing_is_judged(tmp_path: Path) -> None:
    found = result(tmp_path, {"paper": [2.0] * 8})
    claim = ranks_first(found, "MI", "paper", ["gtf"], "4.4", "first")
    assert (claim.verdict, claim.data) == ("cannot be tested here", "")


@pytest.mark.parametrize(
    ("lead", "p", "verdict"),
    [
        (0.1, 0.01, "holds"),
        (0.1, 0.2, "cannot be tested here"),
        (0.0, 0.01, "does not hold"),
        (-0.1, 0.01, "does not hold"),
    ],
)
def test_a_lead_has_to_be_there_and_more_than_chance(lead: float, p: float, verdict: str) -> None:
    assert lead_verdict(lead, p) == verdict
