"""The commands and the Python of README.md and docs/ work as they are printed, in their order."""

import json
import pickle
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from piafusion import __version__, methods
from piafusion.imaging.align import estimate
from piafusion.imaging.io import read_image, write_image
from piafusion.imaging.palettes import palette
from piafusion.lab.evaluation import timing
from piafusion.scenes.synthetic import demo_scenes_root
from piafusion.weights import read_weights
from tests.conftest import Finished, scene
from tests.imaging.flir_files import both as photo_of_both
from tests.lab.segmentation.conftest import write_splits
from tests.video.conftest import moving, write_video

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "DESCRIPTION.md", *sorted(DOCS.rglob("*.md"))]
RUN = [page for page in PAGES if re.search(r"^```(sh|python)$", page.read_text(), re.MULTILINE)]
TINY = [
    part
    for setting in ("steps=2", "batch=2", "crop=48", "light=label")
    for part in ("--set", setting)
]
TINY_CONTEXT = [
    part
    for setting in ("steps=2", "batch=2", "crop=32", "painted=2")
    for part in ("--set", setting)
]
SEARCH = estimate._search
# Run by tests/server/test_live.py.
CURL = [
    *("--form", "infrared=@ir.png", "--form", "visible=@vi.png", "--output", "fused.png"),
    "http://127.0.0.1:8000/v1/fuse",
]


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the language and the text of the blocks that run."""
    return re.findall(r"```(sh|python)\n(.*?)```", page.read_text(), re.DOTALL)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages speak of; each page gets a copy."""
    root = tmp_path_factory.mktemp("files")
    for index, stem in enumerate(("1D", "2N")):
        infrared, visible = scene(seed=index)
        write_image(root / "ir" / f"{stem}.png", infrared)
        write_image(root / "vi" / f"{stem}.png", visible)
    write_image(root / "ir.png", scene()[0])
    write_image(root / "vi.png", scene()[1])
    write_image(root / "painted.png", palette("ironbow")[scene()[0]])
    (root / "PHOTOS").mkdir()
    for path in (root / "photo.jpg", root / "PHOTOS" / "a.jpg"):
        path.write_bytes(photo_of_both())
    for name in ("ir", "vi"):
        shutil.copytree(root / name, root / "DATA" / name)
    (root / "DATA/boxes/infrared").mkdir(parents=True)
    (root / "DATA/boxes/infrared/1D.txt").write_text("0 0.5 0.5 0.2 0.5\n")
    write_splits(root / "LABELLED")
    for path in demo_scenes_root().rglob("street_*.png"):  # pictures that show the same
        small = np.ascontiguousarray(read_image(path)[::2, ::2])
        write_image(root / "RIG" / path.relative_to(demo_scenes_root()), small)
    (root / "MFNET/images").mkdir(parents=True)
    for stem in ("1D", "2N"):
        blue_green_red = read_image(root / "vi" / f"{stem}.png")[..., ::-1]
        four = np.dstack([blue_green_red, read_image(root / "ir" / f"{stem}.png")])
        assert cv2.imwrite(str(root / "MFNET/images" / f"{stem}.png"), four)
    shutil.copytree(root / "vi", root / "FUSED")
    infrared, visible = moving(6)
    write_video(root / "ir.mp4", infrared)
    write_video(root / "vi.mp4", visible)
    both = [np.hstack((cv2.merge([ir] * 3), vi)) for ir, vi in zip(infrared, visible, strict=True)]
    write_video(root / "both.mp4", both)
    return root


@pytest.fixture(scope="session")
def search() -> Callable[..., object]:
    """The search for an alignment, which remembers: many pages align the same pictures."""
    known: dict[bytes, object] = {}

    def remembering(*arguments: object, **options: object) -> object:
        key = pickle.dumps((arguments, options))
        if key not in known:
            known[key] = SEARCH(*arguments, **options)
        return known[key]

    return remembering


@pytest.fixture
def workplace(
    files: Path, search: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with all files, in which commands do less than elsewhere."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr("piafusion.cli.bench.SIZES", ("24x16",))
    monkeypatch.setattr("piafusion.lab.paper.run.STEPS", ("comparison",))
    # RIG is aligned already, and tests/lab/training looks at what is exported.
    monkeypatch.setattr("piafusion.imaging.align.search.SCALES", (1.0, 1.1))
    monkeypatch.setattr("piafusion.imaging.align.search.ROTATIONS", (0.0,))
    monkeypatch.setattr("piafusion.imaging.align.estimate._search", search)
    # Timing and scoring have tests of their processes, each of which loads everything anew.
    monkeypatch.setattr(timing, "measure", timing.measure_here)
    monkeypatch.setattr("piafusion.lab.evaluation.scoring.usable_cores", lambda: 1)
    shipped = read_weights("piafusion-fast", "onnx", "fusion")
    monkeypatch.setattr("piafusion.lab.training.export.export_onnx", lambda *_, **__: shipped)
    monkeypatch.setattr("piafusion.methods._METHODS", dict(methods._METHODS))
    monkeypatch.setattr("piafusion.server.run.run", lambda settings, bound, *_, **__: bound.close())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("workplace", "few_scenes")
@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_page(page: Path, piafusion: Callable[..., Finished]) -> None:
    for language, block in blocks(page):
        if language == "python":
            exec(compile(block, str(page), "exec"), {})  # noqa: S102 - our own pages
            continue
        for line in block.splitlines():
            program, *arguments = shlex.split(line, comments=True) or [""]
            if program == "curl":
                assert arguments == CURL, line
            elif program == "piafusion":
                if "--engine" in arguments and "ray" in arguments:
                    continue  # tests/test_cluster.py runs these, with one Ray for all
                done = piafusion(*smaller(arguments))
                assert done.code == 0, f"{line}: {done.err}"
            else:
                assert program in ("make", "pip", ""), line  # the pages promise nothing else


def smaller(arguments: list[str]) -> list[str]:
    """Return the arguments of the same command, for less work."""
    if arguments[0] == "train":
        if arguments[1] == "context":
            return arguments + TINY_CONTEXT
        return arguments + (TINY if arguments[1] == "fusion" else TINY[:-2])
    if arguments[0] == "data":
        less = {
            "320x240": "96x80",
            "640x480": "192x144",
            "--count 4": "--count 2",
            "--count 6": "--count 2 --size 192x144",
            "--seed 100": "--seed 100 --size 192x144",
            "--seed 50": "--seed 50 --count 2",
        }
        command = " ".join(arguments)
        for much, little in less.items():
            command = command.replace(much, little)
        return command.split()
    if arguments[0] == "segment":
        tiny = {"steps": 2, "batch": 2, "widths": "4,8", "crop": "32,32"}
        return arguments + [f"--set={name}={value}" for name, value in tiny.items()]
    if arguments[0] == "reproduce":
        return [*arguments, "--methods=laplacian"]
    if arguments[0] == "serve" and "--port" not in arguments:
        return [*arguments, "--port", "0"]  # the usual one may be taken
    if arguments[0] == "bench":
        arguments = [re.sub(r"^\d+x\d+$", "24x16", word) for word in arguments]
        return [*arguments, "--engine=onnx", "--frames=2"]
    return arguments


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("notebook", sorted(DOCS.rglob("*.ipynb")), ids=name_of)
def test_notebook(notebook: Path) -> None:
    cells = json.loads(notebook.read_text())["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "clear the outputs before you save a notebook"
            exec(compile("".join(cell["source"]), str(notebook), "exec"), names)  # noqa: S102


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_package_index_can_show_the_description() -> None:
    named = re.search(r'^readme = "(.*?)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert named
    for target in re.findall(r"\]\((.*?)\)", (ROOT / named[1]).read_text()):
        assert target.startswith("https://"), f"{target}: no such file beside the page on the index"


def test_the_citation_names_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.*)$", citation, re.MULTILINE) == [__version__]


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"^make ([\w-]+)", page.read_text(), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
