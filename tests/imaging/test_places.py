import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from piafusion.errors import ImageError, MissingExtraError, OutputError, StorageError
from piafusion.files import temporary_beside
from piafusion.imaging.places import as_path, fetch, is_url, reachable, store, sweep

needs_fsspec = pytest.mark.skipif(not find_spec("upath"), reason="needs the ray extra")


def test_paths_stay_paths(tmp_path: Path) -> None:
    path = as_path(str(tmp_path / "a.png"))
    assert path == tmp_path / "a.png"
    store(path, b"whole")
    assert fetch(path, tmp_path / "copies") is path
    assert os.listdir(tmp_path) == ["a.png"]  # noqa: PTH208


@needs_fsspec
def test_file_urls_are_paths_of_this_machine(tmp_path: Path) -> None:
    path = as_path(f"file://{tmp_path}/a.png")
    assert isinstance(path, Path)
    assert path == tmp_path / "a.png"


@needs_fsspec
@pytest.mark.parametrize("protocol", ["memory", "local"])
def test_urls_are_read_and_written(tmp_path: Path, protocol: str) -> None:
    root = as_path(f"{protocol}://{tmp_path}/new")
    path = root / "a.png"
    assert is_url(path)
    assert str(path.absolute()) == str(path)  # as the manifest names it
    assert str(path).startswith(f"{protocol}://")
    store(path, b"first")
    store(path, b"whole")
    copy = fetch(path, tmp_path / "copies")
    assert copy == tmp_path / "copies" / "a.png"
    assert copy.read_bytes() == b"whole"
    assert [each.name for each in root.iterdir()] == ["a.png"]
    with pytest.raises(ImageError, match=r"b\.png: expected a readable image file, found"):
        fetch(root / "b.png", tmp_path)


@needs_fsspec
def test_what_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.local import LocalFileSystem

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalFileSystem, "mv", full)
    with pytest.raises(OutputError, match=r"a\.png: could not be written \(no space left"):
        store(as_path(f"local://{tmp_path}/a.png"), b"whole")
    assert not list(tmp_path.iterdir())


@needs_fsspec
def test_an_unknown_protocol_says_what_to_install() -> None:
    with pytest.raises(MissingExtraError, match="expected a file system for gopher://, found none"):
        as_path("gopher://host/ir")


def test_only_the_temporary_files_of_outputs_are_swept(tmp_path: Path) -> None:
    unfinished, other = (temporary_beside(tmp_path / name).name for name in ("a.png", "b.png"))
    kept = ("a.png", ".a.png", other, ".a.png.tmp", unfinished[1:], ".a.png.0123abcd.tmp")
    for name in (*kept, unfinished):
        (tmp_path / name).touch()
    sweep([tmp_path / "a.png", tmp_path / "none" / "b.png"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


@needs_fsspec
def test_errors_of_a_file_system_name_the_place(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="memory://a: expected access, found: no\\. go"),
        reachable(tmp_path, as_path("memory://a")),
    ):
        raise PermissionError("No.\n Go")
    with pytest.raises(PermissionError), reachable(tmp_path):
        raise PermissionError
