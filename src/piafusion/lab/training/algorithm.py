"""Algorithm 1 of the paper: the illumination network, then the fusion network by its light."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from piafusion.lab.training import run
from piafusion.lab.training.config import resolve
from piafusion.lab.training.export import export_run
from piafusion.run.progress import Progress, silent

SCHEDULES = {"paper": ("illumination", "paper"), "short": ("illumination-short", "paper-short")}
"""By name, the presets of both networks."""


def train_paper(
    data: Path,
    output: Path,
    schedule: str = "paper",
    changes: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Path:
    """Train both networks in sequence and export them; return the path of `paper.onnx`.

    The runs are `output/illumination` and `output/fusion`, the models and their manifest lie in
    `output/weights`. Finished runs are kept, and an interrupted one goes on.

    Args:
        data: Dataset folder with `ir` and `vi`, names in D or N.
        output: Folder of both trainings.
        schedule: One of `SCHEDULES`.
        changes: Settings that differ from the presets, of the fusion network; those whose names
            begin with `illumination.` are of the illumination network, and `hardware.` of both.
        progress: Shows the steps.

    Raises:
        UsageError: If a setting is unknown, or the folder holds a run with other settings.
        TrainingError: If the data cannot be used, or training fails.
        WeightsError: If an exported file does not answer like torch.
    """
    weights = output.absolute() / "weights"
    own: dict[str, dict[str, str]] = {"illumination": {}, "fusion": {}}
    for name, value in (changes or {}).items():
        task, dot, rest = name.partition(".")
        if dot and task == "illumination":
            own[task][rest] = value
        else:
            own["fusion"][name] = value
            if task == "hardware":
                own["illumination"][name] = value
    light = str(weights / "illumination.safetensors")
    defaults = {"illumination": {}, "fusion": {"light": light}}
    # Both are checked before the first is trained.
    settings = {
        task: resolve(preset, data, {**defaults[task], **own[task]})
        for task, preset in zip(own, SCHEDULES[schedule], strict=True)
    }
    for task, name in (("illumination", "illumination"), ("fusion", "paper")):
        folder = output / task
        run.finish(folder, settings[task], progress)
        if run.is_main_process() and not (weights / f"{name}.onnx").is_file():
            export_run(folder, weights, name=name)
    return weights / "paper.onnx"
