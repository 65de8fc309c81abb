from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from piafusion.server.settings import ServerSettings
from tests.video.conftest import moving, write_video


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ServerSettings, Any]]:
    """The settings and the application that a server would have run with."""
    found: list[tuple[ServerSettings, Any]] = []

    def run(settings: ServerSettings, bound, make_app, level: str) -> bool:
        bound.close()
        found.append((settings, make_app(settings)))
        return False

    monkeypatch.setattr("piafusion.server.run.run", run)
    monkeypatch.delenv("PIAFUSION_TOKEN", raising=False)
    return found


@pytest.fixture
def clips(tmp_path: Path) -> tuple[Path, Path]:
    infrared, visible = moving(3)
    return write_video(tmp_path / "ir.mp4", infrared), write_video(tmp_path / "vi.mp4", visible)


def test_this_machine_alone_by_default(piafusion, served) -> None:
    done = piafusion("live", "--port", 0)
    assert (done.code, done.err, done.out) == (0, "", "")
    settings, _ = served[0]
    assert settings.token is None
    assert settings.hosts == ("localhost", "127.0.0.1", "[::1]", "::1")


def test_others_need_a_token_which_is_made(piafusion, served, clips) -> None:
    done = piafusion("live", *clips, "--port=0", "--host=0.0.0.0", "--offset=-0.1")
    assert done.code == 0, done.err
    token = re.search(r"to watch: http://[\d.]+:\d+/#token=(\S{12})$", done.out, re.MULTILINE)
    assert token is not None
    assert served[0][0].token == token[1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none.mp4", "vi.mp4"], 1, "none.mp4: expected a video"),
        (["ir.mp4"], 2, "expected two videos, or one and --layout"),
        (["ir.mp4", "vi.mp4", "--view=flicker"], 2, "expected a view with one picture"),
        (["ir.mp4", "vi.mp4", "--strength=2"], 2, "strength"),
        (["ir.mp4", "vi.mp4", "--output=ir.mp4"], 2, "ir.mp4: expected a folder"),
        (
            ["ir.mp4", "vi.mp4", "--model=paper", "--strength=0.5"],
            2,
            "expected a model that judges",
        ),
        (["--offset=auto"], 2, "--offset: expected"),
        (["dshow:video=a", "dshow:video=b"], 1, "expected a video that FFmpeg can open"),
        (["ir.mp4", "./ir.mp4"], 2, "ir.mp4: expected an infrared and a visible video"),
    ],
)
def test_wrong_use(
    piafusion, served, clips, monkeypatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(clips[0].parent)
    done = piafusion("live", "--port=0", *arguments)
    assert done.code == code
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not served
