"""The page in a browser: pictures in, slider, options, refusals, download. With keys alone, too."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from piafusion import Fuser
from piafusion.imaging.io import decode_photo, encode_image, read_image
from piafusion.server.app import _FILES
from tests.conftest import scene
from tests.imaging.flir_files import both
from tests.server.browser import BROWSER, DRIVER, Page, pages
from tests.server.live import TOKEN, Live, serving

STATIC = Path(__file__).parents[2] / "src/piafusion/server/static"
DESKTOP, PHONE = (1280, 900), (360, 740)
needs_browser = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium, chromedriver")
FUSED = "document.getElementById('status').textContent.startsWith('Fused with')"


DROP = """
return (async () => {
  const transfer = new DataTransfer();
  for (const side of ["vi", "ir"]) {
    const data = await (await fetch(`page/scenes/${side}/street_D.png`)).blob();
    transfer.items.add(new File([data], `a_${side}.png`, {type: "image/png"}));
  }
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true}));
})()
"""


def test_nothing_comes_from_elsewhere() -> None:
    names = {"views.html", *(name for name, _ in _FILES.values())}
    assert names == {path.name for path in STATIC.iterdir()}
    for path in STATIC.iterdir():
        addresses = set(re.findall(r"https?://[^\"'\s)>]+", path.read_text()))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path
        assert " style=" not in path.read_text()  # which the policy would refuse


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving("--model", "piafusion-fast") as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with pages() as page:
        yield page


def enter(page: Page, live: Live) -> None:
    """Open the page and give it the token."""
    page.open(live.url)
    page.wait("!document.getElementById('token-field').hidden")
    page.type("#token", TOKEN)
    page.run("document.getElementById('token').blur()")
    page.wait("document.querySelectorAll('#how option').length > 5")


@needs_browser
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_pair_is_fused_compared_and_saved(
    size: tuple[int, int], browser: Any, live: Live, pair_files: tuple[Path, Path], tmp_path: Path
) -> None:
    page = browser(tmp_path, size)
    enter(page, live)
    assert "expected the server's token" not in page.text("#status")
    page.type("#infrared", str(pair_files[0]))
    page.type("#visible", str(pair_files[1]))
    page.wait(FUSED)
    page.wait("document.getElementById('metrics').childElementCount > 0")  # a little later
    assert page.text("#how-note") == "Video rate on two cores."
    assert re.fullmatch(r"(Day|Night), \d+ %", page.text("#light"))
    assert [f"{name}" for name in re.findall(r"[A-Za-z]+", page.text("#metrics"))] == [
        "MI", "SD", "SF", "VIF", "Qabf"
    ]  # fmt: skip
    width = page.run("return document.documentElement.scrollWidth")
    assert width <= size[0]
    shown = page.run(
        "const image = document.getElementById('image-right');"
        "return [image.naturalWidth, image.naturalHeight, image.alt]"
    )
    assert shown == [128, 96, "fused picture, on the right"]

    page.run("document.getElementById('divider').scrollIntoView({block: 'center'})")
    page.drag("#divider", 0.5, 0.2)
    at = float(
        page.run(
            "return getComputedStyle(document.getElementById('stage')).getPropertyValue('--at')"
        )
    )
    assert at == pytest.approx(20, abs=6)
    page.run("document.getElementById('divider').focus()")
    page.press("right", "right")
    page.wait(f"Number(document.getElementById('divider').value) === {at + 2}")
    page.run("document.querySelector('input[name=left][value=visible]').click()")
    assert page.run("return document.getElementById('image-left').alt").startswith("visible")

    both = (
        "return ['left', 'right'].map((side) => {"
        "const {x, y, width} = document.getElementById(`image-${side}`).getBoundingClientRect();"
        "return [x, y, width].map(Math.round).join() })"
    )
    page.press("+", "+", "+")  # at the divider
    left, right = page.run(both)
    assert left == right
    assert page.text("#zoom-fit") == "338 %"
    page.drag("#stage", 0.7, 0.9)  # beside the divider: both are moved
    moved, right = page.run(both)
    assert moved == right != left
    assert page.run("return Number(document.getElementById('divider').value)") == at + 2
    page.press("0")
    assert page.text("#zoom-fit") == "100 %"

    expected = Fuser("piafusion-fast")(*map(read_image, pair_files))
    for suffix in ("png", "tiff"):
        page.run(f"document.getElementById('format').value = '{suffix}'")
        page.click("#download")
        saved = tmp_path / f"vi-fused.{suffix}"
        end = time.monotonic() + 60
        while not saved.exists() and time.monotonic() < end:
            time.sleep(0.05)
        np.testing.assert_array_equal(read_image(saved), expected)
    page.run(
        "const slider = document.getElementById('strength'); slider.value = '0';"
        "slider.dispatchEvent(new Event('input'))"
    )
    page.wait("document.getElementById('strength-note').textContent === '0: the visible picture'")
    page.screenshot(tmp_path / "page.png")
    assert read_image(tmp_path / "page.png").shape[1] == size[0]
    assert [each for each in page.messages() if "401" not in each and "favicon" not in each] == []


@needs_browser
def test_one_photo_that_holds_both(browser: Any, live: Live, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(both())
    page = browser(tmp_path, DESKTOP)
    enter(page, live)
    page.type("#infrared", str(tmp_path / "photo.jpg"))
    page.wait(FUSED)
    size = "const {naturalWidth, naturalHeight} = document.getElementById('image-right');"
    assert page.run(f"{size} return [naturalWidth, naturalHeight]") == [320, 240]
    assert [each for each in page.messages() if "401" not in each and "favicon" not in each] == []


@needs_browser
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_views_their_bar_and_temperatures(
    size: tuple[int, int], browser: Any, live: Live, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(both())
    page = browser(tmp_path, size)
    enter(page, live)
    page.type("#infrared", str(tmp_path / "photo.jpg"))
    page.wait(FUSED)
    assert not page.run("return document.getElementById('bar').src")
    before = page.run("return document.getElementById('image-right').src")
    page.run(
        "const view = document.getElementById('view'); view.value = 'hot';"
        "view.dispatchEvent(new Event('change'))"
    )
    page.wait("document.getElementById('bar').naturalHeight === 240")
    assert page.run("return document.getElementById('image-right').src") != before
    assert "what is hot is coloured" in page.text("#view-note")
    page.click("#measure")
    page.wait("document.getElementById('ends').textContent.startsWith('All: ')")
    page.run("document.getElementById('pad').scrollIntoView({block: 'center'})")
    page.drag("#pad", 0.4, 0.6)
    page.wait("document.getElementById('ends').textContent.startsWith('Box: ')")
    page.wait("document.getElementById('point').textContent.includes('°C')")
    page.run("document.getElementById('pad').focus()")
    page.press("right")
    page.wait("/^161, 120: /.test(document.getElementById('point').textContent)")
    page.press("shift", "right", "down", "shift")
    page.wait("document.querySelector('#pad i').style.left === '50.3125%'")
    page.wait("document.querySelector('#pad i').style.height.startsWith('0.83')")  # two rows
    low, high, mean = map(float, re.findall(r"[-\d.]+(?= °C)", page.text("#ends")))
    degrees = decode_photo(both(), "photo").infrared
    assert degrees.min() - 0.1 <= low <= mean <= high <= degrees.max() + 0.1
    sides = page.run(
        "return ['stage', 'bar'].map((id) => document.getElementById(id).clientHeight)"
    )
    assert sides[0] == pytest.approx(sides[1], abs=2)
    page.screenshot(tmp_path / "page.png")
    assert page.run("return document.documentElement.scrollWidth") <= size[0]
    assert [each for each in page.messages() if "401" not in each and "favicon" not in each] == []


@needs_browser
def test_with_keys_alone_and_what_goes_wrong(browser: Any, live: Live, tmp_path: Path) -> None:
    page = browser(tmp_path, DESKTOP)
    enter(page, live)
    page.run("document.getElementById('visible').focus()")
    page.press("tab", "tab", "enter")  # the second scene
    page.wait(FUSED)
    assert page.text("#light").startswith("Night")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.run(f"return {outline}") == "solid"

    page.run("const how = document.getElementById('how'); how.value = 'method:average';"
             "how.dispatchEvent(new Event('change'))")  # fmt: skip
    page.wait("document.getElementById('status').textContent === 'Fused with average'")

    page.run(DROP)
    page.wait("document.getElementById('name-infrared').textContent === 'a_ir.png'")
    page.wait("document.getElementById('light').textContent.startsWith('Day')")
    assert page.text("#name-visible") == "a_vi.png"

    infrared = scene(96, 128)[0].astype(np.float32) + 7000  # no browser shows such a file
    (tmp_path / "counts.tiff").write_bytes(encode_image(infrared, ".tiff"))
    page.type("#infrared", str(tmp_path / "counts.tiff"))
    page.wait("document.getElementById('status').className === 'alert'")
    assert "infrared" in page.text("#status")
    assert "expected" in page.text("#status")
    assert page.run("return document.getElementById('download').disabled")
    (tmp_path / "vi.tiff").write_bytes(encode_image(scene(96, 128)[1], ".tiff"))
    page.type("#visible", str(tmp_path / "vi.tiff"))
    page.wait("document.getElementById('status').textContent.includes('Percentiles')")
    fix = "document.getElementById('fix')"
    page.wait(f"!{fix}.hidden && ({fix}.click(), true)")
    page.wait("document.getElementById('image-left').naturalWidth === 128")
    assert page.run("return document.getElementById('tone').value") == "percentile:1,99"
    assert not page.run("return document.getElementById('download').disabled")
    page.run("document.querySelector('input[name=right][value=visible]').click()")
    page.wait("document.getElementById('image-right').naturalWidth === 128")


def test_next_steps_name_controls_of_the_page(client) -> None:
    """The page names its own controls where messages for programs name options."""
    page, script = client.get("/").text, client.get("/page/script.js").text
    steps = script.partition("const NEXT_STEPS")[2].partition("};")[0]
    named = re.findall("“(.*?)”", steps) + re.findall(r"under ([A-Z][a-z ]+)", steps)
    assert len(named) >= 6
    for control in named:
        assert control in page, control
    aligned = {"infrared": encode_image(scene(64, 64)[0], ".png"),
               "visible": encode_image(scene(64, 80)[1], ".png")}  # fmt: skip
    files = {name: bytes(data) for name, data in aligned.items()}
    refused = client.post("/v1/fuse", files=files).json()
    assert refused["type"].split(":")[-1] in steps
    assert refused["detail"].count("; ") == 1  # the page replaces what follows
