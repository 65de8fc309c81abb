"""Fusion of discrete wavelet transforms (Li, Manjunath, Mitra 1995)."""

from __future__ import annotations

from typing import Any

import numpy as np

from piafusion.methods._spec import MethodSpec, Plane, Rule
from piafusion.methods.laplacian import stronger

WAVELET = "sym4"
LEVELS = 4


def create(threads: int) -> Rule:
    """Return the rule, which uses one thread; needs PyWavelets."""
    del threads
    import pywt

    def wavelet(infrared: Plane, luminance: Plane) -> Plane:
        """Take of each coefficient the one further from 0, and of the base the mean.

        Args:
            infrared: H x W in [0, 1].
            luminance: H x W in [0, 1].

        Returns:
            H x W; near strong edges it may leave [0, 1].
        """
        deepest = pywt.dwt_max_level(min(infrared.shape), WAVELET)
        (base_ir, *details_ir), (base_y, *details_y) = (
            pywt.wavedec2(plane, WAVELET, level=min(LEVELS, deepest))
            for plane in (infrared, luminance)
        )
        fused: list[Any] = [(base_ir + base_y) / 2]
        for of_ir, of_y in zip(details_ir, details_y, strict=True):
            fused.append(tuple(stronger(a, b) for a, b in zip(of_ir, of_y, strict=True)))
        height, width = infrared.shape  # odd sides come back one pixel longer
        return np.asarray(pywt.waverec2(fused, WAVELET)[:height, :width], dtype=np.float32)

    return wavelet


SPEC = MethodSpec(
    name="wavelet",
    create=create,
    title="Wavelet",
    paper=(
        "Li, Manjunath, Mitra: Multisensor image fusion using the wavelet transform, Graphical "
        "Models and Image Processing 57, 1995"
    ),
    kind="multi-scale",
    departures=(
        "Coefficients are chosen one by one, without the paper's window and majority vote.",
        "Four levels of Daubechies' least asymmetric wavelet of length 8 (sym4).",
    ),
    needs="methods",
    packages=("pywt",),
)
