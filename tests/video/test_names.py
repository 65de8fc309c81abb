import os
from pathlib import Path

import pytest

from piafusion.video.names import is_pipe, is_same_file, local_path, url, without_password


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.mp4").write_bytes(b"1")
    return tmp_path


def test_a_colon_belongs_to_the_name(folder: Path) -> None:
    for name in ("2024-01-01T12:00:00.mp4", "12:30.mp4", "concat:x.mp4"):
        (folder / name).write_bytes(b"2")
        assert (local_path(name), url(name)) == (Path(name), f"file:{name}")
    assert url("not:there.mp4") == "file:not:there.mp4"


def test_addresses_are_left_as_they_are(folder: Path) -> None:
    for name in ("rtsp://camera/stream", "pipe:0", "concat:a.ts|b.ts", "cache:x.mp4"):
        assert url(name) == name
    for name in ("rtsp://camera/stream", "pipe:0", "concat:a.ts|b.ts"):
        assert local_path(name) is None
    assert url("file:x.mp4") == url("x.mp4") == "file:x.mp4"


def test_every_spelling_of_a_file_is_recognised(folder: Path) -> None:
    path = folder / "x.mp4"
    (folder / "soft.mp4").symlink_to(path)
    os.link(path, folder / "hard.mp4")
    (folder / "below").mkdir()
    (folder / "other.mp4").write_bytes(b"1")
    for name in (
        "x.mp4",
        "./below/../x.mp4",
        str(path),
        "soft.mp4",
        "hard.mp4",
        "file:x.mp4",
        f"file://{path}",
        "cache:x.mp4",
        "concat:other.mp4|x.mp4",
        "subfile,,start,0,end,9,,:x.mp4",
    ):
        assert is_same_file(name, path), name
    for name in ("other.mp4", "none.mp4", "file:other.mp4", "http://host/x.mp4", "pipe:0"):
        assert not is_same_file(name, path), name


def test_pipes_are_told_from_files(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert is_pipe("pipe")
    assert is_pipe("file:pipe")
    assert is_pipe("pipe:0")
    for name in ("x.mp4", ".", "none.mp4", "/dev/video0", "rtsp://camera/stream"):
        assert not is_pipe(name), name


def test_passwords_are_hidden() -> None:
    assert without_password("rtsp://me:secret@host:554/a@b") == "rtsp://me:***@host:554/a@b"
    assert without_password("rtsp://host/stream") == "rtsp://host/stream"
    assert without_password("C:/videos/me:you@here.mp4") == "C:/videos/me:you@here.mp4"
