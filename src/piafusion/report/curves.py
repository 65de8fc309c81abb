"""Cumulative curves as SVG, like Figs. 16 and 17 of the PIAFusion paper."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from piafusion.errors import needing
from piafusion.report.document import LineStyle

with needing("eval", "drawing curves"):
    import matplotlib as mpl
    from matplotlib.figure import Figure

_COLOURS = (
    *("#3b82d6", "#e07b00", "#2a9d5c", "#c43d8b", "#8a63d2", "#a08a00", "#00a0b0", "#d1493f"),
)
_BASELINES = {
    **{"average": ("#8a8a8a", ":"), "maximum": ("#8a8a8a", "--"), "visible": ("#8a8a8a", "-.")}
}
_INK = "#010203"  # replaced by the colour of the page's text


def line_styles(methods: Sequence[str]) -> dict[str, LineStyle]:
    """Return a different line style for each method; the three baselines are grey."""
    others = [name for name in methods if name not in _BASELINES]
    dashes = ("-", "-.", "--", ":")
    chosen = {
        name: (_COLOURS[index % len(_COLOURS)], dashes[index // len(_COLOURS) % len(dashes)])
        for index, name in enumerate(others)
    }
    return {name: _BASELINES.get(name) or chosen[name] for name in methods}


def cumulative_curves(
    data: str, metric: str, values: Mapping[str, ArrayLike], styles: Mapping[str, LineStyle]
) -> str:
    """Draw the values of one metric.

    A point (x, y) says that the share x of the pairs has a value of at most y.

    Returns:
        An SVG element to put into an HTML page; text and axes take the page's colour.
    """
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": f"{data} {metric}",
        "font.family": "sans-serif",
        "text.color": _INK,
        "axes.edgecolor": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(4.6, 3.3), layout="constrained")
        axes = figure.add_subplot()
        for method, scores in values.items():
            heights = np.sort(np.asarray(scores, dtype=np.float64))
            shares = np.arange(1, len(heights) + 1) / len(heights)
            colour, dash = styles[method]
            marker = "." if dash == "-" and len(heights) <= 60 else ""
            axes.plot(shares, heights, color=colour, ls=dash, lw=1.6, marker=marker, ms=5)
        axes.set(title=metric, xlabel="share of pairs", xlim=(0, 1.02))
        axes.grid(alpha=0.2, color=_INK)
        axes.spines[["top", "right"]].set_visible(False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return _embedded(stream.getvalue(), f"{metric} on {data}, cumulative")


def _embedded(document: str, title: str) -> str:
    """Keep only the svg element, without a fixed size and in the page's colour."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2).replace("xlink:href", "href")
    svg = re.sub(r'(<g id="patch_1">).*?(</g>)', r"\1\2", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'(<g id="patch_2">).*?(</g>)', r"\1\2", svg, count=1, flags=re.DOTALL)
    return svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1).replace(
        _INK, "currentColor"
    )
