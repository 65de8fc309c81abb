import math

import pytest

pytest.importorskip("transformers", reason="the extra segmentation is not installed")

from piafusion.lab.paper.segmentation import judge
from piafusion.lab.segmentation.scores import COLUMNS, IouScore, SourceScores

NAN = (math.nan, math.nan)


def difference(source: str, against: str, mean: float, width: float = 0.01) -> SourceScores:
    span = (mean - width, mean + width)
    scores = dict.fromkeys(COLUMNS, IouScore(mean, width, span, span))
    return SourceScores(source, "all", 9, scores, against)


def test_ahead_of_both_by_both_intervals() -> None:
    found = [
        difference("visible", "infrared", 0.02),
        difference("paper", "infrared", 0.05),
        difference("paper", "visible", 0.03),
    ]
    claims = {claim.text: claim for claim in judge(found, "scenes")}
    assert claims["fused pictures have the highest mean IoU"].verdict == "holds"
    people = claims["people are found better on infrared pictures"]
    assert people.verdict == "does not hold"  # the other way round
    assert people.evidence == (
        "person -2.0 points against visible (trainings -3.0 to -1.0, scenes -3.0 to -1.0)"
    )
    assert claims["vehicles are found better on visible pictures"].verdict == "holds"


@pytest.mark.parametrize(
    ("mean", "verdict"),
    [
        (0.005, "cannot be tested here"),
        (-0.005, "cannot be tested here"),
        (-0.015, "does not hold"),
    ],
)
def test_a_lead_within_the_intervals_is_not_judged(mean: float, verdict: str) -> None:
    found = [
        difference("visible", "infrared", 0.02),
        difference("paper", "infrared", 0.05),
        difference("paper", "visible", mean),
    ]
    assert judge(found, "scenes")[0].verdict == verdict


def test_what_no_label_shows_cannot_be_tested() -> None:
    found = [
        SourceScores(a, "all", 9, dict.fromkeys(COLUMNS, IouScore(math.nan, math.nan, NAN, NAN)), b)
        for a, b in (("visible", "infrared"), ("paper", "infrared"), ("paper", "visible"))
    ]
    assert {claim.verdict for claim in judge(found, "")} == {"cannot be tested here"}


def test_a_network_that_saw_too_little_decides_nothing_about_fused_pictures() -> None:
    found = [
        difference("visible", "infrared", 0.02),
        difference("paper", "infrared", 0.05),
        difference("paper", "visible", 0.03),
    ]
    verdicts = [claim.verdict for claim in judge(found, "MSRS", "the network saw 14 %")]
    assert verdicts == ["cannot be tested here"] * 3 + ["does not hold", "holds", "holds"]
