"""A report as one web page that loads nothing from elsewhere."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.report.document import (
    Block,
    Bullets,
    Cell,
    Curves,
    Document,
    LineStyle,
    Pictures,
    Table,
    Text,
)

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
@media print { :root { color-scheme: light; --ground: #fff; --ink: #000; --soft: #444;
  --line: #bbb; --panel: #f4f6f9; --best: #d9f2df; } nav { display: none; }
  h2, h3 { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""

_WIDEST = 6  # pictures side by side
_DASHES = {"-": "", "--": "6 3", ":": "2 2", "-.": "7 2 2 2"}
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html(document: Document) -> str:
    """Return a document as a web page."""
    anchors = [_anchor(section.link or section.title) for section in document.sections]
    links = (
        f'<a href="#{anchor}">{escape(section.link or section.title)}</a>'
        for anchor, section in zip(anchors, document.sections, strict=True)
    )
    body = [f"<h1>{escape(document.title)}</h1>", *map(_block, document.introduction)]
    body.append(f"<nav>{''.join(links)}</nav>")
    for anchor, section in zip(anchors, document.sections, strict=True):
        body.append(f'<h2 id="{anchor}">{escape(section.title)}</h2>')
        body += map(_block, section.blocks)
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(document.title)}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            *body,
            "</body>",
            "</html>",
            "",
        )
    )


def _anchor(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text.lower()).strip("-")


def _block(block: Block) -> str:
    if isinstance(block, Table) and block.folded:
        return f"<details><summary>{escape(block.title)}</summary>{_table(block)}</details>"
    title = f"<h3>{escape(block.title)}</h3>" if block.title else ""
    if isinstance(block, Text):
        return f"{title}<p{' class=soft' if block.note else ''}>{escape(block.text)}</p>"
    if isinstance(block, Bullets):
        return f"{title}<ul>{''.join(f'<li>{escape(item)}</li>' for item in block.items)}</ul>"
    if isinstance(block, Table):
        return title + _table(block)
    if isinstance(block, Pictures):
        return title + _pictures(block.pictures)
    return f'{title}{_legend(block)}<div class="curves">{"".join(block.drawings)}</div>'


def _table(table: Table) -> str:
    """Return a table that scrolls sideways under its first column."""
    head = "".join(f"<th>{escape(text)}</th>" for text in table.header)
    rows = (
        f"<tr><th>{escape(first.text)}</th>{''.join(map(_cell, others))}</tr>"
        for first, *others in table.cells
    )
    return (
        f'<div class="scroll"><table{" class=prose" if table.prose else ""}>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.mark:
        tag = {"best": "b", "second": "u"}[cell.mark]
        text = f"<{tag}>{text}</{tag}>"
    if cell.spread:
        text += f' <span class="std">± {escape(cell.spread)}</span>'
    if cell.detail:
        text += f"<small>{escape(cell.detail)}</small>"
    return f"<td{f' class={cell.mark}' if cell.mark else ''}>{text}</td>"


def _pictures(pictures: Mapping[str, NDArray[np.uint8]]) -> str:
    """Return pictures side by side, on a wide screen in rows of equal length."""
    rows = math.ceil(len(pictures) / _WIDEST)
    columns = math.ceil(len(pictures) / rows)
    figures = "".join(_picture(image, caption) for caption, image in pictures.items())
    return f'<div class="sheet" style="--columns: {columns}">{figures}</div>'


def _picture(image: NDArray[np.uint8], caption: str) -> str:
    if image.ndim == 3:
        image = np.ascontiguousarray(image[..., ::-1])
    _, encoded = cv2.imencode(".webp", image, (cv2.IMWRITE_WEBP_QUALITY, 82))
    data = base64.b64encode(encoded.tobytes()).decode()
    height, width = image.shape[:2]
    name = escape(caption)
    return (
        f'<figure><img src="data:image/webp;base64,{data}" alt="{name}" width="{width}" '
        f'height="{height}" loading="lazy"><figcaption>{name}</figcaption></figure>'
    )


def _legend(curves: Curves) -> str:
    entries = (_legend_entry(name, style) for name, style in curves.legend.items())
    return f'<div class="legend">{"".join(entries)}</div>'


def _legend_entry(name: str, style: LineStyle) -> str:
    colour, dash = style
    return (
        '<span><svg viewBox="0 0 32 10"><line x1="0" y1="5" x2="32" y2="5" '
        f'stroke="{colour}" stroke-width="3" stroke-dasharray="{_DASHES[dash]}"/></svg>'
        f"{escape(name)}</span>"
    )
