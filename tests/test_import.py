import subprocess
import sys

import pytest

import piafusion
from piafusion.weights import load_manifest


def loaded_after(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the modules it has loaded."""
    report = "\nimport sys; print('\\n'.join(sys.modules))"
    run = [sys.executable, "-c", code + report]
    return set(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())


def test_importing_loads_nothing_heavy() -> None:
    loaded = loaded_after("import piafusion.cli; piafusion.cli.make_app()")
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


def test_a_command_loads_no_other() -> None:
    code = "import sys, piafusion.cli as cli; sys.argv = ['piafusion', 'models', '--json']\n"
    loaded = loaded_after(code + "try: cli.main()\nexcept SystemExit: pass\n")
    assert {name for name in loaded if name.startswith("piafusion.cli.")} == {
        f"piafusion.cli.{name}" for name in ("models", "options", "printing")
    }


def test_fusing_leaves_torch_unloaded() -> None:
    loaded = loaded_after("import numpy as np; from piafusion import Fuser; Fuser()")
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "lightning", "onnx", "scipy"}


def test_imagecodecs_is_loaded_for_tiff_alone() -> None:
    code = (
        "import cv2, numpy as np\n"
        "from piafusion.imaging.io import decode_image, encode_image\n"
        "image = np.zeros((8, 8), np.uint8)\n"
        "for suffix in {}: decode_image(bytes(encode_image(image, suffix)), '')"
    )
    names = {"imagecodecs", "tifffile"}
    assert not loaded_after(code.format("('.png', '.jpg', '.bmp', '.webp')")) & names
    assert loaded_after(code.format("('.tif',)")) & names == {"imagecodecs"}


def test_the_module_for_clusters_loads_no_ray() -> None:
    loaded = loaded_after("import piafusion.cluster, piafusion.manifest")
    assert not loaded & {"ray", "pyarrow", "pandas", "upath", "fsspec"}


def test_without_ray_the_message_names_the_extra() -> None:
    code = (
        "import sys; sys.modules.update(ray=None, upath=None)\n"
        "from piafusion.cluster import load_ray\n"
        "from piafusion.errors import MissingExtraError\n"
        "from piafusion.imaging.places import as_path\n"
        "for use in (load_ray, lambda: as_path('s3://bucket/ir')):\n"
        "    try: use()\n"
        "    except MissingExtraError as error: assert 'piafusion[ray]' in str(error)\n"
        "    else: raise SystemExit('no error')"
    )
    loaded_after(code)


def test_methods_load_what_they_need_alone() -> None:
    loaded = loaded_after("from piafusion import Fuser; Fuser(method='mdlatlrr')")
    assert not loaded & {"torch", "lightning", "onnxruntime", "scipy", "pywt"}


def test_networks_of_methods_need_no_torch() -> None:
    loaded = loaded_after("from piafusion import Fuser; Fuser(method='densefuse')")
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "lightning", "onnx", "scipy", "pywt"}


def test_without_torch_the_message_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from piafusion import Fuser\n"
        "from piafusion.errors import MissingExtraError\n"
        "Fuser()\n"
        "try: Fuser(engine='torch')\n"
        "except MissingExtraError as error: assert 'piafusion[train]' in str(error)\n"
        "else: raise SystemExit('no error')"
    )
    loaded_after(code)


def test_public_names() -> None:
    assert set(piafusion.__all__) <= set(dir(piafusion))
    for name in piafusion.__all__:
        assert getattr(piafusion, name) is not None
    assert list(piafusion.list_models()) == list(load_manifest())
    with pytest.raises(AttributeError, match="no attribute 'fuse'"):
        _ = piafusion.fuse
