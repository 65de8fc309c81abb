"""The metrics of `piafusion.metrics` once more, straight from their formulas.

NumPy and SciPy in float64, two-dimensional windows, nothing shared and nothing rearranged for
speed: what the tests compare with and what benchmarks/metrics.py measures against. Each function
of `METRICS` takes infrared, visible and fused picture, ``H x W``, float64, 0..255.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2, fftfreq, ifft2
from scipy.signal import convolve2d, correlate2d

F64 = NDArray[np.float64]


def _en(infrared: F64, visible: F64, fused: F64) -> float:
    return _entropy(_share(fused))


def _mi(infrared: F64, visible: F64, fused: F64) -> float:
    return sum(
        _entropy(_share(source)) + _entropy(_share(fused)) - _entropy(_share(source, fused))
        for source in (infrared, visible)
    )


def _nmi(infrared: F64, visible: F64, fused: F64) -> float:
    total = 0.0
    for source in (infrared, visible):
        alone = _entropy(_share(source)) + _entropy(_share(fused))
        total += 2 * (alone - _entropy(_share(source, fused))) / alone
    return total


def _sd(infrared: F64, visible: F64, fused: F64) -> float:
    return float(np.sqrt(np.mean((fused - fused.mean()) ** 2)))


def _sf(infrared: F64, visible: F64, fused: F64) -> float:
    rows, columns = np.diff(fused, axis=1), np.diff(fused, axis=0)
    return float(np.sqrt(np.mean(rows**2) + np.mean(columns**2)))


def _ag(infrared: F64, visible: F64, fused: F64) -> float:
    down, right = np.gradient(fused)
    height, width = fused.shape
    return float(np.sqrt((right**2 + down**2) / 2).sum() / ((height - 1) * (width - 1)))


def _cc(infrared: F64, visible: F64, fused: F64) -> float:
    return float(np.mean([_correlation(source, fused) for source in (infrared, visible)]))


def _scd(infrared: F64, visible: F64, fused: F64) -> float:
    return _correlation(fused - visible, infrared) + _correlation(fused - infrared, visible)


def _mse(infrared: F64, visible: F64, fused: F64) -> float:
    return float(np.mean((infrared - fused) ** 2) + np.mean((visible - fused) ** 2)) / 2


def _psnr(infrared: F64, visible: F64, fused: F64) -> float:
    return float(10 * np.log10(255**2 / _mse(infrared, visible, fused)))


def _mean_ssim(infrared: F64, visible: F64, fused: F64) -> float:
    window = _gaussian(11, 1.5)
    return float(np.mean([_ssim(source, fused, window)[0] for source in (infrared, visible)]))


def _ms_ssim(infrared: F64, visible: F64, fused: F64) -> float:
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    values = []
    for one, other in ((infrared, fused), (visible, fused)):
        value = 1.0
        for scale, weight in enumerate(weights):
            maps = _ssim(one, other, _gaussian(11, 1.5))
            value *= float(np.mean(maps[0] if scale == 4 else maps[1])) ** weight
            one, other = _halve(one), _halve(other)
        values.append(value)
    return float(np.mean(values))


def _vif(infrared: F64, visible: F64, fused: F64) -> float:
    """Sheikh and Bovik's vifp_mscale, line by line."""
    total = 0.0
    for source in (infrared, visible):
        reference, distorted = source, fused
        kept = present = 0.0
        for scale in range(1, 5):
            side = 2 ** (5 - scale) + 1
            window = _gaussian(side, side / 5)
            if scale > 1:
                reference = convolve2d(reference, window, mode="valid")[::2, ::2]
                distorted = convolve2d(distorted, window, mode="valid")[::2, ::2]
            var_r, var_d, covariance = _moments(reference, distorted, window)[2:]
            var_r, var_d = np.maximum(var_r, 0), np.maximum(var_d, 0)
            gain = covariance / (var_r + 1e-10)
            noise = var_d - gain * covariance
            gain[var_r < 1e-10] = 0
            noise[var_r < 1e-10] = var_d[var_r < 1e-10]
            var_r[var_r < 1e-10] = 0
            gain[var_d < 1e-10] = 0
            noise[var_d < 1e-10] = 0
            noise[gain < 0] = var_d[gain < 0]
            gain[gain < 0] = 0
            noise[noise <= 1e-10] = 1e-10
            kept += float(np.log10(1 + gain**2 * var_r / (noise + 2)).sum())
            present += float(np.log10(1 + var_r / 2).sum())
        total += kept / present
    return total


def _qabf(infrared: F64, visible: F64, fused: F64) -> float:
    def edges(picture: F64) -> tuple[F64, F64]:
        across = convolve2d(picture, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], mode="same")
        down = convolve2d(picture, [[1, 2, 1], [0, 0, 0], [-1, -2, -1]], mode="same")
        angle = np.where(across == 0, np.pi / 2, np.arctan(down / np.where(across == 0, 1, across)))
        return np.hypot(across, down), angle

    strength_f, angle_f = edges(fused)
    preserved = total = 0.0
    for source in (infrared, visible):
        strength, angle = edges(source)
        stronger = np.maximum(np.maximum(strength, strength_f), 1e-300)
        ratio = np.minimum(strength, strength_f) / stronger
        agreement = 1 - np.abs(angle - angle_f) / (np.pi / 2)
        quality = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5)))
        quality *= 0.9879 / (1 + np.exp(-22 * (agreement - 0.8)))
        preserved += float((quality * strength).sum())
        total += float(strength.sum())
    return preserved / total


def _nabf(infrared: F64, visible: F64, fused: F64) -> float:
    return _artefacts_and_loss(infrared, visible, fused)[0]


def _labf(infrared: F64, visible: F64, fused: F64) -> float:
    return _artefacts_and_loss(infrared, visible, fused)[1]


def _fmi_pixel(infrared: F64, visible: F64, fused: F64) -> float:
    return _feature_information(infrared, visible, fused)


def _fmi_gradient(infrared: F64, visible: F64, fused: F64) -> float:
    return _feature_information(*(np.gradient(p, axis=1) for p in (infrared, visible, fused)))


def _qcb(infrared: F64, visible: F64, fused: F64) -> float:
    def contrast(picture: F64) -> F64:
        r = _frequencies(picture.shape, 30)
        sensitivity = np.exp(-((r / 15.3870) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2))
        seen = np.real(ifft2(fft2(_stretch(picture)) * sensitivity))
        offsets = np.arange(-15, 16)
        square = offsets[:, None] ** 2 + offsets**2
        near, far = (
            convolve2d(seen, np.exp(-square / (2 * s * s)) / (2 * np.pi * s * s), mode="same")
            for s in (2.0, 4.0)
        )
        c = np.abs(near / far - 1)
        return c**3 / (c**2 + 0.0001)

    a, b, f = contrast(infrared), contrast(visible), contrast(fused)
    of_a, of_b = (np.minimum(c, f) / np.maximum(c, f) for c in (a, b))
    return float(np.mean((a**2 * of_a + b**2 * of_b) / (a**2 + b**2)))


def _qcv(infrared: F64, visible: F64, fused: F64) -> float:
    def regions(plane: F64) -> F64:
        height, width = plane.shape
        return np.array(
            [
                [plane[y : y + 16, x : x + 16].sum() for x in range(0, width, 16)]
                for y in range(0, height, 16)
            ]
        )

    a, b, f = _stretch(infrared), _stretch(visible), _stretch(fused)
    r = _frequencies(a.shape, 8)
    sensitivity = 2.6 * (0.0192 + 0.144 * r) * np.exp(-((0.144 * r) ** 1.1))
    total = weight = 0.0
    for source in (a, b):
        right = correlate2d(source, [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], mode="same")
        down = correlate2d(source, [[-1, -2, -1], [0, 0, 0], [1, 2, 1]], mode="same")
        saliency = regions(np.hypot(right, down) ** 5)
        error = regions(np.real(ifft2(fft2(source - f) * sensitivity)) ** 2) / 256
        total += float((saliency * error).sum())
        weight += float(saliency.sum())
    return total / weight


def _qw(infrared: F64, visible: F64, fused: F64) -> float:
    window = _gaussian(11, 1.5)
    var_a, var_b = _moments(infrared, visible, window)[2:4]
    flat = var_a + var_b < 1e-8
    var_a, var_b = var_a + flat / 2, var_b + flat / 2
    share = var_a / (var_a + var_b)
    of_a, of_b = _ssim(infrared, fused, window)[0], _ssim(visible, fused, window)[0]
    weight = np.maximum(var_a, var_b)
    return float((weight * (share * of_a + (1 - share) * of_b)).sum() / weight.sum())


def _qy(infrared: F64, visible: F64, fused: F64) -> float:
    window = _gaussian(7, 1.5)
    var_a, var_b = _moments(infrared, visible, window)[2:4]
    share = var_a / (var_a + var_b)
    between, of_a, of_b = (
        _ssim(one, other, window, 2e-16, 2e-16)[0]
        for one, other in ((infrared, visible), (infrared, fused), (visible, fused))
    )
    return float(
        np.mean(
            np.where(between >= 0.75, share * of_a + (1 - share) * of_b, np.maximum(of_a, of_b))
        )
    )


METRICS: dict[str, Callable[[F64, F64, F64], float]] = {
    "EN": _en,
    "MI": _mi,
    "NMI": _nmi,
    "SD": _sd,
    "SF": _sf,
    "AG": _ag,
    "CC": _cc,
    "SCD": _scd,
    "PSNR": _psnr,
    "MSE": _mse,
    "SSIM": _mean_ssim,
    "MS-SSIM": _ms_ssim,
    "VIF": _vif,
    "Qabf": _qabf,
    "Nabf": _nabf,
    "Labf": _labf,
    "FMI-pixel": _fmi_pixel,
    "FMI-gradient": _fmi_gradient,
    "Qcb": _qcb,
    "Qcv": _qcv,
    "Qw": _qw,
    "Qy": _qy,
}


def _share(*pictures: F64) -> F64:
    """Share of pixels at each level, or at each pair of levels."""
    levels = [np.floor(picture + 0.5).ravel() for picture in pictures]
    counts = np.histogramdd(levels, bins=[256] * len(levels), range=[(-0.5, 255.5)] * len(levels))
    return counts[0] / counts[0].sum()


def _entropy(share: F64) -> float:
    return -float(np.sum(share[share > 0] * np.log2(share[share > 0])))


def _correlation(one: F64, other: F64) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _gaussian(side: int, sigma: float) -> F64:
    offsets = np.arange(side) - side // 2
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    return window / window.sum()


def _moments(one: F64, other: F64, window: F64) -> tuple[F64, ...]:
    def mean(picture: F64) -> F64:
        return convolve2d(picture, window, mode="valid")

    mean_1, mean_2 = mean(one), mean(other)
    return (
        mean_1,
        mean_2,
        mean(one**2) - mean_1**2,
        mean(other**2) - mean_2**2,
        mean(one * other) - mean_1 * mean_2,
    )


def _ssim(
    one: F64, other: F64, window: F64, c1: float = 2.55**2, c2: float = 7.65**2
) -> tuple[F64, F64]:
    """Maps of the similarity and of its contrast and structure alone."""
    mean_1, mean_2, var_1, var_2, covariance = _moments(one, other, window)
    structure = (2 * covariance + c2) / (var_1 + var_2 + c2)
    return (2 * mean_1 * mean_2 + c1) / (mean_1**2 + mean_2**2 + c1) * structure, structure


def _halve(picture: F64) -> F64:
    """Means of 2 x 2 pixels; an odd last row or column is doubled."""
    grown = np.pad(picture, ((0, 1), (0, 1)), mode="edge")
    means = (grown[:-1, :-1] + grown[1:, :-1] + grown[:-1, 1:] + grown[1:, 1:]) / 4
    return means[::2, ::2]


def _artefacts_and_loss(infrared: F64, visible: F64, fused: F64) -> tuple[float, float]:
    def edges(picture: F64) -> tuple[F64, F64]:
        grown = np.pad(picture, 1, mode="reflect")
        right = correlate2d(grown, np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8, "valid")
        down = correlate2d(grown, np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]) / 8, "valid")
        return np.hypot(right, down), np.arctan2(right, down)

    strength_f, angle_f = edges(fused)
    missing, total, strengths = np.zeros_like(fused), 0.0, []
    for source in (infrared, visible):
        strength, angle = edges(source)
        stronger = np.maximum(np.maximum(strength, strength_f), 1e-300)
        ratio = np.minimum(strength, strength_f) / stronger
        turned = np.abs(angle - angle_f) % np.pi
        agreement = np.abs(turned - np.pi / 2) * 2 / np.pi
        kept = 0.9999 / (1 + np.exp(-19 * (ratio - 0.5)))
        kept *= 0.9995 / (1 + np.exp(-22 * (agreement - 0.5)))
        weight = np.where(strength >= 2, strength**1.5, 0.001)
        missing += (1 - np.sqrt(kept)) * weight
        total += float(weight.sum())
        strengths.append(strength)
    made_up = strength_f > np.maximum(*strengths)
    return float(missing[made_up].sum()) / total, float(missing[~made_up].sum()) / total


def _feature_information(infrared: F64, visible: F64, fused: F64) -> float:
    values = [
        _window_information(source[top : top + 3], fused[top : top + 3])
        for source in (infrared, visible)
        for top in range(fused.shape[0] - 2)
    ]
    return float(np.mean(values))


def _window_information(source: F64, fused: F64) -> F64:
    """Information shared by the windows in a strip of three rows; a window in each row."""

    def distribution(strip: F64) -> F64:
        windows = np.lib.stride_tricks.sliding_window_view(strip, (3, 3))[0]
        values = windows.transpose(0, 2, 1).reshape(-1, 9)
        lifted = values - values.min(axis=1, keepdims=True)
        lifted[lifted.max(axis=1) == 0] = 1
        return lifted / lifted.sum(axis=1, keepdims=True)

    def entropy(share: F64) -> F64:
        return -(share * np.log2(np.where(share == 0, 1, np.abs(share)))).reshape(len(p), -1).sum(1)

    p, q = distribution(source), distribution(fused)
    cumulated_p, cumulated_q = np.cumsum(p, axis=1)[:, None], np.cumsum(q, axis=1)[..., None]
    dp, dq = p - 1 / 9, q - 1 / 9
    power = (dp**2).sum(axis=1) * (dq**2).sum(axis=1)
    correlation = (dp * dq).sum(axis=1) / np.sqrt(np.where(power < 1e-20, 1, power))
    correlation[power < 1e-20] = 0
    places = np.arange(1, 10)
    spread = [np.sqrt(np.maximum(s @ places**2 - (s @ places) ** 2, 0)) for s in (p, q)]
    upper = np.minimum(cumulated_p, cumulated_q)
    lower = np.maximum(cumulated_p + cumulated_q - 1, 0)
    bound = np.where((correlation >= 0)[:, None, None], upper, lower)
    covariance = (bound - cumulated_p * cumulated_q).sum(axis=(1, 2))
    known = (spread[0] * spread[1] > 1e-12) & (np.abs(covariance) > 1e-12)
    mixed = np.where(known, correlation * spread[0] * spread[1], 0) / np.where(known, covariance, 1)
    cells = np.diff(np.diff(np.pad(bound, ((0, 0), (1, 0), (1, 0))), axis=1), axis=2)
    mixed = mixed[:, None, None]
    joint = mixed * cells + (1 - mixed) * q[..., None] * p[:, None]
    alone = entropy(p) + entropy(q)
    shared = 2 * (alone - entropy(joint)) / np.where(alone > 0, alone, 1)
    windows = [np.lib.stride_tricks.sliding_window_view(s, (3, 3))[0] for s in (source, fused)]
    return np.where((windows[0] == windows[1]).all(axis=(1, 2)), 1, shared)


def _frequencies(shape: tuple[int, ...], pixels: float) -> F64:
    vertical, horizontal = (2 * fftfreq(n) * n / pixels for n in shape)
    return np.hypot(vertical[:, None], horizontal)


def _stretch(picture: F64) -> F64:
    low, high = picture.min(), picture.max()
    return np.floor((picture - low) / (high - low) * 255 + 0.5)
