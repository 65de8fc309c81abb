"""Readers of other packages: registered in the process, or offered by an entry point."""

from pathlib import Path

import numpy as np
import pytest

import piafusion as pf
from examples import reader_plugin
from piafusion.errors import ImageError, UsageError
from piafusion.imaging import formats
from piafusion.imaging.io import read_image, read_infrared, write_image
from piafusion.imaging.pairs import list_images, list_pairs
from tests.conftest import scene
from tests.plugins import install, run_with

EXAMPLE = Path(reader_plugin.__file__).read_text()


def write_counts(path: Path, infrared: np.ndarray) -> None:
    height, width = infrared.shape
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(np.array([width, height], "<u2").tobytes() + infrared.astype("<u2").tobytes())


@pytest.fixture(autouse=True)
def _same_readers_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_readers", {})
    monkeypatch.setattr(formats, "_photo_readers", [])
    monkeypatch.setattr(formats, "_photo_suffixes", set())


def test_registered_files_are_read_paired_and_fused(tmp_path: Path) -> None:
    infrared, visible = scene(24, 32)
    counts = infrared.astype(np.uint16) * 257
    write_counts(tmp_path / "ir" / "a.COUNTS", counts)
    write_image(tmp_path / "vi" / "a.png", visible)
    path = tmp_path / "ir" / "a.COUNTS"
    with pytest.raises(UsageError, match=r"expected images \(bmp, .*\), found none"):
        list_pairs(path.parent, tmp_path / "vi")
    pf.register_reader(reader_plugin.suffixes, reader_plugin.read)
    np.testing.assert_array_equal(read_infrared(path), counts)
    (pair,) = list_pairs(path.parent, tmp_path / "vi").pairs
    fused = pf.Fuser(method="average")(pair.infrared, pair.visible)
    np.testing.assert_array_equal(fused, pf.Fuser(method="average")(infrared, visible))


def test_an_entry_point_gives_its_reader_to_the_command_line(tmp_path: Path) -> None:
    install(tmp_path, EXAMPLE, formats.PLUGINS, "counts = extra_package")
    infrared, visible = scene(24, 32)
    for name in ("a", "b"):
        write_counts(tmp_path / "ir" / f"{name}.counts", infrared.astype(np.uint16) * 257)
        write_image(tmp_path / "vi" / f"{name}.png", visible)
    done = run_with(
        tmp_path, "fuse", tmp_path / "ir", tmp_path / "vi", "--method", "average",
        "--output", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = pf.Fuser(method="average")(infrared, visible)
    for name in ("a", "b"):
        np.testing.assert_array_equal(read_image(tmp_path / "out" / f"{name}.png"), wanted)


def test_a_plug_in_without_a_reader_is_one_line(tmp_path: Path) -> None:
    install(tmp_path, "suffixes = ['.counts']", formats.PLUGINS, "counts = extra_package")
    write_counts(tmp_path / "vi" / "a.counts", np.zeros((8, 8)))
    done = run_with(tmp_path, "illumination", tmp_path / "vi")
    assert done.returncode == 2
    assert done.stderr.startswith("piafusion: counts: expected an object with suffixes and read")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (
            reader_plugin.read,
            r"a\.counts: expected a file that the reader of .* found ",
        ),
        (lambda path: [[1]], r"a\.counts: expected a NumPy array from the reader .* found list"),
        (lambda path: np.zeros((8, 8), ">i4"), r"a\.counts: expected uint8, .* found int32"),
    ],
)
def test_errors_of_a_reader_name_the_file(tmp_path: Path, read, message: str) -> None:
    path = tmp_path / "a.counts"
    path.write_bytes(b"\1\0\1")
    pf.register_reader([".counts"], read)
    with pytest.raises(ImageError, match=message) as caught:
        read_infrared(path)
    assert "\n" not in str(caught.value)


def test_photos_are_told_by_their_content(tmp_path: Path) -> None:
    infrared, visible = scene(72, 96)
    celsius = infrared.astype(np.float32) / 10

    def read(data: bytes) -> formats.Photo:
        return formats.Photo(celsius, "celsius", visible, np.eye(3))

    pf.register_reader([".jpg", ".irg"], read, lambda data: data.startswith(b"IRG"))
    for name in ("a.jpg", "b.irg"):
        (tmp_path / name).write_bytes(b"IRG and more")
        np.testing.assert_array_equal(read_infrared(tmp_path / name, lambda image: image), celsius)
        fused = pf.Fuser(method="average")(tmp_path / name)
        assert fused.shape == visible.shape
    assert [path.name for path in list_images(tmp_path)] == ["a.jpg", "b.irg"]
    write_image(tmp_path / "c.jpg", visible)
    assert read_image(tmp_path / "c.jpg").shape == visible.shape


def test_suffixes_have_a_dot_and_one_reader() -> None:
    pf.register_reader(".raw", reader_plugin.read)
    for suffix in (".raw", ".RAW", ".png"):
        with pytest.raises(UsageError, match="which has a reader already"):
            pf.register_reader([suffix], reader_plugin.read)
    with pytest.raises(UsageError, match="found 'raw'; begin with a dot"):
        pf.register_reader(["raw"], reader_plugin.read)
    with pytest.raises(UsageError, match=r"\.other: expected a function .* found int"):
        pf.register_reader([".other"], 3)
