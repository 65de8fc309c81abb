"""Settings of long work: typed, unknown names are refused, and text can replace single values."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from piafusion.errors import UsageError

SettingsT = TypeVar("SettingsT", bound="TypedSettings")


class TypedSettings(BaseModel):
    """Base of all settings: frozen, finite, and without unknown names."""

    model_config = ConfigDict(
        allow_inf_nan=False, extra="forbid", frozen=True, validate_default=True
    )


class ComputeSettings(TypedSettings):
    """The hardware and the precision that a training uses."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    precision: Literal["auto", "32-true", "16-mixed", "bf16-mixed"] = Field(
        default="32-true",
        description="auto: bf16-mixed on a processor that computes in bf16, 32-true elsewhere",
    )


class LoopSettings(TypedSettings):
    """Settings that every training has."""

    preset: str = Field(description="where the settings started from")
    steps: int = Field(gt=0, description="length of the schedule")
    learning_rate: float = Field(default=1e-3, gt=0)
    decay: float = Field(
        default=0.01, gt=0, le=1, description="last learning rate as a share of the first"
    )
    gradient_clip: float = Field(default=1.0, gt=0, description="largest gradient norm")
    gradient_limit: float = Field(
        default=1e4, gt=0, description="gradient norm before clipping at which the run stops"
    )
    hardware: ComputeSettings = ComputeSettings()


def preset_values(
    presets: Mapping[str, Mapping[str, Any]],
    preset: str,
    overrides: Mapping[str, str],
    **others: object,
) -> dict[str, Any]:
    """Return the values of a preset, and its name as `preset`, with some of them replaced.

    Args:
        presets: Values by the name of the preset; a group of values is a dict.
        preset: One of them.
        overrides: Dotted names to values as text, such as `{"loss.texture": "signed"}`.
        others: Values that no preset holds.

    Raises:
        UsageError: If there is no such preset, or a dotted name goes into a single value.
    """
    if preset not in presets:
        raise UsageError(f"expected a preset of {', '.join(presets)}, found {preset!r}")
    values = {**deepcopy(dict(presets[preset])), "preset": preset, **others}
    for name, value in overrides.items():
        *groups, last = name.split(".")
        place = values
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise UsageError(f"setting {name!r}: {group!r} has no parts; check the name")
        place[last] = value
    return values


def check_settings(kind: type[SettingsT], values: Mapping[str, Any]) -> SettingsT:
    """Return settings of a kind, checked and typed.

    Raises:
        UsageError: Naming the first setting that is unknown or not allowed.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = ", ".join(kind.model_fields)
        where = f"setting {name!r}" if name else "settings"  # a rule that joins several has no name
        raise UsageError(f"{where}: {first['msg']} (settings: {known})") from error
