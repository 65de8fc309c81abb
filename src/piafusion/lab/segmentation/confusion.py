"""What a network takes for what: confusion matrices and the intersection over union."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from piafusion.scenes.synthetic import CLASSES

IGNORED = 255
"""Label of pixels that count nowhere."""
COLUMNS = (*CLASSES, "mIoU")


def confusion(labels: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the pixels of a picture by what they are and what they are taken for.

    Args:
        labels: H x W, indices of `CLASSES` or `IGNORED`.
        predicted: H x W, indices of `CLASSES`.

    Returns:
        4 x 4, a row for each label and a column for each prediction. Those of several pictures
        are summed before scores are taken.
    """
    count = len(CLASSES)
    known = labels != IGNORED
    places = count * labels[known].astype(np.int64) + predicted[known]
    return np.bincount(places, minlength=count**2).reshape(count, count)


def intersection_over_union(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return IoU and mIoU in [0, 1], in the order of `COLUMNS`.

    The IoU of a class is the pixels that are it and are taken for it, over those that are one or
    the other. A class that no label shows has none: it is NaN, whatever was predicted, and left out
    of the mean. (What is wrongly taken for it lowers the IoU of what it is.)

    Args:
        counts: Confusion matrices, ... x 4 x 4.

    Returns:
        ... x 5.

    Reference:
        M. Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 88, 2010.
    """
    there = counts.sum(axis=-1)
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    either = there + counts.sum(axis=-2) - hit
    shown = there > 0
    scores = np.divide(hit, either, out=np.full(hit.shape, np.nan), where=shown)
    number = shown.sum(axis=-1)
    sums = np.where(shown, scores, 0).sum(axis=-1)
    mean = np.divide(sums, number, out=np.full(sums.shape, np.nan), where=number > 0)
    return np.concatenate([scores, mean[..., None]], axis=-1)
