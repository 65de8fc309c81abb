import pytest

from piafusion.errors import UsageError
from piafusion.lab.segmentation.settings import PRESETS, SegmentationSettings, as_json, resolve


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_whole_and_come_back_from_json(preset):
    settings = resolve(preset)
    assert SegmentationSettings.model_validate(as_json(settings)) == settings


def test_settings_are_replaced_as_a_command_line_gives_them():
    given = {"widths": "4,8", "crop": "64,96", "hardware.precision": "bf16-mixed"}
    settings = resolve("short", given)
    assert (settings.widths, settings.crop) == ((4, 8), (64, 96))
    assert settings.hardware.precision == "bf16-mixed"
    assert resolve("short", {"crop": "none"}).crop is None
    assert PRESETS["short"]["widths"] != [4, 8]


@pytest.mark.parametrize(
    ("preset", "wrong", "message"),
    [
        ("shrt", {}, "expected a preset of short, full"),
        ("short", {"epochs": "3"}, "setting 'epochs'"),
        ("short", {"batch": "1"}, "setting 'batch'"),
        ("short", {"widths": "4"}, "setting 'widths'"),
        ("short", {"widths": "4,x"}, "setting 'widths"),
        ("short", {"widths": "4,0"}, "positive"),
        ("short", {"crop": "64,16"}, "at least 32 pixels"),
        ("short", {"others": "vehicle"}, "setting 'others'"),
        ("segformer-short", {"widths": "4,8"}, "4 stages"),
        ("segformer-short", {"widths": "16,32,64,100"}, "multiples of 32"),
        ("short", {"batch.size": "2"}, "has no parts"),
    ],
)
def test_wrong_settings_are_refused(preset, wrong, message):
    with pytest.raises(UsageError, match=message):
        resolve(preset, wrong)


@pytest.mark.parametrize("number", ["nan", "inf", "1e999", "9" * 400])
def test_numbers_without_bounds_are_refused(number: str) -> None:
    with pytest.raises(UsageError, match="learning_rate"):
        resolve("short", {"learning_rate": number})
