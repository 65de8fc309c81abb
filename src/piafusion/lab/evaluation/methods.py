"""The methods of an evaluation: methods that run here, and pictures that were fused elsewhere."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import piafusion
from piafusion.errors import UsageError
from piafusion.files import sha256
from piafusion.imaging.arrays import Image
from piafusion.imaging.natural import parse_strength
from piafusion.imaging.pairs import list_images
from piafusion.lab.data.clips import clips_in
from piafusion.lab.evaluation.sets import NAME, DataSet, Failure
from piafusion.machine import usable_cores
from piafusion.methods import (
    BUILT_IN,
    PLUGINS,
    WEIGHTS,
    MethodSpec,
    check_needs,
    find_method,
    list_methods,
)
from piafusion.weights import fusion_models, load_manifest, read_weights

Fuse = Callable[[Image, Image], Image]

BASELINES = ("average", "maximum", "visible")
"""The trivial pictures, which are in every table."""
_MODEL_FILES = (".onnx", ".safetensors")
_THIS_PROCESS = secrets.token_hex(8)


@dataclass(frozen=True)
class Method:
    """A method that fuses pairs here.

    Attributes:
        name: The name in tables.
        settings: Everything that decides its pixels, as JSON values. Pictures made under other
            settings are never used.
        load: Loads the method and returns a function from infrared and visible to the fused
            picture.
        threads: Number of processor threads that it uses.
    """

    name: str
    settings: Mapping[str, Any]
    load: Callable[[], Fuse]
    threads: int = 1


@dataclass(frozen=True)
class GivenPictures:
    """Fused pictures of a method that ran elsewhere.

    Attributes:
        name: The name in tables.
        folders: Folders of its pictures, by the name of the data set.
        failures: Data sets that it has no pictures for.
    """

    name: str
    folders: Mapping[str, Path]
    failures: list[Failure] = field(default_factory=list)


def baselines() -> list[Method]:
    """Return the methods that are in every evaluation."""
    return [_method(find_method(name)) for name in BASELINES]


def read_methods(
    texts: Sequence[str], sets: Sequence[DataSet], device: str = "cpu"
) -> list[Method | GivenPictures]:
    """Return the baselines and the methods asked for, in this order.

    Args:
        texts: For each method a model of the manifest, ``NAME`` or ``NAME@STRENGTH``; a name of
            `list_methods`; an exported file, ``FILE`` or ``NAME=FILE``; or fused pictures:
            ``NAME=FOLDER`` with a
            sub-folder for each data set, or with the pictures themselves if there is but one
            data set, or ``NAME@DATASET=FOLDER``, which may be said once for each data set.
        sets: The data sets of the evaluation.
        device: Device of the models; comparison methods run on the processor.

    Raises:
        UsageError: If one is unknown, two have one name, or a folder holds no images.
        WeightsError: If weights are missing or damaged.
        MissingExtraError: If a method needs a package that is not installed.
    """
    methods: dict[str, Method | GivenPictures] = {method.name: method for method in baselines()}
    for text in texts:
        if text in BASELINES:
            continue
        method = _read(text, sets, device)
        if not re.fullmatch(rf"{NAME}(@[\d.]+)?", method.name):
            raise UsageError(
                f"{text}: expected a method named by letters, digits and . _ + -, found "
                f"{method.name!r}; write NAME={text.rpartition('=')[2]}"
            )
        other = methods.get(method.name)
        methods[method.name] = _join(other, method, text) if other else method
    clips = {data.name for data in sets if data.clips}
    for method in methods.values():
        given = method.folders if isinstance(method, GivenPictures) else {}
        for name, folder in given.items():
            if name not in clips:
                list_images(folder)
            elif not clips_in(folder):
                raise UsageError(
                    f"{folder}: expected fused clips, found none; give a folder with a sub-folder "
                    "of frames, or a video, for each clip"
                )
    return list(methods.values())


def _read(text: str, sets: Sequence[DataSet], device: str) -> Method | GivenPictures:
    models = fusion_models()
    if text in models:
        return _model(text, text, device)
    model, at, strength = text.partition("@")
    if model in models and at and "=" not in strength:
        return _model(text, model, device, parse_strength(strength))
    if text in list_methods():
        return _method(find_method(text))
    name, equals, place = text.partition("=")
    if not equals or Path(text).exists():
        name, place = Path(text).stem, text
    path = Path(place)
    if path.suffix in _MODEL_FILES:
        return _model(name, place, device)
    if equals and path.is_dir():
        name, at, data = name.partition("@")
        return _only(name, data, path, sets) if at else _everywhere(name, path, sets)
    found = "a file" if path.is_file() else "a folder" if path.is_dir() else "nothing there"
    raise UsageError(
        f"{text}: expected {', '.join((*models, *list_methods()))}, an exported .onnx or "
        f".safetensors file, or NAME=FOLDER of fused images, found {found}; check the "
        "name and the path"
    )


def _model(name: str, model: str, device: str, strength: float | None = None) -> Method:
    settings = {
        "weights": sha256(read_weights(model, "onnx", "fusion")),
        "device": device,
        "strength": strength,
        **versions("numpy", "cv2", "onnxruntime", *(["openvino"] if device == "openvino" else [])),
    }

    def load() -> Fuse:
        from piafusion.fuser import Fuser

        return Fuser(model, device=device, strength=strength, precision="float")

    return Method(name, settings, load, threads=usable_cores())


def _method(spec: MethodSpec) -> Method:
    check_needs(spec)
    packages = ("numpy", "cv2", *(("onnxruntime",) if spec.weights == "onnx" else ()))
    settings: dict[str, Any] = {"method": spec.name, **versions(*packages, *spec.packages)}
    if spec.name not in BUILT_IN:
        settings["plug-in"] = _plugin_version(spec.name)
    if spec.weights:
        settings["weights"] = load_manifest(WEIGHTS)[spec.name].sha256[spec.weights]

    def load() -> Fuse:
        from piafusion.fuser import Fuser

        return Fuser(method=spec.name, device="cpu")

    return Method(spec.name, settings, load, threads=usable_cores())


def _plugin_version(name: str) -> str:
    """Return the distribution of a plug-in and its version.

    A method that was registered by a call has no version: its pictures count in this process only.
    """
    for entry in entry_points(group=PLUGINS):
        if entry.name == name and entry.dist is not None:
            return f"{entry.dist.name} {entry.dist.version}"
    return f"process {_THIS_PROCESS}"


def _only(name: str, data: str, folder: Path, sets: Sequence[DataSet]) -> GivenPictures:
    known = [each.name for each in sets]
    if data not in known:
        raise UsageError(
            f"{name}@{data}: expected a data set of {', '.join(known)}, found {data!r}; "
            "check the spelling"
        )
    return GivenPictures(name, {data: folder})


def _everywhere(name: str, folder: Path, sets: Sequence[DataSet]) -> GivenPictures:
    folders = {data.name: folder / data.name for data in sets if (folder / data.name).is_dir()}
    if not folders and len(sets) == 1:
        return GivenPictures(name, {sets[0].name: folder})
    missing = [data.name for data in sets if data.name not in folders]
    if not folders:
        raise UsageError(
            f"{folder}: expected a sub-folder for each data set ({', '.join(missing)}), found "
            f"none; if its pictures belong to {missing[0]}, write {name}@{missing[0]}={folder}"
        )
    advice = f"make it, or write {name}@DATASET=FOLDER for those that there are"
    failures = [
        Failure(data, name, f"{folder}: expected a sub-folder {data}, found none; {advice}")
        for data in missing
    ]
    return GivenPictures(name, folders, failures)


def _join(one: Method | GivenPictures, other: Method | GivenPictures, text: str) -> GivenPictures:
    """Put folders of one method for several data sets together."""
    if (
        isinstance(one, Method)
        or isinstance(other, Method)
        or one.folders.keys() & other.folders.keys()
        or one.failures
        or other.failures
    ):
        raise UsageError(
            f"{text}: expected methods of different names, found {one.name!r} twice; "
            "give one of them a new name: NEW_NAME=..."
        )
    return GivenPictures(one.name, {**one.folders, **other.folders})


RESULTS = 1
"""Raise this number in a change after which fused pictures, scores or measures come out different
for the same input. Results that were recorded before are then computed again."""


def versions(*packages: str) -> dict[str, Any]:
    """Return the versions of this package, of its results, and of other packages.

    Args:
        packages: Other packages that compute, by the names they are imported by.
    """
    computing = {package: import_module(package).__version__ for package in packages}
    return {"piafusion": piafusion.__version__, "results": RESULTS, **computing}
