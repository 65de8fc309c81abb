"""Section 4.9: the network without the illumination-aware loss, and without CMDAF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from piafusion.errors import TrainingError, needing
from piafusion.imaging.arrays import as_infrared, as_visible
from piafusion.imaging.io import read_image
from piafusion.lab.evaluation.bootstrap import mean_interval
from piafusion.lab.evaluation.methods import read_methods
from piafusion.lab.evaluation.run import Evaluation, Track, fuse_sets, score_sets
from piafusion.lab.evaluation.sets import DataSet
from piafusion.lab.evaluation.sheets import draw_scenes
from piafusion.lab.evaluation.statistics import PairedTest, paired_tests
from piafusion.lab.evaluation.texts import SIGNIFICANT
from piafusion.lab.paper.judge import told, verdict_of
from piafusion.lab.paper.plan import Schedule
from piafusion.lab.paper.published import METRICS, WITHOUT
from piafusion.lab.paper.section import Block, Claim, Grid, Section, Sheet, Text, untested
from piafusion.lab.paper.traces import NAMES, traces

NAME = "ablation"
FULL, LIGHT, CMDAF = "full", "without illumination loss", "without CMDAF"
PRESETS = {FULL: "ablation", LIGHT: "ablation-illumination", CMDAF: "ablation-cmdaf"}

_LOOKED_AT = (*METRICS, *NAMES)
Values = dict[str, dict[str, dict[str, float]]]
"""By variant, stem and measure."""
Tests = dict[tuple[str, str], PairedTest]
"""By variant and measure, against the full network."""


def ablate(
    data: DataSet, training: Path, output: Path, schedule: Schedule, scenes: int, track: Track
) -> Section:
    """Train the full network and both ablations on one schedule, and compare them by light.

    Args:
        data: Pairs by day and by night to compare on.
        training: Folder with pairs to train on.
        output: Folder of the reproduction; trainings that are there are used, or gone on with.
        schedule: How to train.
        scenes: How many scenes to show.
        track: Shows how far it is.

    Raises:
        MissingExtraError: If torch and what belongs to it are not installed.
    """
    section = Section(NAME)
    folder = output / NAME
    networks, left_out = _train(training, folder, schedule)
    section.deviations.extend(f"Seed {seed} is left out: {why}" for seed, why in left_out.items())
    seeds = [seed for seed in range(schedule.seeds) if seed not in left_out]
    if not seeds:
        why = "no seed trains all variants"
        section.claims.extend(untested(number, text, why) for number, *_, text in WITHOUT)
        return section
    methods = read_methods([f"{name}={path}" for name, path in networks.items()], [data])
    problems = fuse_sets([data], methods, folder, track)
    done = score_sets(
        [data],
        methods,
        folder,
        metrics=METRICS,
        convention="float",
        against=_name(FULL, seeds[0]),
        known=problems,
        track=track,
    )
    trainings = _values(data, done, seeds, track)
    values = _means(trainings)
    tests: dict[str, Tests] = {}
    for light in sorted(set(data.lights.values())):
        stems = _stems(data, light)
        tests[light] = _tests(values, stems)
        section.blocks.append(Grid(_table(values, stems, tests[light]), f"{data.name} by {light}"))
        section.values[light] = {
            variant: {name: _mean(rows, stems, name) for name in _LOOKED_AT}
            for variant, rows in values.items()
        }
    section.blocks.append(Text(_NOTE, soft=True))
    section.blocks.extend(_scenes(data, done, seeds[0], scenes))
    section.claims.extend(judge(data, trainings, tests))
    section.deviations.append(_how(schedule, len(seeds)))
    return section


_NOTE = (
    "Means over the pairs and seeds; below, of a variant, the mean difference to the full network "
    "with its 95 % interval by bootstrap over the pairs, and ▲ or ▼ where a two-sided Wilcoxon "
    "test shows it at 5 % after Holm's correction for the table. Targets: contrast of thermal "
    "targets as a share of that in the infrared picture. Edges: Qabf against one source alone."
)


def _how(schedule: Schedule, seeds: int) -> str:
    from piafusion.lab.training.config import resolve

    settings = resolve(PRESETS[FULL], Path(), dict(schedule.changes))
    count = "1 seed" if seeds == 1 else f"{seeds} seeds"
    return (
        f"Ablations: {settings.steps:,} steps of {settings.batch} crops of "
        f"{settings.crop}x{settings.crop} and {count} for each variant, the signed texture loss "
        "and weights 2, 20, 40; the paper trains 30 epochs with Eq. 11 and weights 3, 7, 50."
    )


def _train(data: Path, output: Path, schedule: Schedule) -> tuple[dict[str, Path], dict[int, str]]:
    """Train what is not there.

    Returns:
        The exported network of each training by its name, and for each seed with which not all
        variants could be trained, why not.
    """
    networks: dict[str, Path] = {}
    left_out = {}
    for seed in range(schedule.seeds):
        try:
            networks |= {
                _name(variant, seed): _network(variant, seed, data, output, schedule.changes)
                for variant in PRESETS
            }
        except TrainingError as error:
            left_out[seed] = str(error).split(";")[0]
    return networks, left_out


def _network(variant: str, seed: int, data: Path, output: Path, changes: Mapping[str, str]) -> Path:
    """Return the exported network of a training, which is done or gone on with if need be."""
    with needing("train", "training"):
        from piafusion.lab.training import run
        from piafusion.lab.training.config import resolve
        from piafusion.lab.training.export import export_run
    name = _name(variant, seed)
    folder = output / "runs" / name
    if not (folder / run.WEIGHTS).is_file():
        settings = resolve(PRESETS[variant], data, {**changes, "seed": str(seed)})
        try:
            began = (folder / run.SETTINGS).is_file()
            (run.resume(folder, settings) if began else run.start(settings, folder))
        except TrainingError as error:
            raise TrainingError(f"{variant}: {error}") from error
    exported = output / "weights" / f"{name}.onnx"
    if not exported.is_file():
        export_run(folder, exported.parent, name=name)
    return exported


def _name(variant: str, seed: int) -> str:
    """Return what the training of a variant is called: its run, its weights and its method."""
    return f"{PRESETS[variant]}-{seed}"


def _values(data: DataSet, done: Evaluation, seeds: Sequence[int], track: Track) -> list[Values]:
    """Return the metrics and what is seen of each source, for each seed."""
    scored = {(row.method, row.stem): row.values for row in done.rows}
    values: list[Values] = [{variant: {} for variant in PRESETS} for _ in seeds]
    for pair in track(data.pairs, "measuring"):
        infrared = read_image(pair.infrared, check=as_infrared)
        visible = read_image(pair.visible, check=as_visible)
        for seed, variants in zip(seeds, values, strict=True):
            for variant, rows in variants.items():
                method = _name(variant, seed)
                if (method, data.name, pair.stem) in done.files:
                    fused = read_image(done.files[method, data.name, pair.stem], check=as_visible)
                    metrics = scored.get((method, pair.stem), {})
                    rows[pair.stem] = {**metrics, **traces(infrared, visible, fused)}
    return values


def _means(seeds: Sequence[Values]) -> Values:
    """Return the means over the seeds, of what all of them have."""
    values: Values = {variant: {} for variant in PRESETS}
    for variant, means in values.items():
        for stem in seeds[0][variant]:
            if all(stem in each[variant] for each in seeds):
                rows = [each[variant][stem] for each in seeds]
                names = [name for name in _LOOKED_AT if all(name in row for row in rows)]
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
    tests = paired_tests(chosen, FULL, dict.fromkeys(_LOOKED_AT, "higher"))
    return {(test.method, test.metric): test for test in tests}


def _table(values: Values, stems: Sequence[str], tests: Tests) -> list[list[str]]:
    rows = [["variant", *_LOOKED_AT]]
    for variant, of in values.items():
        line = [variant]
        for name in _LOOKED_AT:
            text = f"{_mean(of, stems, name):.3f}"
            if variant != FULL:
                test = tests[variant, name]
                sign = "" if test.adjusted >= SIGNIFICANT else " ▲" if test.effect > 0 else " ▼"
                text += f"{sign}\n{_difference(values, variant, stems, name)}"
            line.append(text)
        rows.append(line)
    return rows


def _difference(values: Values, variant: str, stems: Sequence[str], name: str) -> str:
    full, other = values[FULL], values[variant]
    there = [stem for stem in stems if name in full.get(stem, {}) and name in other.get(stem, {})]
    differences = [other[stem][name] - full[stem][name] for stem in there]
    low, high = mean_interval(differences)
    return f"{np.mean(differences):+.3f} ({low:+.3f} to {high:+.3f})"


def _scenes(data: DataSet, done: Evaluation, seed: int, count: int) -> list[Block]:
    files = {
        variant: {
            stem: path
            for (method, _, stem), path in done.files.items()
            if method == _name(variant, seed)
        }
        for variant in PRESETS
    }
    drawn = draw_scenes(data, files, count)
    return [Sheet(f"Fig. 21, {stem}", cells) for stem, cells in drawn.items()]


def judge(data: DataSet, seeds: Sequence[Values], tests: Mapping[str, Tests]) -> list[Claim]:
    """Judge what the paper says of its parts: each has to help, and with every training.

    Args:
        data: The pairs.
        seeds: What each training gave.
        tests: By light, of the means over the trainings.
    """
    claims = []
    for section, part, light, name, text in WITHOUT:
        variant = {"light": LIGHT, "cmdaf": CMDAF}[part]
        if light not in tests:
            why = f"{data.name} says of no pair that it is {light}"
            claims.append(untested(section, text, why))
            continue
        stems, test = _stems(data, light), tests[light][variant, name]
        means = np.array([[_mean(each[v], stems, name) for v in (FULL, variant)] for each in seeds])
        leads = means[:, 0] - means[:, 1]
        full, without = means.mean(axis=0)
        evidence = f"{full:.3f} with it, {without:.3f} without; {told(test)}"
        if len(seeds) > 1:
            evidence += f"; lead by training {', '.join(f'{lead:+.3f}' for lead in leads)}"
        verdict = verdict_of(full - without, test.p)
        if verdict == "holds" and leads.min() <= 0:
            verdict = "cannot be tested here"
        where = f"{data.name} by {light}"
        claims.append(Claim(section, f"{text} ({name})", verdict, evidence, where))
    return claims
