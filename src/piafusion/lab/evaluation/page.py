"""The parts of a web page that needs nothing but itself."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.lab.evaluation.figures import Style
from piafusion.lab.evaluation.tables import Cell, Table, heading, label, number

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2330; --soft: #5d6675;
  --line: #d9dde4; --panel: #f4f6f9; --best: #d9f2df; --link: #1a5fb4; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181f; --ink: #e6e9ee;
  --soft: #9aa4b2; --line: #333b47; --panel: #1c222b; --best: #1d4a2c; --link: #8ab8f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .5rem; padding-top: .75rem;
  border-top: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p, ul { margin: .5rem 0; max-width: 46rem; }
a { color: var(--link); }
nav a { display: inline-block; margin: 0 1rem .25rem 0; }
.soft, small, figcaption, caption { color: var(--soft); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; width: fit-content;
  max-width: 100%; }
table { border-collapse: collapse; overflow-wrap: normal; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .7rem; text-align: right; white-space: nowrap; vertical-align: top;
  border-bottom: 1px solid var(--line); }
tr:last-child > * { border-bottom: 0; }
thead th { background: var(--panel); }
th:first-child { position: sticky; left: 0; text-align: left; background: var(--panel);
  font-weight: 600; min-width: 6rem; max-width: 11rem; white-space: normal;
  overflow-wrap: break-word; }
td small { display: block; font-size: .75rem; line-height: 1.35; }
@media (max-width: 40rem) { body { padding: .75rem; } table { font-size: .875rem; }
  th, td { padding: .35rem .3rem; } td small { white-space: normal; }
  th:first-child { min-width: 4.5rem; max-width: 6rem; }
  .std { display: block; font-size: .85rem; white-space: nowrap; } }
.prose th, .prose td { text-align: left; white-space: normal; }
.prose th:first-child { min-width: 3.5rem; }
.best { background: var(--best); }
.best b { font-weight: 700; }
.second u { text-underline-offset: 3px; text-decoration-thickness: 2px; }
details { margin: .75rem 0; }
summary { cursor: pointer; font-weight: 600; padding: .25rem 0; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  gap: .5rem; max-width: 60rem; }
.curves svg { width: 100%; height: auto; font-family: system-ui, sans-serif; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .5rem 0; }
.legend span { display: inline-flex; align-items: center; gap: .4rem; }
.legend svg { width: 2rem; height: .7rem; }
.sheet { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); }
@media (min-width: 60rem) { .sheet { grid-template-columns: repeat(var(--columns), 1fr); } }
figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: 4px; }
figcaption { font-size: .85rem; padding-top: .15rem; }
"""

_WIDEST = 6  # pictures side by side
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title: str, body: Sequence[str]) -> str:
    """Return a document that may load nothing from anywhere."""
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            *body,
            "</body>",
            "</html>",
            "",
        )
    )


def score_table(table: Table) -> str:
    """Return means with standard deviations and 95 % intervals, the best two marked."""
    rows = [
        [label(table, method), *(_score(table, column, cell) for column, cell in enumerate(row))]
        for method, row in table.cells.items()
    ]
    return html_table([["method", *(heading(name) for name in table.metrics)], *rows])


def html_table(rows: Sequence[Sequence[str]], *, prose: bool = False) -> str:
    """Return a table that scrolls sideways under its first column.

    Args:
        rows: The header, then for each row a text for its first cell and for the others a whole
            `<td>`, or a text whose second line is shown small.
        prose: The cells are sentences: they stand to the left and are broken into lines.
    """
    heads = "".join(f"<th>{escape(text)}</th>" for text in rows[0])
    lines = []
    for first, *others in rows[1:]:
        cells = "".join(text if text.startswith("<td") else _cell(text) for text in others)
        lines.append(f"<tr><th>{escape(first)}</th>{cells}</tr>")
    return (
        f'<div class="scroll"><table{" class=prose" if prose else ""}>'
        f"<thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def legend(looks: Mapping[str, Style]) -> str:
    """Return the names of curves beside samples of them."""
    dashes = {"-": "", "--": "6 3", ":": "2 2", "-.": "7 2 2 2"}
    entries = (
        '<span><svg viewBox="0 0 32 10"><line x1="0" y1="5" x2="32" y2="5" '
        f'stroke="{colour}" stroke-width="3" stroke-dasharray="{dashes[dash]}"/></svg>'
        f"{escape(name)}</span>"
        for name, (colour, dash) in looks.items()
    )
    return f'<div class="legend">{"".join(entries)}</div>'


def picture(image: NDArray[np.uint8], caption: str) -> str:
    """Return a figure that holds its picture, H x W x 3 RGB."""
    _, encoded = cv2.imencode(
        ".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_WEBP_QUALITY, 82)
    )
    data = base64.b64encode(encoded.tobytes()).decode()
    height, width = image.shape[:2]
    name = escape(caption)
    return (
        f'<figure><img src="data:image/webp;base64,{data}" alt="{name}" width="{width}" '
        f'height="{height}" loading="lazy"><figcaption>{name}</figcaption></figure>'
    )


def sheet(cells: Mapping[str, NDArray[np.uint8]]) -> str:
    """Return figures side by side, by their captions; on a wide screen in rows of equal length."""
    rows = math.ceil(len(cells) / _WIDEST)
    columns = math.ceil(len(cells) / rows)
    figures = "".join(picture(image, caption) for caption, image in cells.items())
    return f'<div class="sheet" style="--columns: {columns}">{figures}</div>'


def details(summary: str, content: str) -> str:
    """Return content that opens when it is asked for."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def _cell(text: str) -> str:
    main, _, small = text.partition("\n")
    return f"<td>{escape(main)}{f'<small>{escape(small)}</small>' if small else ''}</td>"


def _score(table: Table, column: int, cell: Cell) -> str:
    if math.isnan(cell.mean):
        return f"<td>{number(cell.mean, 0)}</td>"
    places = table.decimals(column)
    mean, std, low, high = (
        number(value, places) for value in (cell.mean, cell.std, cell.low, cell.high)
    )
    around = {"best": "b", "second": "u", "": "span"}[cell.mark]
    kind = f' class="{cell.mark}"' if cell.mark else ""
    return (
        f"<td{kind}><{around}>{mean}</{around}> "
        f'<span class="std">± {std}</span><small>{low} to {high}</small></td>'
    )
