import pytest
from pydantic import Field

from piafusion.errors import UsageError
from piafusion.run.settings import ComputeSettings, TypedSettings, check_settings, preset_values


class Example(TypedSettings):
    preset: str
    steps: int = Field(gt=0)
    rate: float = 0.5
    hardware: ComputeSettings = ComputeSettings()


PRESETS = {"short": {"steps": 3, "hardware": {"accelerator": "cpu"}}}


def test_text_replaces_single_values_and_leaves_the_preset_as_it_was() -> None:
    values = preset_values(PRESETS, "short", {"rate": "0.25", "hardware.precision": "bf16-mixed"})
    settings = check_settings(Example, values)
    assert settings == Example(
        preset="short",
        steps=3,
        rate=0.25,
        hardware=ComputeSettings(accelerator="cpu", precision="bf16-mixed"),
    )
    assert PRESETS["short"]["hardware"] == {"accelerator": "cpu"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"stepz": "3"}, r"setting 'stepz': .* \(settings: preset, steps, rate, hardware\)"),
        ({"steps": "0"}, "setting 'steps'"),
        ({"steps": "three"}, "setting 'steps'"),
        ({"rate": "nan"}, "setting 'rate'"),
        ({"hardware.accelerator": "abacus"}, r"setting 'hardware\.accelerator'"),
        ({"hardware.cores": "2"}, r"setting 'hardware\.cores'"),
        ({"rate.first": "2"}, "setting 'rate'"),
        ({"steps.first": "2"}, "setting 'steps.first': 'steps' has no parts"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        check_settings(Example, preset_values(PRESETS, "short", overrides))
    assert "\n" not in str(raised.value)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a preset of short, found 'long'"):
        preset_values(PRESETS, "long", {})
