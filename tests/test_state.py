"""Every file of state, damaged in many ways: whatever reads it raises typed errors alone."""

from __future__ import annotations

import copy
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from piafusion.errors import PiafusionError
from piafusion.imaging.align import Alignment, Quality, read_alignment
from piafusion.lab.data.download import remember, verify
from piafusion.lab.data.fetch import PublicSet, unpack
from piafusion.lab.data.msrs import BuildSettings, build_msrs
from piafusion.lab.evaluation.methods import Method
from piafusion.lab.evaluation.predict import fused_files, predict, runtime
from piafusion.lab.evaluation.scoring import Scoring
from piafusion.lab.evaluation.sets import read_sets
from piafusion.manifest import read_manifest, write_manifest
from piafusion.weights import load_manifest, read_weights
from tests.conftest import scene

ROUNDS = 150
ODD = (
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    10**30,
    "",
    "x",
    "../../x",
    "a\0b",
    "\ud800",
    [],
    {},
    [[1]],
    {"a": None},
    float("nan"),
)


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return content with one or a few faults, in its bytes or, where it is JSON, in a value."""
    if draw.random() < 0.5:
        lines = content.decode("utf-8", "replace").splitlines() or [""]
        index = draw.randrange(len(lines)) if len(lines) > 1 else 0
        text = lines[index] if len(lines) < 5 else "\n".join(lines)
        try:
            value = json.loads(text)
        except ValueError:
            pass
        else:
            changed = json.dumps(_replaced(value, draw))
            whole = "\n".join([*lines[:index], changed, *lines[index + 1 :], ""])
            return (whole if len(lines) < 5 else changed).encode()
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 3, 10))):
        place = draw.randrange(len(data) + 1)
        what = draw.randrange(5)
        if what == 0 and place < len(data):
            data[place] ^= 1 << draw.randrange(8)
        elif what == 1:
            del data[place : place + draw.choice((1, 1, 10))]
        elif what == 2:
            data[place:place] = draw.choice((b"[" * 5000, b"9" * 400, b"\xff", b"\0", b"NaN", b"{"))
        elif what == 3 and draw.random() < 0.2:
            del data[place:]
        elif place < len(data):
            data[place] = draw.randrange(256)
    return bytes(data)


def _replaced(value: Any, draw: random.Random) -> Any:
    root: Any = [copy.deepcopy(value)]
    holder, key = root, 0
    while isinstance(holder[key], (dict, list)) and holder[key] and draw.random() < 0.8:
        holder = holder[key]
        key = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    if holder is not root and draw.random() < 0.2:
        del holder[key]
    else:
        holder[key] = draw.choice(ODD)
    return root[0]


def refusal(use: Callable[[], object]) -> str:
    """Use something and return the message with which it is refused; empty if it is not."""
    try:
        use()
    except PiafusionError as error:
        return str(error)
    return ""


def survives(path: Path, use: Callable[[], object], seed: str = "", keep: int = 0) -> int:
    """Damage a file, but its first bytes, again and again; return how often it was refused."""
    good = path.read_bytes()
    assert not refusal(use)
    refused = 0
    plain = (b"", b"[" * 10_000, b"\xff\xfe", b"null", b"[]", b"{}", b'"a"')
    for number in range(ROUNDS + len(plain)):
        draw = random.Random(f"{path.name} {seed} {number}")  # noqa: S311
        new = damaged(good[keep:], draw) if number < ROUNDS else plain[number - ROUNDS]
        path.write_bytes(len(new).to_bytes(8, "little")[:keep] + new)
        message = refusal(use)
        refused += bool(message)
        assert "\n" not in message
        assert len(message) < 1000
    path.unlink()
    path.mkdir()
    message = refusal(use)
    assert keep or not message or str(path) in message
    return refused


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for index, stem in enumerate(("1D", "2N")):
        for folder, picture in zip(("ir", "vi"), scene(seed=index), strict=True):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "data" / folder / f"{stem}.png"), picture)
    return tmp_path / "data"


def test_alignments(tmp_path):
    path = tmp_path / "rig.json"
    quality = Quality(0.5, 0.3, 1.0, 1.0, 3)
    Alignment.of("affine", np.eye(3), (48, 64), (48, 64), quality).save(path)
    picture = scene()[0]
    assert survives(path, lambda: read_alignment(path).warp(picture, (48, 64))) > ROUNDS / 2


def test_the_manifest_of_weights(tmp_path):
    path = tmp_path / "manifest.json"
    record = {"kind": "fusion", "summary": "s", "parameters": 9, "training": {}, "scores": {}}
    (tmp_path / "a.onnx").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    path.write_text(json.dumps({"a": {**record, "sha256": {"onnx": empty}}}))

    def use() -> None:
        load_manifest(tmp_path)
        read_weights("a", "onnx", "fusion", tmp_path)

    assert survives(path, use) > ROUNDS / 2


def test_the_manifest_beside_fused_pictures(tmp_path):
    path = tmp_path / "manifest.jsonl"
    lines = [{"output": f"{i}.png", "output_sha256": "ab" if i else None} for i in range(3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert survives(path, lambda: write_manifest(tmp_path / "b", read_manifest(path), [])) > 50


def test_the_hashes_of_downloads(tmp_path):
    record, archive = tmp_path / "sha256.json", tmp_path / "a.zip"
    archive.write_bytes(b"")
    verified = verify(archive, "a.zip", None, tmp_path / "none")[0]
    record.write_text(json.dumps({"a.zip": verified}))

    def use() -> None:
        archive.write_bytes(b"")
        remember("a.zip", verify(archive, "a.zip", None, record)[0], tmp_path / "sha256.json")

    assert survives(record, use) > ROUNDS / 2


def test_archives(tmp_path):
    path = tmp_path / "a.zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("top/", "top/i/1.png", "top/v/1.png", "top/LICENCE"):
            file.writestr(name, b"" if name.endswith("/") else b"picture" * 5)
    path.write_bytes(packed.getvalue())
    source, count = PublicSet("t", "p", folders={"i": "ir", "v": "vi"}), iter(range(10_000))
    assert survives(path, lambda: unpack(path, tmp_path / f"out-{next(count)}", source)) > 50
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("which", ["predicted", "scores"])
def test_the_journals_of_an_evaluation(tmp_path, pairs, which):
    sets = read_sets([f"d={pairs}"])
    method = Method("m", {"a": 1}, lambda: lambda infrared, visible: infrared)
    output = tmp_path / "evaluation"
    outside = tmp_path / "x"

    def plan() -> Scoring:
        return Scoring.plan([method], sets, output, ["SD"], "float")

    assert list(predict([method], sets, output)) == [None, None]
    assert list(plan().run(1)) == [None, None]
    path = {
        "predicted": output / "fused" / "m" / "d" / "predicted.jsonl",
        "scores": output / "scores" / "m" / "d.float.jsonl",
    }[which]
    kept = path.read_bytes()

    def use() -> None:
        outside.touch()
        fused_files(method, sets[0], output)
        runtime(method, sets[0], output)
        scoring = plan()
        scoring.scores()
        list(scoring.run(1))

    survives(path, use, seed=which)
    path.rmdir()
    path.write_bytes(kept.replace(b'"a": 1', b'"a": 2').replace(b'"1D.png"', b'"../../../../x"'))
    list(predict([method], sets, output))
    assert outside.exists()


def test_a_finished_and_an_unfinished_build(tmp_path):
    source = tmp_path / "mfnet"
    (source / "images").mkdir(parents=True)
    for seed, stem in enumerate(("00000D", "00100N", "00200D")):
        infrared, visible = scene(seed=seed)
        cv2.imwrite(str(source / "images" / f"{stem}.png"), np.dstack([visible, infrared]))
    settings = BuildSettings(drop=["00200D"], test=["00000D"], enhanced=False)
    output = tmp_path / "built"
    build_msrs(source, output, settings)
    manifest = json.loads((output / "manifest.json").read_text())
    assert survives(output / "manifest.json", lambda: build_msrs(source, output, settings)) > 50

    other = tmp_path / "other"
    journal = tmp_path / "other.partial" / "journal.jsonl"
    identity = {key: manifest[key] for key in ("version", "settings")}
    first = json.dumps({"settings": identity}, sort_keys=True)
    content = "".join(json.dumps(item) + "\n" for item in manifest["pairs"].items())
    for number in range(ROUNDS):
        journal.parent.mkdir()
        whole = f"{first}\n{content}".encode()
        journal.write_bytes(damaged(whole, random.Random(number)))  # noqa: S311
        assert build_msrs(source, other, settings).kept == {"00000D": "test", "00100N": "train"}
        other.rename(tmp_path / f"done-{number}")


def test_weights_of_networks(tmp_path):
    from piafusion.lab.models import build, dump, load

    path = tmp_path / "a.safetensors"
    path.write_bytes(dump("illumination", build("illumination")))
    data = path.read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    header, tensors = tmp_path / "header", data[size:]
    header.write_bytes(data[:size])

    def use() -> None:
        load(header.read_bytes() + tensors if header.is_file() else str(header).encode())

    assert survives(header, use, keep=8) > ROUNDS / 2
    text = json.dumps({"__metadata__": {"network": "piafusion", "sizes": '{"width": 1000000}'}})
    with pytest.raises(PiafusionError, match="a network of the sizes"):
        load(len(text).to_bytes(8, "little") + text.encode())
