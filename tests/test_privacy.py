"""Fusing, serving and video write nothing but the result, and call nobody."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest

from piafusion.files import write_bytes
from tests.conftest import scene
from tests.video.conftest import write_video

# Python's own calls are seen by its audit, those of libraries by strace, where that is installed.
HOOK = """
import os, sys
def hook(event, arguments):
    if event == "socket.connect" and arguments[0].family.name.startswith("AF_INET"):
        os.write(2, f"calls {arguments[1]}".encode())
        os._exit(66)
sys.addaudithook(hook)
from piafusion.cli import main
main()
"""
STRACE = shutil.which("strace")
if STRACE and subprocess.run([STRACE, "-o", os.devnull, "true"], check=False).returncode:
    STRACE = None  # not allowed here


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Start the command line where its home, caches and temporary files can be seen."""
    places = {"HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TMPDIR"}
    for name in places:
        (tmp_path / "places" / name).mkdir(parents=True)
    environment = {name: str(tmp_path / "places" / name) for name in places}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> subprocess.Popen:
        traced = ["-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(tmp_path / "calls")]
        command = [*([STRACE, *traced] if STRACE else []), sys.executable, "-c", HOOK, *arguments]
        return subprocess.Popen(
            command, env=kept | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return run


def check_traces(folder: Path, results: set[str]) -> None:
    """Compare what a command has left with what it was asked for."""
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left - {"calls", "ir.png", "vi.png", "ir.mkv", "vi.mkv"} == results
    if STRACE:
        calls = (folder / "calls").read_text()
        assert not re.search(r"connect\(.*AF_INET|send(to|msg)\(.*sin6?_addr", calls), calls


@pytest.mark.parametrize("command", ["fuse", "video"])
def test_a_command_leaves_nothing_but_its_result(start, tmp_path: Path, command: str) -> None:
    infrared, visible = scene()
    if command == "fuse":
        files = ["ir.png", "vi.png", "-o", "fused.png"]
        for name, picture in zip(files, (infrared, visible), strict=False):
            assert cv2.imwrite(name, picture)
    else:
        files = ["ir.mkv", "vi.mkv", "-o", "fused.mp4"]
        for name, picture in zip(files, (infrared, visible), strict=False):
            write_video(tmp_path / name, [picture] * 5)
    device = "openvino" if find_spec("openvino") else "auto"  # whichever could tell somebody
    with start(command, *files, "--device", device) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    check_traces(tmp_path, {files[-1]})


def test_a_server_leaves_nothing_and_calls_nobody(start, tmp_path: Path) -> None:
    parts = b""
    for name, picture in zip(("infrared", "visible"), scene(), strict=True):
        data = cv2.imencode(".png", picture)[1].tobytes()
        head = (
            f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="{name}.png"\r\n\r\n'
        )
        parts += head.encode() + data + b"\r\n"
    with start("serve", "--port", "0") as process:
        line = process.stdout.readline().decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{line.split(':')[2].split('/')[0]}/v1/fuse",
            parts + b"--x--\r\n",
            {"Content-Type": "multipart/form-data; boundary=x"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            write_bytes(tmp_path / "fused.png", answer.read())
        server = process.pid
        if STRACE:
            server = int(Path(f"/proc/{server}/task/{server}/children").read_text().split()[0])
        os.kill(server, signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert not errors.count(b"calls")
    check_traces(tmp_path, {"fused.png"})


def test_the_users_word_on_usage_data_counts() -> None:
    code = "import piafusion, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    for said, meant in ((None, "1"), ("0", "0")):
        environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
        environment |= {"ORT_DISABLE_TELEMETRY": said} if said else {}
        run = [sys.executable, "-c", code]
        done = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == meant
