import pytest

from piafusion.lab.paper.experiment import (
    UNTESTED,
    Claim,
    lead_verdict,
    ranks_first,
    too_little,
    untested,
)

ASKED = Claim("4.4", "first", UNTESTED, "", "road", "networks trained here")


def scores(**values: list[float]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        method: {f"{index:02d}": {"MI": value} for index, value in enumerate(own)}
        for method, own in values.items()
    }


def test_first_by_more_than_chance() -> None:
    low = [1 + 0.01 * index for index in range(12)]
    found = scores(paper=[value + 1 for value in low], gtf=low, csf=[0.5] * 12)
    claim = ranks_first(found, "MI", "paper", ["csf", "gtf"], ASKED)
    assert (claim.verdict, claim.data, claim.basis) == ("holds", "road", "networks trained here")
    assert claim.evidence == (
        "MI 2.055, best of the others gtf 1.055; higher on 12 of 12 pairs, p < 0.001"
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_first_or_second_by_chance_alone_is_not_judged(sign: int) -> None:
    found = scores(paper=[1.0, 2.0, 3.0], gtf=[1.0 - 0.1 * sign, 2.1, 3.0])
    claim = ranks_first(found, "MI", "paper", ["gtf"], ASKED)
    assert claim.verdict == "cannot be tested here"
    assert "of 3 pairs" in claim.evidence


def test_second_does_not_hold_and_others_do_not_count() -> None:
    found = scores(paper=[2.0] * 8, maximum=[9.0] * 8, gtf=[2.5] * 8)
    lost = ranks_first(found, "MI", "paper", ["gtf"], ASKED)
    assert lost.verdict == "does not hold"
    won = ranks_first(found, "MI", "gtf", ["paper"], ASKED)
    for claim in (won, lost):  # a network that saw little decides nothing either way
        assert untested(claim, "") == claim
        excused = untested(claim, "the network saw little")
        assert excused.verdict == "cannot be tested here"
        assert excused.evidence == f"{claim.evidence}; the network saw little"


def test_without_rivals_nothing_is_judged() -> None:
    claim = ranks_first(scores(paper=[2.0] * 8), "MI", "paper", ["gtf"], ASKED)
    assert (claim.verdict, claim.data, claim.basis) == ("cannot be tested here", "", "")


@pytest.mark.parametrize(
    ("lead", "p", "verdict"),
    [
        (0.1, 0.01, "holds"),
        (0.1, 0.2, "cannot be tested here"),
        (0.0, 0.01, "cannot be tested here"),
        (-0.1, 0.2, "cannot be tested here"),
        (-0.1, 0.01, "does not hold"),
    ],
)
def test_a_lead_or_a_defeat_has_to_be_more_than_chance(lead: float, p: float, verdict: str) -> None:
    assert lead_verdict(lead, p) == verdict


def leg(steps: int, **more: object) -> dict[str, object]:
    return {"steps": steps, "settings": {"batch": 64, "crop": 64}, **more}


@pytest.mark.parametrize(
    ("training", "why"),
    [
        (leg(24_570), ""),
        (leg(12_285), ""),
        (leg(10_000, start={"training": leg(2_285)}), ""),
        (leg(1_000), "the network saw 4.1 % of the pixels of the paper's schedule"),
        ({}, ""),  # a file of the user's own, of which nothing is known
    ],
)
def test_a_network_that_saw_little_is_undertrained(training: dict[str, object], why: str) -> None:
    assert too_little(training) == why
