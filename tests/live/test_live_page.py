"""The live page in two browsers at once: pictures, figures, controls, aligning by hand."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import cv2
import numpy as np
import pytest

from piafusion.imaging.align import read_alignment
from piafusion.live.app import _FILES
from tests.server.browser import BROWSER, DRIVER, pages

STATIC = Path(__file__).parents[2] / "src/piafusion/live/static"


def test_nothing_comes_from_elsewhere() -> None:
    assert {path.name for path in STATIC.iterdir()} <= {
        Path(name).name for name, _ in _FILES.values()
    }
    for path in STATIC.iterdir():
        assert not re.search(r"https?://| style=", path.read_text()), path


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a page with the synthetic street."""
    heard = "import signal; signal.signal(2, signal.default_int_handler)"  # also behind nohup
    main = f"{heard}; from piafusion.cli import main; main()"
    options = ["--port=0", "--precision=float", f"--output={tmp_path}"]
    command = [sys.executable, "-c", main, "live", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        yield found[0]
        process.send_signal(2)
        process.communicate(timeout=60)
        assert process.returncode == 130


def test_an_mjpeg_stream_ends_with_the_command(
    address: str, request: pytest.FixtureRequest
) -> None:
    stream = urlopen(f"{address}v1/live/stream", timeout=60)  # noqa: S310 - our own
    request.node.stream = stream  # open until the command has ended
    assert stream.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
    for _ in range(3):
        head = [stream.readline() for _ in range(4)]
        assert head[:2] == [b"--frame\r\n", b"Content-Type: image/jpeg\r\n"]
        jpeg = stream.read(int(head[2].split()[1]))
        assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1).shape == (480, 640, 3)
        assert stream.readline() == b"\r\n"


@pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium, chromedriver")
def test_two_browsers_watch(address: str, tmp_path: Path) -> None:
    with pages() as page:
        one, other = page(tmp_path, (1280, 900)), page(tmp_path, (390, 844))
        for each, width in ((one, 1280), (other, 390)):
            each.open(address)
            each.wait("/^\\d+ ms$/.test(document.getElementById('delay').textContent)")
            each.wait("Number(document.getElementById('rate').textContent) > 1")
            assert each.run("return document.documentElement.scrollWidth") <= width
            canvas = "document.getElementById('picture')"
            assert each.run(f"return [{canvas}.width, {canvas}.height]") == [640, 480]
        one.run(
            "const slider = document.getElementById('strength'); slider.value = '1';"
            "slider.dispatchEvent(new Event('input'))"
        )
        other.wait("document.getElementById('strength').value === '1'")
        other.run(
            "document.getElementById('align').open = true;"
            "document.querySelector('#preview input[value=checker]').click();"
            "document.getElementById('picture').focus()"
        )
        one.wait("document.getElementById('view').value === 'checker'")
        other.press("right", "right", "left")
        other.click("[data-move='y,1']")
        one.wait("document.getElementById('nudge-note').textContent.startsWith('1 right, 1 down')")
        other.click("#save")
        other.wait("document.getElementById('status').textContent.includes('.json: saved;')")
        (rig,) = tmp_path.glob("rig-*.json")
        assert read_alignment(rig).matrix[:2, 2].tolist() == [-1, -1]
        one.click("#snapshot")
        one.wait("true")
        assert one.messages() == other.messages() == []
