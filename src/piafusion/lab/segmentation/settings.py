"""Settings of a comparison: typed, unknown keys refused, saved beside the result."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from piafusion.run.settings import LoopSettings, check_settings, preset_values

LEAST_CROP = 32  # pixels


class SegmentationSettings(LoopSettings):
    """How each network is built and trained; data, sources and seeds are given separately."""

    network: Literal["bilateral", "segformer"]
    widths: tuple[int, ...] = Field(min_length=2, description="channels of the encoder's stages")
    blocks: int = Field(gt=0, description="blocks in each stage")
    decoder: int = Field(gt=0, description="channels of the decoder")
    others: Literal["ignore", "background"] = Field(
        default="ignore",
        description="pixels of MFNet's classes 4 to 8: out of training and scores, or background",
    )
    batch: int = Field(gt=1, description="batch normalisation needs two")
    crop: tuple[int, int] | None = Field(
        default=None, description="height and width; none: what all training pictures hold"
    )
    sought: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the crops that are cut where a class is, each class alike",
    )
    balance: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="how much more rare classes weigh in the loss: their share to this power",
    )
    gradient_clip: float = Field(default=5.0, gt=0, description="largest gradient norm")

    @field_validator("widths", "crop", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:  # noqa: ANN401 - not yet typed
        """Take numbers with commas between them, or none, as a command line gives them."""
        if value == "none":
            return None
        return value.split(",") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _the_network_can_be_made(self) -> Self:
        if min(self.widths) < 1:
            raise ValueError(f"widths: expected positive numbers, found {self.widths}")
        if self.network == "segformer":
            if len(self.widths) != 4:
                raise ValueError(f"segformer has 4 stages, found {len(self.widths)} widths")
            if any(width >= 64 and width % 32 for width in self.widths):
                raise ValueError("segformer: widths of 64 and more have to be multiples of 32")
        if self.crop is not None and min(self.crop) < LEAST_CROP:
            raise ValueError(f"crop: expected at least {LEAST_CROP} pixels, found {self.crop}")
        return self


_SHORT = {
    "widths": [16, 32, 64, 128],
    "blocks": 1,
    "steps": 600,
    "batch": 8,
    "crop": [96, 128],
    "sought": 0.9,
    "balance": 0.3,
    "decay": 0.1,
}
_FULL = {"blocks": 2, "steps": 20_000, "batch": 16}

PRESETS: dict[str, dict[str, Any]] = {
    "short": {**_SHORT, "network": "bilateral", "decoder": 32, "learning_rate": 5e-3},
    "full": {**_FULL, "network": "bilateral", "widths": [64, 128, 256, 512], "decoder": 128},
    "segformer-short": {**_SHORT, "network": "segformer", "decoder": 64},
    "segformer-full": {
        **_FULL,
        "network": "segformer",
        "widths": [32, 64, 160, 256],
        "decoder": 256,
        "learning_rate": 3e-4,
    },
}
"""`short` is for a CPU and small pictures; `full` has the sizes of ResNet-18 or of SegFormer-B0."""


def resolve(preset: str = "short", overrides: dict[str, str] | None = None) -> SegmentationSettings:
    """Return the settings of a preset with some of them replaced.

    Args:
        preset: One of `PRESETS`.
        overrides: Dotted names to values as text, e.g. `{"hardware.accelerator": "gpu"}`.

    Raises:
        UsageError: If the preset or a setting is unknown, or a value is not allowed.
    """
    values = preset_values(PRESETS, preset, overrides or {})
    return check_settings(SegmentationSettings, values)


def as_json(settings: SegmentationSettings) -> dict[str, Any]:
    """Return settings as they are read back from JSON."""
    values: dict[str, Any] = json.loads(settings.model_dump_json())
    return values
