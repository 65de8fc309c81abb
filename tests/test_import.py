import subprocess
import sys

import pytest

import piafusion
from piafusion.weights import load_manifest


def loaded_after(*steps: str) -> list[set[str]]:
    """Run steps in a fresh interpreter and return the modules it has loaded after each."""
    report = "\nimport sys; print('\\nloaded', *sys.modules)\n"
    run = [sys.executable, "-c", report.join([*steps, ""])]
    lines = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    return [set(line.split()[1:]) for line in lines if line.startswith("loaded ")]


def test_importing_loads_nothing_heavy() -> None:
    loaded, clusters = loaded_after(
        "import piafusion.cli; piafusion.cli.make_app()",
        "import piafusion.cluster, piafusion.manifest",
    )
    assert "piafusion.cli.fuse" in loaded
    assert not loaded & {
        "torch",
        "onnxruntime",
        "cv2",
        "numpy",
        "lightning",
        "pydantic",
        "rich",
        "av",
        "ray",
        "upath",
    }
    assert not clusters & {"ray", "pyarrow", "pandas", "upath", "fsspec"}


def test_a_command_loads_no_other() -> None:
    code = "import sys, piafusion.cli as cli; sys.argv = ['piafusion', 'models', '--json']\n"
    (loaded,) = loaded_after(code + "try: cli.main()\nexcept SystemExit: pass\n")
    assert {name for name in loaded if name.startswith("piafusion.cli.")} == {
        f"piafusion.cli.{name}" for name in ("models", "options", "printing")
    }


def test_fusing_loads_what_it_needs_alone() -> None:
    method, model, network = loaded_after(
        "import numpy; from piafusion import Fuser; Fuser(method='mdlatlrr')",
        "Fuser()",
        "Fuser(method='densefuse')",
    )
    assert not method & {"torch", "lightning", "onnxruntime", "scipy", "pywt"}
    assert "onnxruntime" in model
    assert not model & {"torch", "lightning", "onnx", "scipy"}
    assert not network & {"torch", "lightning", "onnx", "scipy", "pywt"}


def test_imagecodecs_is_loaded_for_tiff_alone() -> None:
    code = (
        "import cv2, numpy as np\n"
        "from piafusion.imaging.io import decode_image, encode_image\n"
        "image = np.zeros((8, 8), np.uint8)\n"
        "for suffix in ('.png', '.jpg', '.bmp', '.webp'):\n"
        "    decode_image(bytes(encode_image(image, suffix)), '')"
    )
    names = {"imagecodecs", "tifffile"}
    others, tiff = loaded_after(code, "decode_image(bytes(encode_image(image, '.tif')), '')")
    assert not others & names
    assert tiff & names == {"imagecodecs"}


def test_a_message_names_the_extra_that_is_missing() -> None:
    loaded_after(
        "import sys; sys.modules.update(ray=None, upath=None, torch=None)\n"
        "from piafusion import Fuser\n"
        "from piafusion.cluster import load_ray\n"
        "from piafusion.errors import MissingExtraError\n"
        "from piafusion.imaging.places import as_path\n"
        "Fuser()\n"
        "for extra, use in (\n"
        "    ('ray', load_ray),\n"
        "    ('ray', lambda: as_path('s3://bucket/ir')),\n"
        "    ('train', lambda: Fuser(engine='torch')),\n"
        "):\n"
        "    try: use()\n"
        "    except MissingExtraError as error: assert f'piafusion[{extra}]' in str(error)\n"
        "    else: raise SystemExit('no error')"
    )


def test_public_names() -> None:
    assert set(piafusion.__all__) <= set(dir(piafusion))
    for name in piafusion.__all__:
        assert getattr(piafusion, name) is not None
    assert list(piafusion.list_models()) == list(load_manifest())
    with pytest.raises(AttributeError, match="no attribute 'fuse'"):
        _ = piafusion.fuse
