"""Section 4.9: the network without the illumination-aware loss, without CMDAF, and as released."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import TrainingError, needing
from piafusion.imaging.arrays import Image, as_infrared, as_visible, to_unit
from piafusion.imaging.colour import luminance
from piafusion.imaging.io import read_image
from piafusion.lab.evaluation.methods import read_methods
from piafusion.lab.evaluation.results import sign
from piafusion.lab.evaluation.run import Evaluation, fuse_and_score
from piafusion.lab.evaluation.sets import DataSet
from piafusion.lab.evaluation.sheets import draw_scenes
from piafusion.lab.evaluation.statistics import PairedTest, mean_interval, paired_tests
from piafusion.lab.paper.experiment import (
    METRICS,
    UNTESTED,
    WITHOUT,
    Claim,
    Experiment,
    in_words,
    lead_verdict,
    too_little,
    untested,
)
from piafusion.metrics import evaluate
from piafusion.report.document import Cell, Pictures, Table, Text
from piafusion.run.progress import Progress, counted

if TYPE_CHECKING:
    from piafusion.lab.training.config import FusionSettings, TrainingSettings

NAME = "ablation"
FULL, LIGHT, CMDAF = "full", "without illumination loss", "without CMDAF"
RELEASED = "CMDAF as released"
PRESETS = {
    FULL: "ablation",
    LIGHT: "ablation-illumination",
    CMDAF: "ablation-cmdaf",
    RELEASED: "ablation-released",
}

MEASURES = ("targets", "infrared edges", "visible edges")
_COLUMNS = (*METRICS, *MEASURES)
Values = dict[str, dict[str, dict[str, float]]]
"""Metrics and measures by variant, stem and name."""
Tests = dict[tuple[str, str], PairedTest]
"""Tests against the full network by variant and name."""

_NOTE = (
    "Means over the pairs and seeds. Below, for each variant, the mean difference to the full "
    "network with its 95 % interval by bootstrap over the pairs, and ▲ or ▼ where a two-sided "
    "Wilcoxon test is significant at 5 % after Holm's correction for the table. Targets: contrast "
    "of thermal targets as a share of their contrast in the infrared picture. Edges: Qabf against "
    "one source alone."
)


def ablate(
    data: DataSet,
    training: Path,
    output: Path,
    seeds: int,
    changes: Mapping[str, str],
    scenes: int,
    progress: Progress,
) -> Experiment:
    """Train the full network and its variants alike, and compare them by day and by night.

    Finished trainings in the output folder are used again, others are continued.

    Raises:
        MissingExtraError: If torch or a package that it needs is not installed.
    """
    experiment = Experiment(NAME)
    folder = output / NAME
    networks, left_out = _train(training, folder, seeds, changes, progress)
    experiment.deviations.extend(
        f"Seed {seed} is left out: {why}" for seed, why in left_out.items()
    )
    trained = [seed for seed in range(seeds) if seed not in left_out]
    if not trained:
        why = "no seed trains all variants"
        experiment.claims.extend(Claim(each[0], each[-1], UNTESTED, why) for each in WITHOUT)
        return experiment
    methods = read_methods([f"{name}={path}" for name, path in networks.items()], [data])
    done = fuse_and_score(
        data,
        methods,
        folder,
        metrics=METRICS,
        convention="float",
        against=_name(FULL, trained[0]),
        progress=progress,
    )
    trainings = _values(data, done, trained, progress)
    values = _means(trainings)
    tests: dict[str, Tests] = {}
    for light in sorted(set(data.lights.values())):
        stems = _stems(data, light)
        tests[light] = _tests(values, stems)
        title = f"{data.name} by {light}"
        experiment.blocks.append(_table(values, stems, tests[light], title))
        experiment.values[light] = {
            variant: {name: _mean(rows, stems, name) for name in _COLUMNS}
            for variant, rows in values.items()
        }
    experiment.blocks.append(Text(_NOTE, note=True))
    experiment.blocks.extend(_scenes(data, done, trained[0], scenes))
    from piafusion.lab.training.config import resolve

    settings = resolve(PRESETS[FULL], training, dict(changes))
    record = {"steps": settings.last_step, "settings": settings.model_dump()}
    claims = judge(data, trainings, tests, too_little(record))
    if data.name.startswith("synthetic"):
        claims = [untested(claim, "the pictures are not the paper's") for claim in claims]
    experiment.claims.extend(claims)
    experiment.deviations.append(_procedure(settings, len(trained)))
    return experiment


def _procedure(settings: TrainingSettings, seeds: int) -> str:
    count = "1 seed" if seeds == 1 else f"{seeds} seeds"
    loss = cast("FusionSettings", settings).loss
    weights = ", ".join(f"{each:g}" for each in (loss.illumination, loss.intensity, loss.gradient))
    return (
        f"Ablations: {settings.steps:,} steps of {settings.batch} crops of "
        f"{settings.crop}x{settings.crop} and {count} for each variant, texture loss "
        f"{loss.texture}, weights {weights}; the paper trains 24,570 steps of 64 crops of "
        "64x64 with Eq. 11 (magnitude) and weights 3, 7, 50."
    )


def _train(
    data: Path, output: Path, seeds: int, changes: Mapping[str, str], progress: Progress
) -> tuple[dict[str, Path], dict[int, str]]:
    """Train the variants that are not trained yet.

    Returns:
        The exported network of each training by its name, and the reason for each seed with
        which not all variants could be trained.
    """
    networks: dict[str, Path] = {}
    left_out = {}
    for seed in range(seeds):
        try:
            networks |= {
                _name(variant, seed): _network(variant, seed, data, output, changes, progress)
                for variant in PRESETS
            }
        except TrainingError as error:
            left_out[seed] = str(error).split(";")[0]
    return networks, left_out


def _network(
    variant: str,
    seed: int,
    data: Path,
    output: Path,
    changes: Mapping[str, str],
    progress: Progress,
) -> Path:
    """Return the exported network of a training; train it or continue the training if necessary."""
    with needing("train", "training"):
        from piafusion.lab.training import run
        from piafusion.lab.training.config import resolve
        from piafusion.lab.training.export import export_run
    name = _name(variant, seed)
    folder = output / "runs" / name
    settings = resolve(PRESETS[variant], data, {**changes, "seed": str(seed)})
    try:
        run.finish(folder, settings, progress)
    except TrainingError as error:
        raise TrainingError(f"{variant}: {error}") from error
    exported = output / "weights" / f"{name}.onnx"
    if not exported.is_file():
        export_run(folder, exported.parent, name=name)
    return exported


def _name(variant: str, seed: int) -> str:
    """Return the name of a training, which is the name of its run, weights and method too."""
    return f"{PRESETS[variant]}-{seed}"


def _values(
    data: DataSet, done: Evaluation, seeds: Sequence[int], progress: Progress
) -> list[Values]:
    """Return the metrics and measures of the trainings with each seed."""
    scored = {(each.method, each.stem): each.values for each in done.scores}
    values: list[Values] = [{variant: {} for variant in PRESETS} for _ in seeds]
    for pair in counted(data.pairs, "measuring", progress):
        infrared = read_image(pair.infrared, check=as_infrared)
        visible = read_image(pair.visible, check=as_visible)
        for seed, variants in zip(seeds, values, strict=True):
            for variant, rows in variants.items():
                method = _name(variant, seed)
                if (method, data.name, pair.stem) in done.files:
                    fused = read_image(done.files[method, data.name, pair.stem], check=as_visible)
                    metrics = scored.get((method, pair.stem), {})
                    rows[pair.stem] = {**metrics, **preservation(infrared, visible, fused)}
    return values


def _means(seeds: Sequence[Values]) -> Values:
    """Return the means over the seeds of all values that every seed has."""
    values: Values = {variant: {} for variant in PRESETS}
    for variant, means in values.items():
        for stem in seeds[0][variant]:
            if all(stem in each[variant] for each in seeds):
                rows = [each[variant][stem] for each in seeds]
                names = [name for name in _COLUMNS if all(name in row for row in rows)]
                means[stem] = {name: float(np.mean([row[name] for row in rows])) for name in names}
    return values


def _stems(data: DataSet, light: str) -> list[str]:
    return [stem for stem, when in data.lights.items() if when == light]


def _mean(rows: Mapping[str, Mapping[str, float]], stems: Sequence[str], name: str) -> float:
    return float(np.mean([rows[stem][name] for stem in stems if name in rows.get(stem, {})]))


def _tests(values: Values, stems: Sequence[str]) -> Tests:
    chosen = {
        variant: {stem: rows[stem] for stem in stems if stem in rows}
        for variant, rows in values.items()
    }
    tests = paired_tests(chosen, FULL, dict.fromkeys(_COLUMNS, "higher"))
    return {(test.method, test.metric): test for test in tests}


def _table(values: Values, stems: Sequence[str], tests: Tests, title: str) -> Table:
    rows = []
    for variant, by_stem in values.items():
        row = [Cell(variant)]
        for name in _COLUMNS:
            text, detail = f"{_mean(by_stem, stems, name):.3f}", ""
            if variant != FULL:
                text = f"{text} {sign(tests[variant, name])}".rstrip()
                detail = _difference(values, variant, stems, name)
            row.append(Cell(text, detail=detail))
        rows.append(row)
    return Table(["variant", *_COLUMNS], rows, title)


def _difference(values: Values, variant: str, stems: Sequence[str], name: str) -> str:
    full, other = values[FULL], values[variant]
    stems = [stem for stem in stems if name in full.get(stem, {}) and name in other.get(stem, {})]
    differences = [other[stem][name] - full[stem][name] for stem in stems]
    low, high = mean_interval(differences)
    return f"{np.mean(differences):+.3f} ({low:+.3f} to {high:+.3f})"


def _scenes(data: DataSet, done: Evaluation, seed: int, count: int) -> list[Pictures]:
    names = {_name(variant, seed): variant for variant in PRESETS}
    files: dict[str, dict[str, Path]] = {variant: {} for variant in PRESETS}
    for (method, _, stem), path in done.files.items():
        if method in names:
            files[names[method]][stem] = path
    drawn = draw_scenes(data, files, count)
    return [Pictures(scene, f"Fig. 21, {stem}") for stem, scene in drawn.items()]


def judge(
    data: DataSet, seeds: Sequence[Values], tests: Mapping[str, Tests], why: str = ""
) -> list[Claim]:
    """Judge the paper's claims about its parts: each part has to help in every training.

    `seeds` holds the values of each training, `tests` those of their means, by light. `why` says
    why the trainings decide nothing; empty if they decide.
    """
    claims = []
    for section, part, light, name, text in WITHOUT:
        variant = {"light": LIGHT, "cmdaf": CMDAF}[part]
        if light not in tests:
            none = f"{data.name} has no pair that is marked as {light}"
            claims.append(Claim(section, text, UNTESTED, none))
            continue
        stems, test = _stems(data, light), tests[light][variant, name]
        means = np.array([[_mean(each[v], stems, name) for v in (FULL, variant)] for each in seeds])
        leads = means[:, 0] - means[:, 1]
        full, without = means.mean(axis=0)
        evidence = f"{full:.3f} with it, {without:.3f} without; {in_words(test)}"
        if len(seeds) > 1:
            evidence += f"; lead by training {', '.join(f'{lead:+.3f}' for lead in leads)}"
        verdict = lead_verdict(full - without, test.p)
        if (verdict == "holds" and leads.min() <= 0) or (
            verdict == "does not hold" and leads.max() >= 0
        ):
            verdict = UNTESTED
        where = f"{data.name} by {light}"
        said = f"{text} ({name})"
        claim = Claim(section, said, verdict, evidence, where, "networks trained here")
        claims.append(untested(claim, why))
    return claims


_WINDOW = 8  # surroundings extend over this part of the picture's sides
_STANDS_OUT = 2.0  # standard deviations
_FEWEST = 16  # pixels of all targets


def preservation(infrared: Image, visible: Image, fused: Image) -> dict[str, float]:
    """Measure how much of each source a fused picture preserves.

    - targets: thermal targets are pixels whose infrared value is more than two standard deviations
      above the mean around them. The value is the contrast of these pixels with their surroundings
      in the fused picture, divided by their contrast in the infrared. Missing without targets.
    - infrared edges, visible edges: Qabf with one source in the place of both.

    Args:
        infrared: H x W.
        visible: H x W or H x W x 3 RGB.
        fused: Has the shape of `visible`.
        All uint8, uint16 or float in [0, 1].
    """
    thermal = np.asarray(to_unit(infrared), np.float32)
    y, result = (np.asarray(luminance(to_unit(image)), np.float32) for image in (visible, fused))
    values = {
        f"{name} edges": evaluate(source, source, result, metrics=["Qabf"])["Qabf"]
        for name, source in (("infrared", thermal), ("visible", y))
    }
    targets = _targets(thermal)
    if targets.sum() >= _FEWEST:
        values["targets"] = _contrast(result, targets) / _contrast(thermal, targets)
    return values


def _targets(thermal: NDArray[np.float32]) -> NDArray[np.bool_]:
    excess = thermal - _surroundings(thermal)
    return np.asarray(excess > _STANDS_OUT * thermal.std(), dtype=np.bool_)


def _contrast(picture: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    return float((picture - _surroundings(picture))[where].mean())


def _surroundings(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = picture.shape
    size = (max(1, width // _WINDOW), max(1, height // _WINDOW))
    return np.asarray(cv2.blur(picture, size), dtype=np.float32)
