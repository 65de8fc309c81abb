"""From a finished training run to a weights folder: both formats and the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from piafusion.errors import UsageError, WeightsError
from piafusion.files import read_json, sha256, write_bytes
from piafusion.lab.models import dump, load
from piafusion.lab.models.comparison import ComparisonNet
from piafusion.lab.models.comparison.densefuse import DenseFuseNet
from piafusion.lab.models.illumination import IlluminationNet
from piafusion.lab.training.onnx import export_onnx
from piafusion.lab.training.run import RECORD, WEIGHTS, load_settings
from piafusion.weights import (
    Format,
    WeightsRecord,
    save_record,
)


def export_run(run: Path, folder: Path, *, name: str | None = None, summary: str = "") -> Path:
    """Write `NAME.onnx`, `NAME.safetensors` and their manifest entry; return the ONNX path.

    Of a comparison method only the ONNX file is written, its weights in half precision; of
    DenseFuse a second one, NAME-l1, that fuses by its other rule.

    Args:
        run: Folder of a finished training run.
        folder: Weights folder; made if missing, other models in it are kept.
        name: Name of the model there; by default the trained network's name.
        summary: One line for `piafusion models`.

    Raises:
        UsageError: If the run is missing or not finished, or its settings or record are damaged.
        WeightsError: If its weights are damaged, or the ONNX file does not answer like torch.
    """
    settings = load_settings(run)
    if not (run / WEIGHTS).is_file():
        raise UsageError(f"{run}: expected a finished run, found no {WEIGHTS}; resume it first")
    name = name or settings.model
    remedy = f"remove {WEIGHTS} and resume the run, which writes it again"
    try:
        network = load((run / WEIGHTS).read_bytes()).eval()
    except (WeightsError, OSError) as error:
        raise WeightsError(
            f"{run / WEIGHTS}: expected the weights of a finished run, found them damaged; {remedy}"
        ) from error
    training = read_json(run / RECORD, dict, "the record of a finished run", remedy)
    _write(name, network, settings.model, summary, training, folder)
    if isinstance(network, DenseFuseNet):
        network.rule = "l1"
        _write(f"{name}-l1", network, settings.model, summary, training, folder)
    return folder / f"{name}.onnx"


def _write(
    name: str,
    network: nn.Module,
    model: str,
    summary: str,
    training: dict[str, Any],
    folder: Path,
) -> None:
    files: dict[Format, bytes] = {"onnx": _to_onnx(network)}
    if not isinstance(network, ComparisonNet):
        files["safetensors"] = dump(model, network)
    record = WeightsRecord(
        name=name,
        kind="illumination" if isinstance(network, IlluminationNet) else "fusion",
        summary=summary,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        sha256={suffix: sha256(data) for suffix, data in files.items()},
        training=training,
        scores={},
    )
    for suffix, data in files.items():
        write_bytes(folder / f"{name}.{suffix}", data)
    save_record(record, folder)


def _to_onnx(network: nn.Module) -> bytes:
    is_illumination = isinstance(network, IlluminationNet)
    return export_onnx(
        network,
        inputs=("visible",) if is_illumination else ("infrared", "luminance"),
        channels=3 if is_illumination else 1,
        output="probabilities" if is_illumination else "fused",
        half=isinstance(network, ComparisonNet),
    )
