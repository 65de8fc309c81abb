"""Sections 4.4 and 4.5: Table 2, Figs. 5 to 17."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from piafusion.errors import MissingExtraError
from piafusion.files import reading, write_bytes
from piafusion.lab.evaluation.methods import GivenPictures, Method, read_methods
from piafusion.lab.evaluation.report import curves
from piafusion.lab.evaluation.results import DataSetResult, MethodScores, per_image_csv
from piafusion.lab.evaluation.run import Evaluation, fuse_and_score
from piafusion.lab.evaluation.sets import DataSet
from piafusion.lab.evaluation.sheets import draw_scenes
from piafusion.lab.paper.datasets import PaperData
from piafusion.lab.paper.experiment import (
    METRICS,
    OURS,
    PAIRS,
    RIVALS,
    SCENES,
    TABLE_2,
    UNTESTED,
    Basis,
    Claim,
    Experiment,
    Values,
    ranks_first,
    under_our_name,
    undertrained,
    untested,
)
from piafusion.methods import check_needs, find_method, list_methods
from piafusion.report.curves import line_styles
from piafusion.report.document import Block, Pictures, Table, Text
from piafusion.run.progress import Progress
from piafusion.weights import fusion_models

NAME = "comparison"
AUTHORS = "authors-"
"""Prefix of the names of published pictures."""
SHEET = "published_metrics.csv"
"""The authors' scores, beside the folder of published pictures: a row for each image and method."""

_FIGURES = {"msrs": "Figs. 5 to 9", "roadscene": "Figs. 10 to 12", "tno": "Figs. 13 to 15"}
_CURVES = {"msrs": "Cumulative curves", "roadscene": "Fig. 16", "tno": "Fig. 17"}
_TITLES = {"msrs": "MSRS", "roadscene": "RoadScene", "tno": "TNO", "synthetic": "synthetic scenes"}


def compare(
    data_sets: PaperData,
    output: Path,
    methods: Sequence[str],
    scenes: int,
    progress: Progress,
    model: str = OURS,
) -> Experiment:
    """Fuse and score all test sets with the paper's model, its rivals and our other models.

    Existing results in the output folder are used again. `model` is the shipped model, or the file
    of an exported one that takes its place.
    """
    experiment = Experiment(NAME)
    usable, missing = _usable(methods)
    experiment.deviations.extend(missing)
    results: dict[str, DataSetResult] = {}
    folder = output / NAME
    for name, data in data_sets.tests.items():
        published = data_sets.published if name == "tno" else None
        chosen = _methods(data, model, usable, published)
        done: dict[str, Evaluation] = {}
        for convention in ("uint8", "float"):
            done[convention] = fuse_and_score(
                data,
                chosen,
                folder,
                metrics=METRICS,
                convention=convention,
                against=OURS,
                progress=progress,
            )
            csv = per_image_csv(done[convention].scores, METRICS)
            write_bytes(folder / f"{name}.{convention}.csv", csv)
        experiment.deviations.extend(map(str, done["float"].failures))
        if done["float"].results and done["uint8"].results:
            _add_set(experiment, name, data, done, scenes)
            results[name] = done["uint8"].results[0]
    why = undertrained(model)
    experiment.claims.extend(_claims(results, data_sets.published, why))
    return experiment


def _usable(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the methods that can run here, and for the others why they cannot."""
    usable, missing = [], []
    for name in names:
        try:
            check_needs(find_method(name))
            usable.append(name)
        except MissingExtraError as error:
            missing.append(str(error))
    absent = [name for name in RIVALS if name not in list_methods()]
    if absent:
        missing.append(f"not in this package: {', '.join(absent)}")
    return usable, missing


def _methods(
    data: DataSet, model: str, names: Sequence[str], published: Path | None
) -> list[Method | GivenPictures]:
    others = (name for name in fusion_models() if name != OURS)
    texts = [under_our_name(model), *others, *names]
    if published:
        for folder in sorted(path for path in published.iterdir() if path.is_dir()):
            texts.append(f"{AUTHORS}{folder.name}@{data.name}={folder}")
    return read_methods(texts, [data])


def _add_set(
    experiment: Experiment, name: str, data: DataSet, done: dict[str, Evaluation], scenes: int
) -> None:
    (as_float,), (as_uint8,) = done["float"].results, done["uint8"].results
    title = _TITLES[name]
    if name == "msrs":
        experiment.blocks.append(_table_2(as_uint8.scores))
    size = as_float.scores.size
    experiment.blocks.extend(
        [
            as_uint8.scores.table(f"{title}, {size}, convention uint8"),
            as_float.scores.table(f"{title}, {size}, convention float"),
        ]
    )
    for part in as_float.parts:
        experiment.blocks.append(part.table(f"{part.title}, {part.size}, convention float"))
    heading = f"{_CURVES.get(name, 'Cumulative curves')}, {name}"
    experiment.blocks.append(curves(as_float, line_styles(list(as_float.values)), heading))
    experiment.blocks.extend(_scenes(name, as_float, done["float"], scenes))
    experiment.values[name] = {
        convention: evaluation.results[0].as_json() for convention, evaluation in done.items()
    }
    if name in PAIRS and len(data.pairs) != PAIRS[name]:
        count = f"{title}: {len(data.pairs)} pairs; the paper has {PAIRS[name]}."
        experiment.deviations.append(count)


def _table_2(scores: MethodScores) -> Table:
    """Return the means of Table 2 beside the means measured here."""
    header = ["method"]
    for metric in scores.metrics:
        header += [f"{metric}, paper", f"{metric}, here"]
    rows = []
    for method, printed in TABLE_2.items():
        row, found = [method], scores.means.get(method)
        for column, value in enumerate(printed):
            row += [f"{value:.4f}", f"{found[column].mean:.4f}" if found else "-"]
        rows.append(row)
    return Table(header, rows, "Table 2, the paper's means and ours")


def _scenes(name: str, result: DataSetResult, done: Evaluation, count: int) -> list[Block]:
    wanted = find_scenes(name, [pair.stem for pair in result.data.pairs])
    drawn = draw_scenes(result.data, done.scored_files(result), count, first=list(wanted))
    blocks: list[Block] = [
        Pictures(scene, f"{name}: {wanted.get(stem, stem)}") for stem, scene in drawn.items()
    ]
    missing = [
        each for each in SCENES.get(name, {}) if not any(each in found for found in wanted.values())
    ]
    if missing:
        why = f"{_FIGURES[name]}: not among the pairs: {', '.join(missing)}."
        blocks.insert(0, Text(why, note=True, about_pictures=True))
    return blocks


def find_scenes(name: str, stems: Sequence[str]) -> dict[str, str]:
    """Return the paper's scenes among the stems of a data set: their names there, by stem.

    >>> find_scenes("tno", ["05", "06", "kaptein_1123"])
    {'05': 'bench (05)', 'kaptein_1123': 'Kaptein_1123'}
    """
    found = {}
    for scene, number in SCENES.get(name, {}).items():
        for stem in stems:
            if stem.lower() == scene.lower():
                found[stem] = scene
            elif stem == number:
                found[stem] = f"{scene} ({number})"
    return found


_FIRST = {
    "msrs": (
        "4.4",
        "on MSRS the method has the highest {metric} of all",
        ("MI", "SD", "VIF", "Qabf"),
    ),
    "roadscene": ("4.5", "on RoadScene the method is first in {metric}", ("MI", "VIF", "Qabf")),
    "tno": ("4.5", "on TNO the method is first in {metric}", ("MI", "VIF", "Qabf")),
}


def _claims(results: Mapping[str, DataSetResult], published: Path | None, why: str) -> list[Claim]:
    """Judge which method is first, as in the paper: in its convention, among its methods.

    Our network is judged among our rivals, and the authors' pictures of TNO among those of others.
    `why` says why our network decides nothing, for or against; empty if it decides.
    """
    claims = []
    for name, (number, text, metrics) in _FIRST.items():
        for metric in metrics:
            claim = Claim(number, text.format(metric=metric), UNTESTED, f"no pairs: --{name}")
            if name in results:
                claim = replace(claim, data=results[name].data.name, basis="networks trained here")
                judged = ranks_first(results[name].values, metric, OURS, RIVALS, claim)
                claim = untested(judged, why)
            claims.append(claim)
    if "synthetic" in results:
        for metric in METRICS:
            text = f"the method has the highest {metric} of all"
            claim = Claim("4.4", text, UNTESTED, "", "synthetic scenes", "networks trained here")
            judged = ranks_first(results["synthetic"].values, metric, OURS, RIVALS, claim)
            claims.append(untested(judged, "the pictures are not the paper's"))
    basis, values = _published(results.get("tno"), published)
    if basis:
        rivals = [name for name in RIVALS if name in values]
        of = f"{len(rivals) + 1} of the {len(RIVALS) + 1} methods"
        for metric in ("MI", "VIF", "Qabf"):
            text = f"on TNO the method is first in {metric}: the authors' own pictures"
            claim = Claim("4.5", text, UNTESTED, "", f"tno, {of}", basis)
            claims.append(ranks_first(values, metric, OURS, rivals, claim))
    return claims


def _published(result: DataSetResult | None, folder: Path | None) -> tuple[Basis, Values]:
    """Return what is known of the authors' pictures, by the names of the methods here.

    That is their sheet of scores if there is one, and otherwise the scores of their pictures.
    """
    names = {**{name: name for name in RIVALS}, "piafusion": OURS}  # in lower case: ours
    sheet = folder.parent / SHEET if folder else None
    if sheet and sheet.is_file():
        table: dict[str, dict[str, dict[str, float]]] = {}
        expected = f"a table with the columns image, method, {', '.join(METRICS)}"
        with reading(sheet, expected, "correct it or take it away"), sheet.open(newline="") as file:
            for row in csv.DictReader(file):
                method = names.get(row["method"].lower())
                if method:
                    scores = {metric: float(row[metric]) for metric in METRICS}
                    table.setdefault(method, {})[row["image"]] = scores
        return "published scores", table
    values = {
        names[method.removeprefix(AUTHORS).lower()]: scores
        for method, scores in (result.values if result else {}).items()
        if method.startswith(AUTHORS) and method.removeprefix(AUTHORS).lower() in names
    }
    return ("published pictures" if OURS in values else ""), values
