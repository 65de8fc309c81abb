"""Shipped weights as frozen records: a manifest, and the code that finds and verifies files.

A missing or altered file is an error. There is no way to end up with random weights.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from piafusion.errors import UsageError, WeightsError
from piafusion.files import parse_json, reading, sha256, write_json

DEFAULT_MODEL = "piafusion"
SHIPPED = Path(__file__).parent
MANIFEST = "manifest.json"

_RECORD = {
    "kind": str,
    "summary": str,
    "parameters": int,
    "sha256": {str: str},
    "training": dict,
    "scores": dict,
}

Format = Literal["onnx", "safetensors", "npz", "int8"]
"""A file's suffix; int8 for `NAME-int8.onnx`, which computes in whole numbers of 8 bits."""
Kind = Literal["fusion", "illumination"]


@dataclass(frozen=True)
class WeightsRecord:
    """The entry of one model in the manifest.

    Attributes:
        name: The name it is chosen by.
        kind: The task of its network.
        summary: One line for a list.
        parameters: Number of trained values.
        sha256: Per format, the digest of its file beside the manifest.
        training: Data, seed, command, steps and resolved settings of the run.
        scores: Measured after training: figures by data set, and the command that made them.
    """

    name: str
    kind: Kind
    summary: str
    parameters: int
    sha256: dict[Format, str]
    training: dict[str, Any]
    scores: dict[str, Any]


def load_manifest(folder: Path = SHIPPED) -> dict[str, WeightsRecord]:
    """Return the records of a weights folder by name.

    Raises:
        WeightsError: If the manifest is missing or damaged.
    """
    path = folder / MANIFEST
    with reading(path, "the manifest of weights", "install piafusion again", WeightsError):
        records = parse_json(path.read_bytes(), {str: _RECORD})
        return {name: WeightsRecord(name=name, **record) for name, record in records.items()}


def list_models() -> dict[str, WeightsRecord]:
    """Return the manifest's entry of each shipped model, by name."""
    return load_manifest(SHIPPED)


def fusion_models() -> dict[str, WeightsRecord]:
    """Return the manifest's entry of each shipped model that fuses, by name."""
    return {name: each for name, each in load_manifest().items() if each.kind == "fusion"}


def find_record(model: str) -> WeightsRecord | None:
    """Return the manifest's entry of a shipped model or of an exported file; None without one.

    Raises:
        UsageError: If the model is neither.
        WeightsError: If the manifest is damaged.
    """
    return _find(model, "onnx", SHIPPED)[1]


def read_weights(model: str, format: Format, kind: Kind, folder: Path = SHIPPED) -> bytes:
    """Return the bytes of a model's weights, verified where a manifest describes them.

    Args:
        model: A name in the folder's manifest, or the path of a `.onnx` or `.safetensors`
            file of your own; a manifest beside that file is used.
        format: The format to return.
        kind: The task of the network.
        folder: The folder of named models.

    Raises:
        UsageError: If the name or path is unknown, or the model is of another kind.
        WeightsError: If the file is missing, or is not the one that the manifest describes.
    """
    path, record = _find(model, format, folder)
    if record is not None and record.kind != kind:
        raise UsageError(f"expected a model for {kind}, found {model!r} for {record.kind}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"{path}: expected the weights of {model!r}, found: {error.strerror}; "
            "install piafusion again or check the path"
        ) from error
    if record is not None:
        expected, found = record.sha256.get(format, "none"), sha256(data)
        if found != expected:
            raise WeightsError(
                f"{path}: expected sha256 {expected[:12]}..., found {found[:12]}...; the file "
                "is damaged or altered, install piafusion again"
            )
    return data


def has_format(model: str, format: Format, folder: Path = SHIPPED) -> bool:
    """Tell whether a model, named or given as a path, has a file of a format.

    Raises:
        UsageError: If the name or path is unknown.
    """
    return _find(model, format, folder)[0].is_file()


def save_record(record: WeightsRecord, folder: Path) -> None:
    """Put a record into the manifest of a weights folder, replacing one of the same name.

    Raises:
        WeightsError: If there is a damaged manifest.
        OutputError: If it cannot be written.
    """
    records = load_manifest(folder) if (folder / MANIFEST).exists() else {}
    records[record.name] = record
    entries = {name: asdict(entry) for name, entry in sorted(records.items())}
    for entry in entries.values():
        del entry["name"]
    write_json(folder / MANIFEST, entries)


def add_scores(
    name: str,
    data: str,
    scores: dict[str, float],
    command: str,
    *,
    intervals: dict[str, tuple[float, float]] | None = None,
) -> None:
    """Put the scores of a shipped model on a data set into the manifest.

    Scores are kept to four decimals; intervals are 95 % confidence intervals of some of them.
    """
    record = load_manifest()[name]
    rounded: dict[str, Any] = {key: round(value, 4) for key, value in scores.items()}
    if intervals:
        rounded["interval95"] = {
            key: [round(low, 4), round(high, 4)] for key, (low, high) in intervals.items()
        }
    merged = {**record.scores, data: rounded, "command": command}
    save_record(replace(record, scores=merged), SHIPPED)


def _find(model: str, format: Format, folder: Path) -> tuple[Path, WeightsRecord | None]:
    records = load_manifest(folder)
    if model in records:
        return folder / file_name(model, format), records[model]
    path = Path(model)
    if path.suffix not in (".onnx", ".safetensors"):
        raise UsageError(
            f"expected a model of {', '.join(records)} or the path of an .onnx or .safetensors "
            f"file, found {model!r}"
        )
    beside = load_manifest(path.parent) if (path.parent / MANIFEST).exists() else {}
    return path.with_name(file_name(path.stem, format)), beside.get(path.stem)


def file_name(name: str, format: Format) -> str:
    """Return the name of a model's file of a format."""
    return f"{name}-int8.onnx" if format == "int8" else f"{name}.{format}"
