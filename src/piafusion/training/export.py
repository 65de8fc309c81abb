"""From a finished training run to a weights folder: both formats and the manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from piafusion.errors import UsageError
from piafusion.imaging.io import write_bytes
from piafusion.models import dump, load
from piafusion.models.comparison.densefuse import DenseFuseNet
from piafusion.models.illumination import IlluminationNet
from piafusion.training.config import MethodSettings
from piafusion.training.onnx import export_onnx
from piafusion.training.run import RECORD, WEIGHTS, load_settings
from piafusion.weights import Format, WeightsRecord, save_record


def export_run(run: Path, folder: Path, *, name: str | None = None, summary: str = "") -> Path:
    """Write `NAME.onnx`, `NAME.safetensors` and their manifest entry; return the ONNX path.

    Of a comparison method only the ONNX file is written, its weights in half precision.

    Args:
        run: Folder of a finished training run.
        folder: Weights folder; made if missing, other models in it are kept.
        name: Name of the model there; by default the trained network's name.
        summary: One line for `piafusion models`.

    Raises:
        UsageError: If the run is missing or not finished.
        WeightsError: If the ONNX file does not answer like torch.
    """
    settings = load_settings(run)
    if not (run / WEIGHTS).is_file():
        raise UsageError(f"{run}: expected a finished run, found no {WEIGHTS}; resume it first")
    name = name or settings.model
    network = load((run / WEIGHTS).read_bytes()).eval()
    is_illumination = isinstance(network, IlluminationNet)
    is_method = isinstance(settings, MethodSettings)
    if isinstance(network, DenseFuseNet) and isinstance(settings, MethodSettings):
        network.rule = settings.rule
    onnx = export_onnx(
        network,
        inputs=("visible",) if is_illumination else ("infrared", "luminance"),
        channels=3 if is_illumination else 1,
        output="probabilities" if is_illumination else "fused",
        half=is_method,
    )
    files: dict[Format, bytes] = {"onnx": onnx}
    if not is_method:
        files["safetensors"] = dump(settings.model, network)
    record = WeightsRecord(
        name=name,
        kind="illumination" if is_illumination else "fusion",
        summary=summary,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        sha256={suffix: hashlib.sha256(data).hexdigest() for suffix, data in files.items()},
        training=json.loads((run / RECORD).read_text()),
        scores={},
    )
    for suffix, data in files.items():
        write_bytes(folder / f"{name}.{suffix}", data)
    save_record(record, folder)
    return folder / f"{name}.onnx"
