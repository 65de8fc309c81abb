"""The report of a reproduction: a web page, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import piafusion
from piafusion.files import write_bytes
from piafusion.lab.paper.experiment import UNTESTED, Claim, Experiment
from piafusion.report.document import Block, Bullets, Document, Section, Table, Text
from piafusion.report.html import html
from piafusion.report.markdown import markdown
from piafusion.report.values import for_json, json_text

PAGE, TEXT, NUMBERS = "reproduction.html", "reproduction.md", "reproduction.json"
TITLE = "PIAFusion, reproduced"

_INTRODUCTION = (
    "The experiments of Tang, Yuan, Zhang, Jiang and Ma, PIAFusion (Information Fusion 83-84, "
    "2022), done again with piafusion {version}. Numbers of the paper are marked as such and "
    "copied as printed; all others were measured here."
)
_JUDGED = (
    "A claim about an order holds if the mean is the highest and the two-sided Wilcoxon test "
    "against the next is significant at 5 %. If the mean is the highest but the pairs are too few "
    "for significance, the claim cannot be tested here."
)


def write_report(experiments: Sequence[Experiment], output: Path, remarks: Sequence[str]) -> None:
    """Write `reproduction.html`, `reproduction.md` and `reproduction.json`.

    Args:
        experiments: In the order of the paper.
        output: Folder of the reproduction.
        remarks: Remarks about the whole, for the top of the page.
    """
    claims = [claim for each in experiments for claim in each.claims]
    summary: list[Block] = [Text(tally(claims)), claims_table(claims), Text(_JUDGED, note=True)]
    introduction = [_INTRODUCTION.format(version=piafusion.__version__), *remarks]
    document = Document(
        TITLE,
        [Text(text) for text in introduction],
        [Section("What the paper claims", summary, link="claims"), *map(_section, experiments)],
    )
    numbers = {
        "piafusion": piafusion.__version__,
        "claims": for_json(claims),
        "steps": {
            each.name: {"values": each.values, "deviations": each.deviations}
            for each in experiments
        },
    }
    write_bytes(output / PAGE, html(document).encode())
    write_bytes(output / TEXT, markdown(document).encode())
    write_bytes(output / NUMBERS, json_text(numbers).encode())


def claims_table(claims: Sequence[Claim]) -> Table:
    """Return a table of claims: section, claim, verdict, evidence."""
    rows = []
    for claim in claims:
        data = f"{claim.data}: " if claim.data else ""
        rows.append([claim.section, claim.text, claim.verdict, f"{data}{claim.evidence}"])
    return Table(["section", "the paper says", "here", "evidence"], rows, prose=True)


def tally(claims: Sequence[Claim]) -> str:
    """Return how many claims hold, do not hold, and cannot be tested, as a sentence."""
    verdicts = [claim.verdict for claim in claims]
    return (
        f"Of {len(claims)} claims {verdicts.count('holds')} hold, "
        f"{verdicts.count('does not hold')} do not, and {verdicts.count(UNTESTED)} "
        "cannot be tested here."
    )


def _section(experiment: Experiment) -> Section:
    blocks: list[Block] = [Text(f"The paper: {experiment.paper}"), *experiment.blocks]
    if experiment.deviations:
        blocks.append(Bullets(experiment.deviations, "What differs from the paper"))
    return Section(experiment.title, blocks)
