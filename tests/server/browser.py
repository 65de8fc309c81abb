"""A headless Chromium, driven over the WebDriver protocol with the standard library alone."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DRIVER = shutil.which("chromedriver")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's own key
_KEYS = {"left": "\ue012", "right": "\ue014", "down": "\ue015", "tab": "\ue004", "enter": "\ue007"}
_SHIFT = "\ue008"


class Page:
    """One tab."""

    def __init__(self, driver: str, downloads: Path, size: tuple[int, int]) -> None:
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                     "--disable-gpu", f"--window-size={size[0]},{size[1]}"]  # fmt: skip
        options = {
            "binary": BROWSER,
            "args": arguments,
            "mobileEmulation": {
                "deviceMetrics": {"width": size[0], "height": size[1], "pixelRatio": 1}
            },
            "prefs": {"download.default_directory": str(downloads)},
        }
        wanted = {"browserName": "chrome", "goog:chromeOptions": options,
                  "goog:loggingPrefs": {"browser": "ALL"}}  # fmt: skip
        self._driver = driver
        self._session = ""
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{made['sessionId']}"

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(
            f"{self._driver}{self._session}{path}", data, {"Content-Type": "application/json"},
            method=method,
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(json.load(error)["value"]["message"]) from error

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def _find(self, selector: str) -> str:
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        return f"/element/{found[_ELEMENT]}"

    def click(self, selector: str) -> None:
        self._ask("POST", f"{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._ask("POST", f"{self._find(selector)}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Press keys wherever the focus is; after "shift" it is held down until the next one."""
        strokes, held = [], False
        for key in keys:
            if key == "shift":
                held = not held
                strokes.append({"type": "keyDown" if held else "keyUp", "value": _SHIFT})
            else:
                value = _KEYS.get(key, key)
                strokes += [{"type": kind, "value": value} for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [
            {"type": "key", "id": "keys", "actions": strokes}
        ]})  # fmt: skip

    def drag(self, selector: str, start: float, end: float) -> None:
        """Drag within an element, by shares of its width."""
        box = self.run(
            f"const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            "return [b.x, b.y, b.width, b.height]"
        )
        points = [
            {"x": int(box[0] + at * box[2]), "y": int(box[1] + box[3] / 2)} for at in (start, end)
        ]
        moves = [
            {"type": "pointerMove", "duration": 0, **points[0]},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "duration": 100, **points[1]},
            {"type": "pointerUp", "button": 0},
        ]
        self._ask("POST", "/actions", {"actions": [
            {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
             "actions": moves}
        ]})  # fmt: skip

    def run(self, script: str) -> Any:
        """Run JavaScript, which `return`s what is wanted."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def wait(self, script: str, seconds: float = 60) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(f"return Boolean({script})"):
            status = self.run("return document.getElementById('status').textContent")
            assert time.monotonic() < end, f"{script}: not within {seconds} s; {status}"
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        return str(self.run(f"return document.querySelector({json.dumps(selector)}).textContent"))

    def messages(self) -> list[str]:
        """Return what the console holds: errors, and what the policy has refused."""
        return [each["message"] for each in self._ask("POST", "/se/log", {"type": "browser"})]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def close(self) -> None:
        self._ask("DELETE", "")


@contextmanager
def pages() -> Iterator[Any]:
    """Start the driver; yield what opens tabs, which are closed in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    opened: list[Page] = []
    command = [str(DRIVER), f"--port={port}", "--log-level=OFF"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        try:
            end = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < end
                    time.sleep(0.05)

            def page(downloads: Path, size: tuple[int, int]) -> Page:
                opened.append(Page(f"http://127.0.0.1:{port}", downloads, size))
                return opened[-1]

            yield page
            for each in opened:
                each.close()
        finally:
            driver.terminate()
