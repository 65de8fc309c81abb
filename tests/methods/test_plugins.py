"""Methods of other packages: registered in the process, or offered by an entry point."""

from pathlib import Path

import numpy as np
import pytest

import piafusion
from piafusion import methods
from piafusion.errors import UsageError
from tests.conftest import scene
from tests.plugins import install, run_with


@pytest.fixture(autouse=True)
def _same_registry_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "_METHODS", methods.list_methods())


def test_a_registered_function_is_a_method() -> None:
    piafusion.register_method("darker", np.minimum, title="Darker of both")
    infrared, visible = scene(24, 32)
    fused = piafusion.Fuser(method="darker")(infrared, visible[..., 1])
    np.testing.assert_array_equal(fused, np.minimum(infrared, visible[..., 1]))
    assert piafusion.list_methods()["darker"].title == "Darker of both"


def test_a_specification_keeps_what_it_says() -> None:
    piafusion.register_method("mean", methods.find_method("average"))
    spec = methods.find_method("mean")
    assert (spec.name, spec.title) == ("mean", "Average")


def test_names_are_taken_once_and_methods_are_functions() -> None:
    with pytest.raises(UsageError, match="expected a new name for a method, found 'average'"):
        piafusion.register_method("average", np.minimum)
    with pytest.raises(UsageError, match=r"other: expected a function .* found int"):
        piafusion.register_method("other", 3)


def test_an_entry_point_offers_a_method_to_every_process(tmp_path: Path) -> None:
    install(
        tmp_path,
        "import numpy as np\n\ndef darker(infrared, luminance):\n"
        "    return np.minimum(infrared, luminance)\n",
        methods.PLUGINS,
        "darker = extra_package:darker",
    )
    done = run_with(tmp_path, "methods")
    assert done.returncode == 0, done.stderr
    assert "darker" in done.stdout
    assert "plug-in" in done.stdout


def test_a_broken_plug_in_is_one_line(tmp_path: Path) -> None:
    install(
        tmp_path,
        "raise RuntimeError('no licence\\nhere')\n",
        methods.PLUGINS,
        "darker = extra_package:darker",
    )
    done = run_with(tmp_path, "methods")
    assert done.returncode == 2
    line = done.stderr.strip()
    assert "\n" not in line
    assert "found RuntimeError: no licence here; repair or uninstall that package" in line
