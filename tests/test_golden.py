"""The shipped models give the pictures that they gave when they were shipped.

`tests/golden` holds means and standard deviations of blocks of 20 x 20 pixels, in 256ths of a grey
level. After a wanted change of the numbers write them anew: `python -m tests.test_golden`.
"""

from pathlib import Path

import numpy as np
import pytest

from piafusion import Fuser, Illumination, list_models, read_image, write_image
from piafusion.scenes.synthetic import demo_scenes_root

GOLDEN = Path(__file__).parent / "golden"
MODELS = [name for name, record in list_models().items() if record.kind == "fusion"]
DAY = {"street_D": 0.9979, "street_N": 0.2915}
BLOCK = 20
TOLERANCE = 0.2  # grey levels: processors round single pixels differently, by one level


def blocks(model: str, stem: str) -> np.ndarray:
    """Fuse the middle of a shipped scene; return means above deviations, rows x columns x 3."""
    ir, vi = (
        read_image(demo_scenes_root() / folder / f"{stem}.png")[120:360, 160:480]
        for folder in ("ir", "vi")
    )
    fused = Fuser(model, device="cpu")(ir, vi).astype(np.float64)
    height, width = fused.shape[:2]
    cut = fused.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    return np.concatenate([cut.mean(axis=(1, 3)), cut.std(axis=(1, 3))])


@pytest.mark.parametrize("stem", DAY)
@pytest.mark.parametrize("model", MODELS)
def test_a_shipped_model_fuses_as_it_did(model: str, stem: str) -> None:
    golden = read_image(GOLDEN / f"{model}-{stem}.png") / 256
    np.testing.assert_allclose(blocks(model, stem), golden, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("stem", DAY)
def test_the_light_is_judged_as_it_was(stem: str) -> None:
    light = Illumination()(read_image(demo_scenes_root() / "vi" / f"{stem}.png"))
    assert light.day == pytest.approx(DAY[stem], abs=1e-3)


if __name__ == "__main__":
    for model in MODELS:
        for stem in DAY:
            levels = np.rint(256 * blocks(model, stem)).astype(np.uint16)
            write_image(GOLDEN / f"{model}-{stem}.png", levels, overwrite=True)
