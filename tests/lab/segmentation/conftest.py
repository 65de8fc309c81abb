"""Four tiny scenes, day and night, to train and to test on."""

import numpy as np
import pytest

from piafusion.imaging.io import write_image

HEIGHT, WIDTH = 64, 80
TINY = {"steps": "3", "batch": "2", "crop": "48,64", "widths": "4,8", "decoder": "4"}
STEMS = ("1D", "2D", "3N", "4N")

# Of background, vehicle, person and bicycle: grey by heat and colour by day.
WARMTH = np.array([40, 120, 230, 80], np.uint8)
PAINT = np.array([(120, 120, 110), (40, 60, 200), (200, 60, 40), (30, 180, 60)], np.uint8)


def labelled(seed, *, night):
    """Return infrared, visible and labels: a block for each class but background."""
    generator = np.random.default_rng(seed)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for kind, (height, width) in enumerate(((18, 30), (24, 10), (14, 14)), 1):
        top, left = generator.integers((HEIGHT - height, WIDTH - width))
        labels[top : top + height, left : left + width] = kind
    noise = generator.normal(0, 6, (HEIGHT, WIDTH, 1))
    visible = PAINT[labels] * (0.2 if night else 1.0) + noise
    return (
        np.clip(WARMTH[labels] + noise[..., 0], 0, 255).astype(np.uint8),
        np.clip(visible, 0, 255).astype(np.uint8),
        labels,
    )


def write_splits(root, stems=STEMS):
    for split, start in (("train", 0), ("test", 10)):
        for seed, stem in enumerate(stems, start):
            pictures = labelled(seed, night=stem.endswith("N"))
            for name, picture in zip(("ir", "vi", "label"), pictures, strict=True):
                write_image(root / split / name / f"{stem}.png", picture)


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streets")
    write_splits(folder)
    return folder
