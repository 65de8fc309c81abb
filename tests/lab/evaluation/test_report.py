import base64
import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion.imaging.io import read_image, write_image
from piafusion.lab.evaluation.methods import GivenPictures, baselines
from piafusion.lab.evaluation.predict import predict
from piafusion.lab.evaluation.report import write_report
from piafusion.lab.evaluation.run import score_sets
from piafusion.lab.evaluation.sets import DataSet
from tests.conftest import scene

METRICS = ["MI", "MSE"]
VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects what a browser might load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "poster", "action", "xlink:href"):
                self.loads.append(value or "")
            if name == "id" and tag == "h2":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def output(data: DataSet, tmp_path: Path) -> Path:
    """The report of both baselines and of one method that lacks two of four pairs."""
    theirs = tmp_path / "theirs"
    write_image(theirs / "1D.png", scene(seed=0)[1])
    write_image(theirs / "4N.png", scene(seed=3)[1])
    methods = [*baselines(), GivenPictures("a<b", {"tiny": theirs})]
    out = tmp_path / "out"
    list(predict(methods, [data], out))
    scored = {"metrics": METRICS, "convention": "float", "against": "maximum"}
    done = score_sets([data], methods, out, jobs=1, **scored)
    (result,) = done.results
    assert len(done.scores) == 14
    assert [table["title"] for table in result.as_json()["tables"]] == [
        "tiny",
        "tiny by day",
        "tiny by night",
        "tiny, the pairs that every method has",
    ]
    write_report(done, out, scenes=2, **scored)
    return out


def test_the_page_is_whole_and_loads_nothing(output: Path) -> None:
    text = (output / "report.html").read_text()
    page = Page(text)
    assert page.ids == ["tiny", "what-is-missing"]
    assert page.loads
    for target in page.loads:
        assert target.startswith(("data:image/webp;base64,", "#")), target
    assert not re.findall(r"https?://|url\((?!#)|@import|<script|<link|<iframe", text)
    assert "default-src 'none'" in text
    assert 'name="viewport" content="width=device-width' in text
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"\bnan\b", text)


def test_the_page_shows_marks_parts_tests_times_curves_and_scenes(output: Path) -> None:
    text = (output / "report.html").read_text()
    assert "<th>MI ↑</th><th>MSE ↓</th>" in text
    assert "a&lt;b (2 of 4)" in text
    assert "a<b" not in text
    (main,) = re.findall(r"<tbody>(.*?)</tbody>", text)[:1]
    rows = dict(re.findall(r"<tr><th>(.*?)</th>(.*?)</tr>", main))
    kinds = {name: re.findall(r"<td(?: class=(\w+))?>", cells) for name, cells in rows.items()}
    # MI is higher by maximum, the error lower by average; who lacks pairs has no mark.
    assert kinds == {
        "average": ["", "best"],
        "maximum": ["second", "second"],
        "visible": ["best", ""],
        "a&lt;b (2 of 4)": ["", ""],
    }
    for words in ("by day: 2 pairs", "every method has: 2 pairs", "Against maximum", "Processor: "):
        assert words in text
    assert text.count("currentColor") > 2
    assert "<h3>1D</h3>" in text
    assert "<h3>4N</h3>" in text
    assert text.count('<img src="data:') == 2 * 5
    assert "no fused image for 2 of 4 pairs: 2D, 3N" in text


def test_pictures_of_the_page_can_be_read(output: Path) -> None:
    text = (output / "report.html").read_text()
    for data in re.findall(r"data:image/webp;base64,([^\"]+)", text):
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape[1] == 400


def test_all_rows_are_in_the_csv(output: Path) -> None:
    with (output / "per-image.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["dataset", "stem", "light", "method", "MI", "MSE"]
    assert len(rows) == 14
    assert {(row["stem"], row["light"]) for row in rows if row["method"] == "a<b"} == {
        ("1D", "day"),
        ("4N", "night"),
    }


def test_texts_hold_the_same_tables(output: Path) -> None:
    markdown = (output / "tables.md").read_text()
    for title in ("## tiny, 4 pairs", "### by night: 2 pairs", "### Against maximum"):
        assert title in markdown
    tables = re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE)
    assert len(tables) == 4 + 1 + 1  # all pairs and parts, tests, times
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "Boxes" not in markdown  # there are no pictures
    assert "share x of the pairs" not in markdown
    latex = (output / "tables.tex").read_text()
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == 4


def test_the_contact_sheet_is_a_picture(output: Path) -> None:
    sheet = read_image(output / "sheets" / "tiny.jpg")
    assert sheet.shape[1] > 5 * 400
