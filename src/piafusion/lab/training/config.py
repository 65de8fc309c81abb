"""Settings of a training run: typed, unknown keys refused, saved beside the result."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from piafusion.lab.data.folders import dataset_name
from piafusion.lab.models import SIZES
from piafusion.lab.models.blocks import Cmdaf
from piafusion.lab.models.comparison import COMPARISON
from piafusion.lab.training.data import Sampling
from piafusion.lab.training.losses import IntensityTarget, TextureLoss
from piafusion.metrics import SPECS
from piafusion.run.settings import (
    ComputeSettings,
    LoopSettings,
    TypedSettings,
    check_settings,
    preset_values,
)


class HardwareSettings(ComputeSettings):
    """Where a run computes; a resumed run may use other hardware."""

    devices: int = Field(default=1, gt=0, description="processes or GPUs per node")
    nodes: int = Field(default=1, gt=0, description="machines; start the command on each")

    @property
    def ranks(self) -> int:
        """The number of processes that share each batch."""
        return self.devices * self.nodes


class TrainingSettings(LoopSettings):
    """Settings that all trainings of a fusion or illumination network have."""

    model: str
    data: Path
    seed: int = 0
    start_from: str | None = Field(
        default=None,
        description="weights to start from instead of random ones: a shipped model or a path",
    )
    stop: int | None = Field(
        default=None, gt=0, description="end after this many of the schedule's steps"
    )
    batch: int = Field(gt=0)
    crop: int = Field(ge=16, description="side of the square crops in pixels")
    sampling: Sampling = "random"
    checkpoint_every: int = Field(default=200, gt=0, description="steps between checkpoints")
    validation: int = Field(
        default=0,
        ge=0,
        description="keep one of this many blocks of neighbours for validation; 0: none",
    )
    validate_every: int = Field(default=500, gt=0, description="steps between validations")
    hardware: HardwareSettings = HardwareSettings()

    @model_validator(mode="after")
    def _batch_can_be_shared(self) -> Self:
        if self.batch % self.hardware.ranks:
            raise ValueError(
                f"a batch of {self.batch} cannot be shared equally by {self.hardware.ranks} "
                "processes"
            )
        return self

    @property
    def last_step(self) -> int:
        """The number of steps that are run."""
        return self.steps if self.stop is None else min(self.stop, self.steps)


class LossSettings(TypedSettings):
    """Weights of Eq. 12, the form of its texture term, and the weights of two more terms."""

    illumination: float = Field(default=3.0, ge=0)
    intensity: float = Field(default=7.0, ge=0)
    gradient: float = Field(default=50.0, ge=0)
    texture: TextureLoss = "magnitude"
    target: IntensityTarget = Field(default="maximum", description="of Eq. 10")
    coarse: float = Field(default=0.0, ge=0, description="weight of structure in block means")
    fidelity: float = Field(default=0.0, ge=0, description="weight of 2 - VIF")
    edges: float = Field(default=0.0, ge=0, description="weight of 1 - Qabf")


class SizeSettings(TypedSettings):
    """Sizes of our own networks; see `MixingFusionSizes`."""

    stride: int = Field(gt=0)
    window: int = Field(gt=0)
    width: int = Field(gt=0)
    residual_layers: int = Field(ge=0)

    @model_validator(mode="after")
    def _window_surrounds_a_block(self) -> Self:
        if self.window < self.stride or (self.window - self.stride) % 2:
            raise ValueError(
                f"a window of {self.window} cannot surround a block of {self.stride} evenly"
            )
        return self


class FusionSettings(TrainingSettings):
    """Training of a fusion network by Eq. 12."""

    model: Literal["piafusion", "piafusion-fast", "piafusion-nano", "paper"]
    sizes: SizeSettings | None = Field(
        default=None, description="of our own networks; by default those of the shipped one"
    )
    cmdaf: Cmdaf = Field(
        default="printed",
        description="Eq. 5 as printed, with the sign of the authors' released code, or left out; "
        "of the paper's network",
    )
    loss: LossSettings = LossSettings()
    light: str = Field(
        default="illumination",
        description="day probability of Eq. 8: 'label' reads it off the file name, 'equal' is a "
        "half by day and night, anything else is a shipped illumination model or the path of its "
        "weights",
    )
    tone_share: float = Field(
        default=0.0, ge=0, le=1, description="share of the crops shown in another exposure"
    )
    move_share: float = Field(
        default=0.0, ge=0, le=1, description="share of the crops shown a little out of line"
    )
    branches: bool = Field(
        default=False, description="train the residual layers of our networks as sums of several"
    )

    @model_validator(mode="after")
    def _network_has_residual_layers(self) -> Self:
        if self.branches and self.model == "paper":
            raise ValueError("branches: the paper's network has no residual layers to spread")
        return self

    @model_validator(mode="after")
    def _network_has_cmdaf(self) -> Self:
        if self.cmdaf != "printed" and self.model != "paper":
            raise ValueError(f"cmdaf: is of the network 'paper' alone, found {self.model!r}")
        return self

    @model_validator(mode="after")
    def _crops_hold_the_terms(self) -> Self:
        least = SPECS["VIF"].minimum_size
        if self.loss.fidelity and self.crop < least:
            raise ValueError(
                f"the fidelity term needs crops of at least {least} pixels, found {self.crop}"
            )
        return self


class IlluminationSettings(TrainingSettings):
    """Training of the illumination network by Eq. 13."""

    model: Literal["illumination"] = "illumination"
    grey_share: float = Field(
        default=0.2, ge=0, le=1, description="share of batches shown without colour"
    )


class ContextSettings(TrainingSettings):
    """Training of the context network, which judges targets and light place by place.

    The data set has boxes of people and bicycles in `boxes/infrared`.
    """

    model: Literal["context"] = "context"
    more: Path | None = Field(
        default=None, description="data set of another camera, with `ir` and `vi`"
    )
    more_boxes: Path | None = Field(
        default=None,
        description="folder of its boxes; `nights.txt` in it lists the pairs taken by night",
    )
    painted: int = Field(default=120, ge=0, description="synthetic streets to learn from, too")

    @model_validator(mode="after")
    def _crops_fit_the_layers(self) -> Self:
        if self.crop % 32:
            raise ValueError(f"crop: the layers need a multiple of 32, found {self.crop}")
        if (self.more is None) != (self.more_boxes is None):
            raise ValueError(
                "expected more and more_boxes together, found one of them; give both or neither"
            )
        return self


class MethodSettings(TrainingSettings):
    """Training of a comparison method's network by its own loss."""

    model: Literal[
        "densefuse",
        "drf",
        "csf",
        "fusiongan",
        "ifcnn",
        "pmgi",
        "u2fusion",
    ]
    tone_share: float = Field(
        default=0.0, ge=0, le=1, description="share of the crops shown in another exposure"
    )
    settle: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="share of the steps after which batch normalisation keeps its statistics",
    )


TASKS: dict[str, type[TrainingSettings]] = {
    "illumination": IlluminationSettings,
    "fusion": FusionSettings,
    "context": ContextSettings,
    "method": MethodSettings,
}
"""The settings of each command `piafusion train NAME`."""

_PAPER_NETWORK = {"model": "paper", "hardware": {"precision": "auto"}}
_PAPER = {**_PAPER_NETWORK, "batch": 64, "crop": 64, "sampling": "grid", "gradient_clip": 100.0}
_ILLUMINATION = {"model": "illumination", "batch": 128, "crop": 64, "sampling": "grid"}
_SIGNED = {"illumination": 2.0, "intensity": 20.0, "gradient": 40.0, "texture": "signed"}
_MIXING = {
    "light": "label",
    "steps": 6000,
    "batch": 12,
    "crop": 96,
    "learning_rate": 2e-3,
    "tone_share": 0.3,
    "loss": {
        "illumination": 2.0,
        "intensity": 30.0,
        "gradient": 50.0,
        "texture": "headroom",
        "coarse": 5.0,
        "fidelity": 4.0,
        "edges": 6.0,
    },
}

# Section 4.9: the full model, W_ir = W_vi = 0.5, and no CMDAF, all on one schedule; besides them
# the full model with the CMDAF of the authors' released code.
_ABLATION = {**_PAPER_NETWORK, "steps": 2000, "batch": 4, "crop": 48, "loss": _SIGNED}

# The paper counts 30 epochs of 819 steps and 100 of 438 on its own, larger training set.
PRESETS: dict[str, dict[str, Any]] = {
    "quality": {
        **_MIXING,
        "model": "piafusion",
        "sizes": asdict(SIZES["piafusion"]),
        "steps": 9000,
    },
    "fast": {
        **_MIXING,
        "model": "piafusion-fast",
        "sizes": asdict(SIZES["piafusion-fast"]),
        "steps": 9000,
        "branches": True,
    },
    "nano": {
        **_MIXING,
        "model": "piafusion-nano",
        "sizes": asdict(SIZES["piafusion-nano"]),
        "steps": 1500,
        "learning_rate": 1e-3,
        "crop": 128,
    },
    "paper": {**_PAPER, "steps": 30 * 819},
    "paper-short": {
        **_PAPER_NETWORK,
        "steps": 6000,
        "batch": 4,
        "crop": 48,
        "loss": _SIGNED,
    },
    "ablation": _ABLATION,
    "ablation-illumination": {**_ABLATION, "light": "equal"},
    "ablation-cmdaf": {**_ABLATION, "cmdaf": "none"},
    "ablation-released": {**_ABLATION, "cmdaf": "released"},
    "illumination": {
        **_ILLUMINATION,
        "steps": 100 * 438,
        "gradient_clip": 1000.0,
        "grey_share": 0.0,
    },
    "illumination-short": {**_ILLUMINATION, "sampling": "random", "decay": 0.05, "steps": 8000},
    "context": {
        "model": "context",
        "hardware": {"precision": "auto"},
        "steps": 12000,
        "batch": 8,
        "crop": 224,
        "learning_rate": 2e-3,
        "decay": 0.02,
    },
    **{
        name: {"model": name, "gradient_clip": 10.0, **network.schedule._asdict()}
        for name, network in COMPARISON.items()
    },
}


def resolve(preset: str, data: Path, overrides: dict[str, str]) -> TrainingSettings:
    """Return the settings of a preset with some of them replaced.

    Args:
        preset: One of `PRESETS`.
        data: Dataset folder with `ir` and `vi`.
        overrides: Dotted names to values as text, e.g. `{"loss.texture": "signed"}`.

    Raises:
        UsageError: If the preset or a setting is unknown, or a value is not allowed.
    """
    return validate(preset_values(PRESETS, preset, overrides, data=data))


def validate(values: dict[str, Any]) -> TrainingSettings:
    """Return typed settings; the model decides their kind.

    Raises:
        UsageError: Naming the first setting that is unknown or not allowed.
    """
    kind: type[TrainingSettings] = FusionSettings
    model = str(values.get("model"))
    if model == "illumination":
        kind = IlluminationSettings
    elif model == "context":
        kind = ContextSettings
    elif model in COMPARISON:
        kind = MethodSettings
    return check_settings(kind, values)


def command(settings: TrainingSettings) -> str:
    """Return the command line that starts a run with these settings."""
    default = _flat(resolve(settings.preset, settings.data, {}).model_dump(mode="json"))
    chosen = _flat(portable(settings))
    changes = [f" --set {name}={value}" for name, value in chosen.items() if value != default[name]]
    data = dataset_name(settings.data)
    changes = [each for each in changes if not each.startswith(" --set data=")]
    if isinstance(settings, MethodSettings):
        return f"piafusion train method {settings.preset} {data}{''.join(changes)}"
    task = next(name for name, kind in TASKS.items() if isinstance(settings, kind))
    return f"piafusion train {task} {data} --preset {settings.preset}{''.join(changes)}"


def portable(settings: TrainingSettings) -> dict[str, Any]:
    """Return the settings with names in the place of this machine's paths."""
    values = settings.model_dump(mode="json")
    paths = {name for name, value in values.items() if isinstance(value, str) and value[:1] == "/"}
    return {**values, **{name: dataset_name(Path(values[name])) for name in paths}}


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in values.items():
        is_group = isinstance(value, dict)
        flat.update(_flat(value, f"{prefix}{name}.") if is_group else {prefix + name: value})
    return flat
