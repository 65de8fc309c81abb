import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from piafusion.report.document import (
    Bullets,
    Cell,
    Curves,
    Document,
    Pictures,
    Section,
    Table,
    Text,
)
from piafusion.report.html import html
from piafusion.report.text import csv_text, json_text, latex, markdown, plain

TABLE = Table(
    ["a", "b ↑"],
    [["<x>", Cell("1", "2", "0 to 3", "best")], ["y & z", Cell("2", mark="second")]],
    "Title",
)


def page(*blocks) -> str:
    return html(Document("Report", sections=[Section("Part <1>", blocks)]))


def test_a_table_in_every_format():
    written = page(TABLE)
    assert "<h3>Title</h3>" in written
    assert (
        "<th>&lt;x&gt;</th><td class=best><b>1</b> "
        '<span class="std">± 2</span><small>0 to 3</small></td>'
    ) in written
    assert "<td class=second><u>2</u></td>" in written
    text = markdown(Document("Report", [TABLE]))
    assert text == (
        "# Report\n\n### Title\n\n| a | b ↑ |\n| --- | --- |\n"
        "| <x> | **1** ± 2 (0 to 3) |\n| y & z | *2* |\n"
    )
    assert r"y \& z & 2 \\" in latex([TABLE], [])
    assert r"<x> & $\mathbf{1} \pm 2$ \\" in latex([TABLE], [])
    assert plain(TABLE) == ["a      b ↑", "<x>      1", "y & z    2"]


def test_texts_lists_and_links():
    blocks = [Text("1 < 2", note=True), Bullets(["one", "two"], "List")]
    written = page(*blocks)
    assert '<a href="#part-1">Part &lt;1&gt;</a>' in written
    assert '<h2 id="part-1">Part &lt;1&gt;</h2>' in written
    assert "<p class=soft>1 &lt; 2</p>" in written
    assert "<h3>List</h3><ul><li>one</li><li>two</li></ul>" in written
    assert markdown(Document("R", blocks)) == "# R\n\n1 < 2\n\n### List\n\n- one\n- two\n"


def test_pictures_and_curves_are_in_the_page_alone():
    picture = np.zeros((4, 4, 3), np.uint8)
    blocks = [
        Pictures({"caption": picture}, "Scene"),
        Curves(["<svg/>"], {"mine": ("#010101", "--")}, "Lines"),
        Text("about them", about_pictures=True),
    ]
    written = page(*blocks)
    assert 'alt="caption" width="4" height="4"' in written
    assert 'stroke-dasharray="6 3"' in written
    assert "about them" in written
    assert markdown(Document("R", blocks)) == "# R\n"


def test_rows_of_pictures_have_equal_lengths():
    picture = np.zeros((4, 4), np.uint8)
    for count, columns in ((1, 1), (5, 5), (6, 6), (7, 4), (11, 6), (13, 5)):
        pictures = Pictures({str(index): picture for index in range(count)})
        assert f"--columns: {columns}" in page(pictures)


def test_a_folded_table_opens_on_demand():
    folded = page(Table(["a"], [["b"]], "Part", folded=True))
    assert "<details><summary>Part</summary>" in folded


@dataclass
class Record:
    value: float
    path: Path


def test_json_and_csv_have_no_numbers_that_others_cannot_read():
    assert json_text([Record(math.nan, Path("a")), Record(math.inf, Path("b"))]) == (
        '[\n  {\n    "value": null,\n    "path": "a"\n  },\n'
        '  {\n    "value": "inf",\n    "path": "b"\n  }\n]\n'
    )
    assert csv_text(["a", "b"], [(1.5, math.nan), ("x,y", None)]) == 'a,b\n1.5,\n"x,y",\n'
