"""Files: damaged state is named in one line, results appear whole, killed runs leave nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from piafusion import files
from piafusion.errors import OutputError, UsageError, WeightsError
from piafusion.files import (
    fitting,
    parse_json,
    read_json,
    replacement,
    sweep,
    temporary_beside,
    write_bytes,
)

SHAPE = {"name": str, "sizes": [int], "scores": {str: float}, "note?": (str, None)}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\xff\xfe", "no UTF-8 text"),
        (b'{"name": ', "no JSON"),
        (b"[1]", "a list"),
        (b'{"name": "a", "sizes": [1], "scores": {"\\u202e": ""}}', r"a text at 'scores.\u202e'"),
        (b"null", "null"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"name": ' + b"1" * 400 + b"}", "a whole number of 400 digits"),
        (b'{"name": ' + b"1" * 5000 + b"}", "a whole number of 5000 digits"),
        (b'{"name": NaN}', "the number NaN"),
        (b'{"name": 1e999}', "a number without bounds"),
        (b'{"name": "\\uD800"}', "a text with half a character"),
        (b"{}", "no 'name'"),
        (b'{"name": "a", "sizes": [1, true], "scores": {}}', "true or false at 'sizes[1]'"),
        (b'{"name": "a", "sizes": [1], "scores": {"MI": "x"}}', "a text at 'scores.MI'"),
        (b'{"name": "a", "sizes": 1, "scores": {}}', "a number at 'sizes'"),
        (b'{"name": "a", "sizes": [1.5], "scores": {}}', "a number at 'sizes[0]'"),
        (b'{"name": "a", "sizes": [], "scores": {}, "note": []}', "a list at 'note'"),
    ],
)
def test_content_of_another_kind_is_named(tmp_path, content, found):
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="expected state") as caught:
        read_json(path, SHAPE, "state", "mend it", WeightsError)
    message = str(caught.value)
    assert message.startswith(f"{path}: expected state, found ")
    assert found in message
    assert message.endswith("; mend it")
    assert message.isprintable()
    assert len(message) < 400 + len(str(path))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match=f"^{path}: expected state, found .*; mend it$"):
            read_json(path, SHAPE, "state", "mend it")


def test_content_of_the_right_kind_is_returned():
    good = {"name": "a", "sizes": [1, 2], "scores": {"MI": 1, "SD": 2.5}, "more": None}
    assert parse_json(json.dumps(good), SHAPE) == good
    assert fitting(None, (int, None)) is None


def test_a_run_that_is_killed_leaves_nothing_after_the_next(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from piafusion.files import replacement\n"
        "with replacement(Path(sys.argv[1]) / 'a.png') as temporary:\n"
        "    temporary.touch(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.png.piafusion-")
    write_bytes(tmp_path / "b.png", b"b")
    assert [path.name for path in tmp_path.iterdir()] == ["b.png"]


def test_only_files_without_a_writer_are_swept(tmp_path):
    own = temporary_beside(tmp_path / "a")
    machine, process = own.name.split("-")[1:3]
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    other = f"{'0' * 8}-{ended.pid}"
    dead = tmp_path / own.name.replace(f"{machine}-{process}", f"{machine}-{ended.pid}")
    elsewhere, forgotten = (tmp_path / f".{n}.piafusion-{other}-01234567.tmp" for n in "ab")
    strangers = [tmp_path / ".a.0123abcd.tmp", tmp_path / "a.tmp", tmp_path / dead.name[1:]]
    folder = tmp_path / dead.name.replace(".a.", ".c.")
    for path in (own, dead, elsewhere, forgotten, *strangers):
        path.touch()
    folder.mkdir()
    old = time.time() - 2 * 24 * 3600
    os.utime(forgotten, (old, old))
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {own, elsewhere, *strangers, folder}


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "夜" * 85, "x" * 242])
def test_the_longest_names_are_written(tmp_path, name):
    write_bytes(tmp_path / name, b"all")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_longer_name_is_refused_in_one_line(tmp_path):
    with pytest.raises(OutputError, match="name too long"):
        write_bytes(tmp_path / ("a" * 256), b"all")
    assert not list(tmp_path.iterdir())


def test_a_folder_is_swept_once(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(files, "sweep", looked.append)
    for name in ("a", "b"):
        with replacement(tmp_path / name) as temporary:
            temporary.touch()
    assert looked == [tmp_path]


def test_the_content_is_on_the_disk_before_the_file_gets_its_name(tmp_path, monkeypatch):
    done = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("fsync"), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("rename"), rename(*paths)))
    write_bytes(tmp_path / "a", b"all")
    assert done == ["fsync", "rename"]
