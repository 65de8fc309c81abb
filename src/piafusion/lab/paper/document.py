"""A reproduction as one web page that needs nothing else, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import piafusion
from piafusion.lab.evaluation.page import html_table, page, score_table, sheet
from piafusion.lab.evaluation.tables import markdown, pipes
from piafusion.lab.paper.section import Block, Claim, Drawing, Grid, Scores, Section, Sheet, Text

TITLE = "PIAFusion, reproduced"
_VERDICTS = ("holds", "does not hold", "cannot be tested here")
_LEAD = (
    "The experiments of Tang, Yuan, Zhang, Jiang and Ma, PIAFusion (Information Fusion 83-84, "
    "2022), done again with piafusion {version}. Numbers said to be the paper's are as printed "
    "there; all others were measured here."
)
_JUDGED = (
    "A claim about an order holds if the mean is the highest and the two-sided Wilcoxon test "
    "against the next shows it at 5 %; where the mean is the highest and the pairs are too few to "
    "show it, it cannot be tested here."
)


def web_page(sections: Sequence[Section], remarks: Sequence[str]) -> str:
    """Return the page.

    Args:
        sections: In the order of the paper.
        remarks: About the whole: what was left out and why.
    """
    claims = [claim for section in sections for claim in section.claims]
    links = [("claims", "claims"), *((section.name, section.title) for section in sections)]
    anchors = "".join(f'<a href="#{name}">{escape(text)}</a>' for name, text in links)
    body = [
        f"<h1>{TITLE}</h1>",
        f"<p>{escape(_LEAD.format(version=piafusion.__version__))}</p>",
        *(f"<p>{escape(remark)}</p>" for remark in remarks),
        f"<nav>{anchors}</nav>",
        '<h2 id="claims">What the paper claims</h2>',
        f"<p>{escape(tally(claims))}</p>",
        html_table(claims_table(claims), prose=True),
        f'<p class="soft">{escape(_JUDGED)}</p>',
    ]
    for section in sections:
        body.append(f'<h2 id="{section.name}">{escape(section.title)}</h2>')
        body.append(f"<p><b>The paper:</b> {escape(section.paper)}</p>")
        body.extend(_html(block) for block in section.blocks)
        if section.deviations:
            items = "".join(f"<li>{escape(text)}</li>" for text in section.deviations)
            body.append(f"<h3>What differs from the paper</h3><ul>{items}</ul>")
    return page(TITLE, body)


def markdown_text(sections: Sequence[Section], remarks: Sequence[str]) -> str:
    """Return tables and claims, without pictures."""
    claims = [claim for section in sections for claim in section.claims]
    lines = [f"# {TITLE}", "", _LEAD.format(version=piafusion.__version__)]
    for remark in remarks:
        lines += ["", remark]
    lines += ["", "## What the paper claims", "", tally(claims), ""]
    lines += [*pipes(claims_table(claims)), "", _JUDGED]
    for section in sections:
        lines += ["", f"## {section.title}", "", f"The paper: {section.paper}"]
        for block in section.blocks:
            lines += _markdown(block)
        if section.deviations:
            lines += ["", "What differs from the paper:", ""]
            lines += [f"- {text}" for text in section.deviations]
    return "\n".join([*lines, ""])


def claims_table(claims: Sequence[Claim]) -> list[list[str]]:
    """Return header and rows: section, claim, verdict, evidence."""
    rows = [["section", "the paper says", "here", "evidence"]]
    for claim in claims:
        where = f"{claim.data}: " if claim.data else ""
        rows.append([claim.section, claim.text, claim.verdict, f"{where}{claim.evidence}"])
    return rows


def tally(claims: Sequence[Claim]) -> str:
    """Return how many claims hold, do not, and cannot be tested, as a sentence."""
    counts = {verdict: sum(claim.verdict == verdict for claim in claims) for verdict in _VERDICTS}
    return (
        f"Of {len(claims)} claims {counts['holds']} hold, {counts['does not hold']} do not, and "
        f"{counts['cannot be tested here']} cannot be tested here."
    )


def _html(block: Block) -> str:
    if isinstance(block, Text):
        return f"<p{' class=soft' if block.soft else ''}>{escape(block.text)}</p>"
    title = f"<h3>{escape(block.title)}</h3>" if block.title else ""
    if isinstance(block, Grid):
        return title + html_table(block.rows)
    if isinstance(block, Scores):
        return title + score_table(block.table)
    if isinstance(block, Sheet):
        return title + sheet(block.cells)
    return f'{title}{block.legend}<div class="curves">{"".join(block.svgs)}</div>'


def _markdown(block: Block) -> list[str]:
    if isinstance(block, Text):
        return ["", block.text]
    if isinstance(block, (Sheet, Drawing)):
        return []
    title = ["", f"### {block.title}"] if block.title else []
    if isinstance(block, Scores):
        return [*title, "", markdown(block.table, intervals=True)]
    return [*title, "", *pipes(block.rows)]
