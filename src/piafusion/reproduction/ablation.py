"""Section 4.9: the network without the illumination-aware loss, and without CMDAF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from piafusion.errors import MissingExtraError, UsageError
from piafusion.evaluation.bootstrap import mean_interval
from piafusion.evaluation.methods import read_methods
from piafusion.evaluation.run import Evaluation, Track, fuse_sets, score_sets
from piafusion.evaluation.sets import DataSet
from piafusion.evaluation.sheets import draw_scenes
from piafusion.evaluation.statistics import PairedTest, paired_tests
from piafusion.evaluation.texts import SIGNIFICANT
from piafusion.imaging.arrays import as_infrared, as_visible
from piafusion.imaging.io import read_image
from piafusion.reproduction.judge import told, verdict_of
from piafusion.reproduction.materials import Materials
from piafusion.reproduction.plan import Schedule
from piafusion.reproduction.published import METRICS, WITHOUT
from piafusion.reproduction.section import Block, Claim, Grid, Section, Sheet, Text, untested
from piafusion.reproduction.traces import NAMES, traces

NAME = "ablation"
FULL, LIGHT, CMDAF = "full", "without illumination loss", "without CMDAF"
PRESETS = {FULL: "ablation", LIGHT: "ablation-illumination", CMDAF: "ablation-cmdaf"}

_LOOKED_AT = (*METRICS, *NAMES)
Values = dict[str, dict[str, dict[str, float]]]
"""By variant, stem and measure; means over the seeds."""


def ablate(
    materials: Materials, output: Path, schedule: Schedule, scenes: int, track: Track
) -> Section:
    """Train the full network and both ablations on one schedule, and compare them by light.

    Args:
        materials: Needs pairs to train on.
        output: Folder of the reproduction; trainings that are there are used, or gone on with.
        schedule: How to train.
        scenes: How many scenes to show.
        track: Shows how far it is.

    Raises:
        MissingExtraError: If torch and what belongs to it are not installed.
        TrainingError: If a training fails.
    """
    section = Section(
        NAME,
        "Ablation studies (4.9)",
        "Without the illumination-aware loss (both weights a half) the network loses texture by "
        "day and the contrast of thermal targets by night; without CMDAF it weakens targets by day "
        "and loses details of the visible picture by night (Fig. 21).",
    )
    (data,) = [materials.tests[name] for name in ("msrs", "synthetic") if name in materials.tests]
    trained = _train(materials.training, output / NAME, schedule)
    texts = [f"{_short(preset, seed)}={path}" for (preset, seed), path in trained.items()]
    methods = read_methods(texts, [data])
    folder = output / NAME
    problems = fuse_sets([data], methods, folder, track)
    done = score_sets(
        [data],
        methods,
        folder,
        metrics=METRICS,
        convention="float",
        against=_short(PRESETS[FULL], 0),
        known=problems,
        track=track,
    )
    values = _values(data, done, schedule.seeds, track)
    for light in sorted(set(data.lights.values())):
        stems = [stem for stem, when in data.lights.items() if when == light]
        section.blocks.append(Grid(_table(values, stems), f"{data.name} by {light}"))
        section.values[light] = {
            variant: {name: _mean(rows, stems, name) for name in _LOOKED_AT}
            for variant, rows in values.items()
        }
    section.blocks.append(Text(_NOTE, soft=True))
    section.blocks.extend(_scenes(data, done, scenes))
    section.claims.extend(_judge(data, values))
    section.deviations.append(_how(schedule, data))
    return section


_NOTE = (
    "Means over the pairs and seeds; below, of a variant, the mean difference to the full network "
    "with its 95 % interval by bootstrap over the pairs, and ▲ or ▼ where a two-sided Wilcoxon "
    "test shows it at 5 % after Holm's correction for the table. Targets: contrast of thermal "
    "targets as a share of that in the infrared picture. Edges: Qabf against one source alone."
)


def _how(schedule: Schedule, data: DataSet) -> str:
    from piafusion.training.config import resolve

    settings = resolve(PRESETS[FULL], Path(data.name), dict(schedule.changes))
    seeds = "1 seed" if schedule.seeds == 1 else f"{schedule.seeds} seeds"
    return (
        f"Ablations: {settings.steps:,} steps of {settings.batch} crops of "
        f"{settings.crop}x{settings.crop} and {seeds} for each variant, the signed texture "
        "loss and weights 2, 20, 40; the paper trains 30 epochs with Eq. 11 and weights 3, 7, 50."
    )


def _train(data: Path | None, output: Path, schedule: Schedule) -> dict[tuple[str, int], Path]:
    """Return the exported network of each variant and seed; train those that are not there."""
    try:
        from piafusion.training import run
        from piafusion.training.config import resolve
        from piafusion.training.export import export_run
    except ImportError as error:
        raise MissingExtraError(
            f"expected the packages for training, found no {error.name}; "
            "run: pip install 'piafusion[train]'"
        ) from error
    trained = {}
    for seed in range(schedule.seeds):
        for preset in PRESETS.values():
            folder = output / "runs" / f"{preset}-{seed}"
            name = _short(preset, seed)
            if not (folder / run.WEIGHTS).is_file():
                if data is None:
                    raise UsageError(
                        f"{folder}: expected a finished run or pairs to train one on, found "
                        "none; give --msrs a folder with train and test"
                    )
                settings = resolve(preset, data, {**schedule.changes, "seed": str(seed)})
                began = (folder / run.SETTINGS).is_file()
                (run.resume(folder, settings) if began else run.start(settings, folder))
            path = output / "weights" / f"{name}.onnx"
            if not path.is_file():
                export_run(folder, output / "weights", name=name)
            trained[preset, seed] = path
    return trained


def _short(preset: str, seed: int) -> str:
    return f"{preset}-{seed}"


def _values(data: DataSet, done: Evaluation, seeds: int, track: Track) -> Values:
    """Return the means over the seeds of the metrics and of what is seen of each source."""
    pairs = {pair.stem: pair for pair in data.pairs}
    sums: dict[tuple[str, str], list[dict[str, float]]] = {}
    tasks = [
        (variant, stem, _short(preset, seed))
        for variant, preset in PRESETS.items()
        for seed in range(seeds)
        for stem in pairs
        if (_short(preset, seed), data.name, stem) in done.files
    ]
    scored = {(row.method, row.stem): row.values for row in done.rows}
    for variant, stem, method in track(tasks, "measuring", total=len(tasks)):
        sources = (
            read_image(pairs[stem].infrared, check=as_infrared),
            read_image(pairs[stem].visible, check=as_visible),
        )
        fused = read_image(done.files[method, data.name, stem], check=as_visible)
        row = {**scored.get((method, stem), {}), **traces(*sources, fused)}
        sums.setdefault((variant, stem), []).append(row)
    values: Values = {variant: {} for variant in PRESETS}
    for (variant, stem), rows in sums.items():
        names = [name for name in _LOOKED_AT if all(name in row for row in rows)]
        values[variant][stem] = {n: float(np.mean([row[n] for row in rows])) for n in names}
    return values


def _mean(rows: Mapping[str, Mapping[str, float]], stems: Sequence[str], name: str) -> float:
    return float(np.mean([rows[stem][name] for stem in stems if name in rows.get(stem, {})]))


def _tests(values: Values, stems: Sequence[str]) -> list[PairedTest]:
    chosen = {
        variant: {stem: rows[stem] for stem in stems if stem in rows}
        for variant, rows in values.items()
    }
    return paired_tests(chosen, FULL, dict.fromkeys(_LOOKED_AT, "higher"))


def _table(values: Values, stems: Sequence[str]) -> list[list[str]]:
    tests = {(test.method, test.metric): test for test in _tests(values, stems)}
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


def _scenes(data: DataSet, done: Evaluation, count: int) -> list[Block]:
    files = {
        variant: {
            stem: path
            for (method, _, stem), path in done.files.items()
            if method == _short(preset, 0)
        }
        for variant, preset in PRESETS.items()
    }
    drawn = draw_scenes(data, files, count)
    return [Sheet(f"Fig. 21, {stem}", cells) for stem, cells in drawn.items()]


def _judge(data: DataSet, values: Values) -> list[Claim]:
    claims = []
    for section, part, light, name, text in WITHOUT:
        variant = {"light": LIGHT, "cmdaf": CMDAF}[part]
        stems = [stem for stem, when in data.lights.items() if when == light]
        if not stems:
            claims.append(
                untested(section, text, f"{data.name} says of no pair that it is {light}")
            )
            continue
        found = {(test.method, test.metric): test for test in _tests(values, stems)}
        test = found[variant, name]
        means = [_mean(values[each], stems, name) for each in (FULL, variant)]
        claims.append(
            Claim(
                section,
                f"{text} ({name})",
                verdict_of(means[0] - means[1], test.p),
                f"{means[0]:.3f} with it, {means[1]:.3f} without; {told(test)}",
                f"{data.name} by {light}",
            )
        )
    return claims
