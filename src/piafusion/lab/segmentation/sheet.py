"""A contact sheet of scenes with their labels and with the classes that networks predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from piafusion.imaging.contact_sheet import contact_sheet
from piafusion.imaging.io import read_image
from piafusion.lab.evaluation.sheets import choose_stems
from piafusion.lab.segmentation.inputs import NetworkInput
from piafusion.lab.segmentation.pictures import LabelledSet, read_label, read_picture
from piafusion.lab.segmentation.scores import IGNORED

COLOURS = np.array([(40, 40, 40), (90, 140, 255), (255, 80, 60), (90, 220, 90)], np.uint8)
"""RGB colours of background, vehicle, person and bicycle."""
_IGNORED = (200, 200, 200)


def draw_sheet(
    test: LabelledSet,
    inputs: Sequence[NetworkInput],
    predicted: Mapping[str, Path],
    others: Literal["ignore", "background"],
    count: int,
) -> NDArray[np.uint8]:
    """Draw scenes: infrared, visible, labels, and each source under the predicted classes.

    Args:
        test: The scenes to choose from; as many by day as by night if that is known.
        inputs: The sources.
        predicted: Folder of the predicted classes, by source.
        others: See `read_label`.
        count: Number of scenes.
    """
    rows = []
    pairs = {pair.stem: pair for pair in test.data.pairs}
    for stem in choose_stems(test.stems, test.data.lights, count):
        row = {
            "infrared": read_picture(pairs[stem].infrared, infrared=True),
            "visible": read_picture(pairs[stem].visible),
            "labels": coloured(read_label(test.labels[stem], others)),
        }
        for source in inputs:
            shown = read_picture(source.files[test.data.name][stem], infrared=source.is_infrared)
            classes = read_image(predicted[source.name] / f"{stem}.png").astype(np.uint8)
            row[f"from {source.name}"] = laid_over(shown, classes)
        rows.append(row)
    return contact_sheet(rows)


def coloured(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return labels as RGB, H x W x 3; ignored pixels are grey."""
    table = np.full((256, 3), 0, np.uint8)
    table[: len(COLOURS)] = COLOURS
    table[IGNORED] = _IGNORED
    return table[labels]


def laid_over(picture: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture, H x W x 3, with the colours of its classes over it, except background."""
    shown = (labels > 0)[..., None]
    mixed = 0.35 * picture + 0.65 * coloured(labels)
    return np.where(shown, np.rint(mixed), picture).astype(np.uint8)
