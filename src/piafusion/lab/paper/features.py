"""Section 4.7: the share of each modality in the fused features, by day and by night."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from piafusion.errors import needing
from piafusion.files import sha256
from piafusion.imaging.arrays import to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_pair
from piafusion.imaging.pairs import Pair
from piafusion.lab.evaluation.methods import versions
from piafusion.lab.evaluation.sets import DataSet, spread
from piafusion.lab.evaluation.sheets import choose_stems
from piafusion.lab.evaluation.statistics import mean_interval, resamples
from piafusion.lab.paper.experiment import (
    OURS,
    SELECTION,
    UNTESTED,
    Claim,
    Experiment,
    interval_verdict,
    undertrained,
    untested,
)
from piafusion.report.document import Block, Cell, Pictures, Table, Text
from piafusion.run.journal import Journal
from piafusion.run.progress import Progress, counted
from piafusion.weights import read_weights

with needing("train", "measuring features"):
    import torch
    from torch import Tensor, nn

    from piafusion.lab.models import load
    from piafusion.lab.models.blocks import GatedFusionNet, infrared_share, mix
    from piafusion.lab.models.folding import fold

NAME = "features"
_OTHERS = ("piafusion",)
_CROP = (240, 320)  # pixels in the middle of a picture
_CHANNELS = 3  # channels shown
_SHARES = {"features": float, "gate": float, "picture": float}
_ENTRY = {"sources": str, "shares": _SHARES}


@dataclass(frozen=True)
class Shares:
    """Shares of the infrared, in [0, 1]; the visible has the rest.

    Attributes:
        features: Share in the squared correlations of the fused feature maps with the maps of
            both modalities, mean over the channels.
        gate: Weight that Eq. 5 gives to the infrared, mean over the channels, each weighted by
            the difference of the modalities in it.
        picture: Share in the squared derivatives of the fused picture by its sources, estimated
            with random signs over the fused pixels.
    """

    features: float
    gate: float
    picture: float


def measure_features(
    data: DataSet, output: Path, pairs: int | None, progress: Progress, ours: str = OURS
) -> Experiment:
    """Measure the shares of both modalities and draw feature maps of a scene of each light.

    `pairs` is the number of pairs of each light, evenly spread, or None for all; measured
    shares are used again. `ours` is the paper's model, or the file of an exported one.
    """
    experiment = Experiment(NAME)
    lights = {
        light: spread(
            [pair for pair in data.pairs if data.lights.get(pair.stem) == light],
            len(data.pairs) if pairs is None else pairs,
        )
        for light in ("day", "night")
    }
    if not all(lights.values()):
        why = f"the names in {data.name} do not mark the pairs by day and by night"
        experiment.claims.extend(Claim("4.7", text, UNTESTED, why) for _, text in SELECTION)
        return experiment
    if not isinstance(_network(ours), GatedFusionNet):
        why = "the network has not the exchange of Eq. 5 as printed, where features are measured"
        experiment.claims.extend(Claim("4.7", text, UNTESTED, why) for _, text in SELECTION)
        return experiment
    rows = []
    for model, file in ((OURS, ours), *((name, name) for name in _OTHERS)):
        shares = _measure(model, file, data, lights, output, progress)
        rows.append([Cell(model), *_cells(shares, lights)])
        experiment.values[model] = {
            light: [asdict(shares[pair.stem]) for pair in chosen]
            for light, chosen in lights.items()
        }
        if model == OURS:
            why = undertrained(ours)
            experiment.claims.extend(judge(data, shares, lights, why))
    header = ["model", *(f"{share}, by {light}" for share in _SHARES for light in lights)]
    title = f"Share of the infrared, {', '.join(f'{len(v)} by {k}' for k, v in lights.items())}"
    experiment.blocks.extend(
        [Table(header, rows, title), Text(_NOTE, note=True), *_maps(data, ours)]
    )
    experiment.deviations.append(
        "Feature maps are taken where Eq. 5 first exchanges them. As printed, it gives both "
        "streams the same features, so that later layers have no features of a single modality."
    )
    return experiment


_NOTE = (
    "Means with 95 % intervals by bootstrap over the pairs. Features: share in the squared "
    "correlations of the fused maps with the infrared and the visible ones. Gate: the weight of "
    "Eq. 5. Picture: share in the squared derivatives of the fused picture by its sources. All on "
    f"the middle {_CROP[1]}x{_CROP[0]} pixels; a half is equal parts."
)


def shares_of(network: GatedFusionNet, infrared: Tensor, y: Tensor, seed: int = 0) -> Shares:
    """Measure one pair.

    The network is in evaluation mode; the planes are 1 x 1 x H x W in [0, 1].
    """
    sources = [image.clone().requires_grad_() for image in (infrared, y)]
    ir, vi = network.encode(*sources)
    difference = ir - vi
    share = infrared_share(difference)
    fused = mix(vi, difference, share)
    picture = network.decode(fused, *sources)
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, picture.shape, generator=generator) * 2 - 1
    by_infrared, by_visible = torch.autograd.grad((picture * signs).sum(), sources)
    with torch.no_grad():
        weights = difference.abs().mean(dim=(0, 2, 3))
        of_infrared, of_visible = (_squared_correlation(fused, source) for source in (ir, vi))
        total = of_infrared + of_visible
        there = total > 0
        squares = [float(each.square().sum()) for each in (by_infrared, by_visible)]
        return Shares(
            float((of_infrared[there] / total[there]).mean()),
            float((share[0, :, 0, 0] * weights).sum() / weights.sum()),
            squares[0] / sum(squares),
        )


def _squared_correlation(one: Tensor, other: Tensor) -> Tensor:
    """Return the squared correlation over the pixels of each channel; 0 where one is constant."""
    a, b = (x - x.mean(dim=(2, 3), keepdim=True) for x in (one, other))
    product = (a * b).sum(dim=(0, 2, 3)).square()
    norms = a.square().sum(dim=(0, 2, 3)) * b.square().sum(dim=(0, 2, 3))
    return torch.where(norms > 0, product / norms.clamp_min(1e-30), torch.zeros_like(norms))


def _network(file: str) -> nn.Module:
    return fold(load(read_weights(file, "safetensors", "fusion")).eval())


def _tensors(pair: Pair) -> tuple[Tensor, Tensor]:
    infrared, visible = read_pair(pair.infrared, pair.visible)
    planes = (to_unit(infrared), luminance(to_unit(visible)))
    height, width = infrared.shape[:2]
    top, left = (
        max(0, (have - want) // 2) for have, want in zip((height, width), _CROP, strict=True)
    )
    crop = (slice(top, top + _CROP[0]), slice(left, left + _CROP[1]))
    ir, y = (
        torch.from_numpy(np.ascontiguousarray(plane[crop], np.float32))[None, None]
        for plane in planes
    )
    return ir, y


def _measure(
    model: str,
    file: str,
    data: DataSet,
    lights: dict[str, list[Pair]],
    output: Path,
    progress: Progress,
) -> dict[str, Shares]:
    settings = {
        "weights": sha256(read_weights(file, "safetensors", "fusion")),
        **versions("numpy", "torch"),
    }
    path = output / NAME / f"{data.name.replace('/', '-')}.{model}.jsonl"
    journal = Journal(path, settings, _ENTRY)
    network = cast(GatedFusionNet, _network(file))
    pairs = [pair for chosen in lights.values() for pair in chosen]
    for pair in counted(pairs, f"features of {model}", progress):
        if journal.entries.get(pair.stem, {}).get("sources") != data.hashes[pair.stem]:
            shares = asdict(shares_of(network, *_tensors(pair)))
            journal.add(pair.stem, {"sources": data.hashes[pair.stem], "shares": shares})
    found = {pair.stem: journal.entries[pair.stem]["shares"] for pair in pairs}
    return {
        stem: Shares(**{each: shares[each] for each in _SHARES}) for stem, shares in found.items()
    }


def _cells(shares: dict[str, Shares], lights: dict[str, list[Pair]]) -> list[Cell]:
    cells = []
    for kind in _SHARES:
        for chosen in lights.values():
            values = [getattr(shares[pair.stem], kind) for pair in chosen]
            low, high = mean_interval(values)
            cells.append(Cell(f"{np.mean(values):.3f}", detail=f"{low:.3f} to {high:.3f}"))
    return cells


def judge(
    data: DataSet, shares: dict[str, Shares], lights: dict[str, list[Pair]], why: str
) -> list[Claim]:
    """Judge the claims by the difference between the lights.

    `why` says why the network decides nothing; empty if it decides.
    """
    claims = []
    for kind, text in SELECTION:
        values = {
            light: [getattr(shares[pair.stem], kind) for pair in chosen]
            for light, chosen in lights.items()
        }
        day, night = (np.array(values[light]) for light in ("day", "night"))
        draws = [
            resamples(len(each), seed) @ each / len(each) for seed, each in enumerate((day, night))
        ]
        low, high = np.quantile(draws[1] - draws[0], [0.025, 0.975])
        evidence = (
            f"share of the infrared {day.mean():.3f} by day, {night.mean():.3f} by night, "
            f"difference {night.mean() - day.mean():+.3f} ({low:+.3f} to {high:+.3f})"
        )
        where = f"{data.name}, {len(day)} pairs by day and {len(night)} by night"
        verdict = interval_verdict(low, high)
        claim = Claim("4.7", text, verdict, evidence, where, "networks trained here")
        claims.append(untested(claim, why))
    return claims


def _maps(data: DataSet, ours: str) -> list[Block]:
    """Draw the feature maps with the largest differences for a scene of each light."""
    network = cast(GatedFusionNet, _network(ours))
    stems = choose_stems([pair.stem for pair in data.pairs], data.lights, 2)
    pairs = {pair.stem: pair for pair in data.pairs}
    figures: list[Block] = []
    for stem in stems:
        with torch.no_grad():
            sources = _tensors(pairs[stem])
            ir, vi = network.encode(*sources)
            difference = ir - vi
            fused = mix(vi, difference, infrared_share(difference))
            picture = network.decode(fused, *sources)
        cells = {
            name: _grey(image[0, 0].numpy(), 0, 1)
            for name, image in zip(
                ("infrared", "visible", "fused"), (*sources, picture), strict=True
            )
        }
        order = difference.abs().mean(dim=(0, 2, 3)).argsort(descending=True)
        for channel in order[:_CHANNELS].tolist():
            maps = [features[0, channel].numpy() for features in (ir, vi, fused)]
            low, high = min(m.min() for m in maps), max(m.max() for m in maps)
            for name, features in zip(("infrared", "visible", "fused"), maps, strict=True):
                cells[f"{name}, channel {channel}"] = _grey(features, float(low), float(high))
        light = data.lights[stem]
        figure = {"day": "Fig. 18", "night": "Fig. 19"}[light]
        figures.append(Pictures(cells, f"{figure}, {stem} by {light}"))
    return figures


def _grey(plane: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    levels = np.clip((plane - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)
