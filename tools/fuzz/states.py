"""Whole files of state, as the program itself writes them, and the folders that they lie in."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from piafusion.imaging.align import Alignment, Quality
from piafusion.lab.data.fetch import PublicSet
from piafusion.lab.data.msrs import BuildSettings, build_msrs
from piafusion.lab.evaluation.methods import read_methods
from piafusion.lab.evaluation.run import fuse_sets
from piafusion.lab.evaluation.scoring import Scoring
from piafusion.lab.evaluation.sets import read_sets
from piafusion.manifest import write_manifest
from piafusion.weights import SHIPPED, load_manifest
from tools.fuzz.pictures import COLOUR, GREY, HEIGHT, WIDTH, cv_file, png

SET = PublicSet("a set", "", folders={"ir": "ir", "vi": "vi"})
BUILD = BuildSettings(drop=("00002N",), test=("00003D",))
METRICS = ("EN", "SD")
MODEL = "piafusion-fast"
ARCHIVE = b"what was downloaded"


@dataclass(frozen=True)
class Alike:
    """Files that are damaged one at a time, in a folder of others that stay whole."""

    files: dict[str, bytes]
    folder: str = ""


def make(name: str, root: Path) -> Alike:
    """Return what a reader's inputs are; make the folder that they lie in below `root`."""
    return _MAKERS[name](root)


def _boxes(root: Path) -> Alike:
    lines = ("0 0.5 0.5 0.25 0.5", "2 1 1 0.5 0.5", "0 0.25 0.5 1 1")
    return Alike({"a.txt": "\n".join(lines).encode(), "none.txt": b""})


def _alignments(root: Path) -> Alike:
    files = {}
    for kind, rows in (
        ("similarity", ((1.01, 0.02, 1.5), (-0.02, 1.01, -2.0), (0.0, 0.0, 1.0))),
        ("affine", ((0.9, 0.02, 1.5), (0.01, 1.1, -2.0), (0.0, 0.0, 1.0))),
        ("homography", ((0.9, 0.02, 1.5), (0.01, 1.1, -2.0), (1e-4, -1e-4, 1.0))),
    ):
        size, quality = (HEIGHT, WIDTH), Quality(0.5, 0.4, 0.3, 0.2, 3)
        each = Alignment(kind, rows, size, size, quality)  # type: ignore[arg-type]
        files[f"{kind}.json"] = json.dumps(each.to_json(), indent=2).encode()
    return Alike(files)


def _manifest(root: Path) -> Alike:
    entries = [
        {"output": f"{stem}.png", "output_sha256": "a" * 64, "infrared": f"ir/{stem}.png",
         "visible": f"vi/{stem}.png", "width": 64, "height": 48, "seconds": 0.1, "error": None}
        for stem in "abc"
    ]  # fmt: skip
    write_manifest(root / "manifest.jsonl", entries, [])
    return Alike({"manifest.jsonl": (root / "manifest.jsonl").read_bytes()})


def _hashes(root: Path) -> Alike:
    right = hashlib.sha256(ARCHIVE).hexdigest()
    return Alike({"sha256.json": json.dumps({"a.zip": right, "b.zip": "1" * 64}).encode()})


def _fetch(root: Path) -> Alike:
    return Alike({"set.zip": _set_zip(), "stored.zip": _set_zip(zipfile.ZIP_STORED)})


def _batch(root: Path) -> Alike:
    return Alike({"pairs.zip": _pairs_zip(), "one.zip": _pairs_zip(1)})


def _set_zip(packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as file:
        for stem in ("1D", "2N"):
            _add(file, f"set-main/ir/{stem}.png", png(GREY))
            _add(file, f"set-main/vi/{stem}.png", png(COLOUR))
        _add(file, "set-main/README.md", b"x" * 1000)
    return buffer.getvalue()


def _pairs_zip(count: int = 3) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for stem in "abc"[:count]:
            _add(file, f"ir/{stem}.png", png(GREY))
            _add(file, f"vi/{stem}.jpg", cv_file(".jpg", COLOUR))
    return buffer.getvalue()


def _add(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add an entry without the time of day: a case stays what it is."""
    file.writestr(zipfile.ZipInfo(name), data, file.compression)


def _safetensors(root: Path) -> Alike:
    return Alike({"m.safetensors": (SHIPPED / f"{MODEL}.safetensors").read_bytes()})


def _weights(root: Path) -> Alike:
    folder = root / "weights"
    folder.mkdir()
    record = vars(load_manifest()[MODEL]).copy()
    del record["name"]
    (folder / "manifest.json").write_text(json.dumps({"m": record}))
    for suffix in ("onnx", "safetensors"):
        shutil.copy(SHIPPED / f"{MODEL}.{suffix}", folder / f"m.{suffix}")
    return Alike({path.name: path.read_bytes() for path in folder.iterdir()}, folder.name)


def _settings(root: Path) -> Alike:
    from piafusion.lab.training.config import PRESETS, resolve

    data = Path("data")
    files = {
        f"{preset}.json": resolve(preset, data, {}).model_dump_json(indent=2).encode()
        for preset in PRESETS
    }
    return Alike(files)


def _run(root: Path) -> Alike:
    """Make the folder of a finished training of a small network."""
    import torch

    from piafusion.lab.models import dump
    from piafusion.lab.training.checkpoints import CHECKPOINT, Keeper
    from piafusion.lab.training.config import resolve
    from piafusion.lab.training.run import RECORD, SETTINGS, WEIGHTS

    folder, network = root / "run", small_network()
    folder.mkdir()
    data = io.BytesIO()
    kept = {"step": 1, "score": 0.5, "weights": network.state_dict()}
    callbacks = {Keeper.__qualname__: kept}
    torch.save({"state_dict": network.state_dict(), "callbacks": callbacks}, data)
    (folder / CHECKPOINT).write_bytes(data.getvalue())
    (folder / SETTINGS).write_text(resolve("fast", Path("data"), {}).model_dump_json(indent=2))
    (folder / WEIGHTS).write_bytes(dump("piafusion-fast", network))
    (folder / RECORD).write_text(json.dumps({"pairs": 4, "seed": 0, "settings": {"steps": 3}}))
    return Alike({path.name: path.read_bytes() for path in sorted(folder.iterdir())}, folder.name)


def small_network() -> Any:
    """Return a network of the smallest size, always the same."""
    import torch

    from piafusion.lab.models import MixingFusionSizes, build

    torch.manual_seed(0)
    return build("piafusion-fast", MixingFusionSizes(width=4, residual_layers=1))


def _build(root: Path) -> Alike:
    """Build a set whole, and once more up to its journal."""
    folder = root / "build"
    images = folder / "source" / "images"
    images.mkdir(parents=True)
    for stem in ("00001D", "00002N", "00003D", "00004N"):
        (images / f"{stem}.png").write_bytes(png(np.dstack((COLOUR, GREY))))
    build_msrs(folder / "source", folder / "whole", BUILD)
    shutil.copytree(folder / "whole", folder / "half.partial")
    manifest = json.loads((folder / "half.partial" / "manifest.json").read_text())
    (folder / "half.partial" / "manifest.json").unlink()
    identity = {key: manifest[key] for key in ("version", "settings")}
    first = json.dumps({"settings": identity}, sort_keys=True)
    lines = [first, *(json.dumps(item) for item in manifest["pairs"].items())]
    journal = ("\n".join(lines) + "\n").encode()
    (folder / "half.partial" / "journal.jsonl").write_bytes(journal)
    whole = (folder / "whole" / "manifest.json").read_bytes()
    return Alike({"whole~manifest.json": whole, "half.partial~journal.jsonl": journal}, folder.name)


def _journal(root: Path) -> Alike:
    """Predict and score two pairs with methods that take no time."""
    folder = root / "evaluation"
    for name, image in (("ir", GREY), ("vi", COLOUR)):
        (folder / "set" / name).mkdir(parents=True)
        for stem in ("1D", "2N"):
            (folder / "set" / name / f"{stem}.png").write_bytes(png(image))
    sets = read_sets([f"set={folder / 'set'}"])
    methods, output = read_methods([], sets), folder / "out"
    fuse_sets(sets, methods, output)
    list(Scoring.plan(methods, sets, output, METRICS, "float").run(1))
    files = {}
    for path in sorted(output.rglob("*.jsonl")):
        path.write_text(re.sub(r'"seconds": [0-9.e-]+', '"seconds": 0.001', path.read_text()))
        files[str(path.relative_to(folder)).replace("/", "~")] = path.read_bytes()
    return Alike(files, folder.name)


_MAKERS: dict[str, Callable[[Path], Alike]] = {
    "alignment": _alignments,
    "boxes": _boxes,
    "manifest": _manifest,
    "hashes": _hashes,
    "fetch": _fetch,
    "batch": _batch,
    "weights": _weights,
    "safetensors": _safetensors,
    "settings": _settings,
    "run": _run,
    "build": _build,
    "journal": _journal,
}
STATES = frozenset(_MAKERS)
