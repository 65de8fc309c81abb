"""Sections 4.4 and 4.5: Table 2, Figs. 5 to 17."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from piafusion.errors import MissingExtraError
from piafusion.files import write_bytes
from piafusion.lab.evaluation.figures import cumulative_curves, styles
from piafusion.lab.evaluation.methods import Method, Pictures, read_methods
from piafusion.lab.evaluation.page import legend
from piafusion.lab.evaluation.results import DataResult
from piafusion.lab.evaluation.run import Evaluation, Track, fuse_sets, score_sets
from piafusion.lab.evaluation.sets import DataSet, told
from piafusion.lab.evaluation.sheets import draw_scenes
from piafusion.lab.evaluation.tables import Table, heading, per_image
from piafusion.lab.paper.judge import ranks_first
from piafusion.lab.paper.materials import Materials
from piafusion.lab.paper.published import METRICS, OURS, PAIRS, RIVALS, SCENES, TABLE_2
from piafusion.lab.paper.section import (
    Block,
    Claim,
    Drawing,
    Grid,
    Scores,
    Section,
    Sheet,
    Text,
    untested,
)
from piafusion.methods import check_needs, find_method, list_methods

NAME = "comparison"
AUTHORS = "authors-"
"""Before the names of published pictures."""

_BEYOND = ("piafusion", "piafusion-fast")
_FIGURES = {
    "msrs": "Figs. 5 to 9",
    "roadscene": "Figs. 10 to 12",
    "tno": "Figs. 13 to 15",
}
_CURVES = {"msrs": "Cumulative curves", "roadscene": "Fig. 16", "tno": "Fig. 17"}
_TITLES = {"msrs": "MSRS", "roadscene": "RoadScene", "tno": "TNO", "synthetic": "synthetic scenes"}


def compare(
    materials: Materials, output: Path, methods: Sequence[str], scenes: int, track: Track
) -> Section:
    """Fuse and score all test sets with the paper's model, its rivals, and what it left out.

    Args:
        materials: What to fuse.
        output: Folder of the step; what is in it already is used again.
        methods: Comparison methods beside the baselines.
        scenes: How many scenes of a data set to show.
        track: Shows how far it is.
    """
    section = Section(NAME)
    usable, missing = _usable(methods)
    section.deviations.extend(missing)
    results: dict[str, DataResult] = {}
    for name, data in materials.tests.items():
        chosen = _methods(data, usable, materials.published if name == "tno" else None)
        folder = output / NAME
        problems = fuse_sets([data], chosen, folder, track)
        done = {
            convention: score_sets(
                [data],
                chosen,
                folder,
                metrics=METRICS,
                convention=convention,
                against=OURS,
                known=problems,
                track=track,
            )
            for convention in ("uint8", "float")
        }
        for convention, scores in done.items():
            table = per_image(scores.rows, METRICS).to_csv(index=False)
            write_bytes(folder / f"{name}.{convention}.csv", table.encode())
        section.deviations.extend(told(problem) for problem in done["float"].problems)
        if done["float"].results and done["uint8"].results:
            _add_set(section, name, data, done, scenes)
            results[name] = done["uint8"].results[0]
    section.claims.extend(_claims(results))
    return section


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
    data: DataSet, names: Sequence[str], published: Path | None
) -> list[Method | Pictures]:
    texts = [OURS, *_BEYOND, *names]
    if published:
        for folder in sorted(path for path in published.iterdir() if path.is_dir()):
            texts.append(f"{AUTHORS}{folder.name}@{data.name}={folder}")
    return read_methods(texts, [data])


def _add_set(
    section: Section, name: str, data: DataSet, done: dict[str, Evaluation], scenes: int
) -> None:
    (whole,), (saturated,) = done["float"].results, done["uint8"].results
    title = _TITLES[name]
    blocks: list[Block] = []
    if name == "msrs":
        blocks.append(Grid(_beside(saturated.table), "Table 2, the paper's means and ours"))
    blocks.append(Scores(saturated.table, f"{title}, {whole.table.size}, convention uint8"))
    blocks.append(Scores(whole.table, f"{title}, {whole.table.size}, convention float"))
    for part in whole.parts:
        blocks.append(Scores(part, f"{part.title}, {part.size}, convention float"))
    blocks += [_curves(name, whole), *_scenes(name, data, whole, done["float"], scenes)]
    section.blocks.extend(blocks)
    section.values[name] = {
        convention: evaluation.results[0].as_json() for convention, evaluation in done.items()
    }
    if name in PAIRS and len(data.pairs) != PAIRS[name]:
        section.deviations.append(f"{title}: {len(data.pairs)} pairs; the paper has {PAIRS[name]}.")


def _beside(table: Table) -> list[list[str]]:
    """Return the means of Table 2 beside those of a table."""
    header = ["method"]
    for metric in table.metrics:
        header += [f"{metric}, paper", f"{metric}, here"]
    rows = [header]
    for method, printed in TABLE_2.items():
        line = [method]
        for column, value in enumerate(printed):
            found = table.cells.get(method)
            line += [f"{value:.4f}", f"{found[column].mean:.4f}" if found else "-"]
        rows.append(line)
    return rows


def _curves(name: str, result: DataResult) -> Drawing:
    looks = styles(list(result.values))
    svgs = [
        cumulative_curves(
            result.data.name,
            heading(metric),
            {
                method: [row[metric] for row in rows.values() if metric in row]
                for method, rows in result.values.items()
            },
            looks,
        )
        for metric in result.table.metrics
    ]
    return Drawing(f"{_CURVES.get(name, 'Cumulative curves')}, {name}", svgs, legend(looks))


def _scenes(
    name: str, data: DataSet, result: DataResult, done: Evaluation, count: int
) -> list[Block]:
    files = {
        method: {stem: done.files[method, data.name, stem] for stem in rows}
        for method, rows in result.values.items()
    }
    wanted = SCENES.get(name, ())
    drawn = draw_scenes(data, files, count, first=wanted)
    blocks: list[Block] = [Sheet(f"{name}: {stem}", cells) for stem, cells in drawn.items()]
    if name in _FIGURES and not set(wanted) & set(drawn):
        why = f"{_FIGURES[name]}: the paper's scenes are not among the pairs; others are shown."
        blocks.insert(0, Text(why, soft=True))
    return blocks


_FIRST = {
    "msrs": (
        "4.4",
        "on MSRS the method has the highest {metric} of all",
        ("MI", "SD", "VIF", "Qabf"),
    ),
    "roadscene": ("4.5", "on RoadScene the method is first in {metric}", ("MI", "VIF", "Qabf")),
    "tno": ("4.5", "on TNO the method is first in {metric}", ("MI", "VIF", "Qabf")),
}


def _claims(results: dict[str, DataResult]) -> list[Claim]:
    """Judge who is first, as the paper counts: in its convention, among its methods."""
    claims = []
    for name, (number, text, metrics) in _FIRST.items():
        for metric in metrics:
            said = text.format(metric=metric)
            if name in results:
                claims.append(ranks_first(results[name], metric, OURS, RIVALS, number, said))
            else:
                claims.append(untested(number, said, f"no pairs were given: --{name}"))
    if "synthetic" in results:
        said = "the method has the highest {metric} of all"
        for metric in METRICS:
            text = said.format(metric=metric)
            claims.append(ranks_first(results["synthetic"], metric, OURS, RIVALS, "4.4", text))
    published = f"{AUTHORS}PIAFusion"
    if "tno" in results and published in results["tno"].values:
        theirs = [name for name in results["tno"].values if name.startswith(AUTHORS)]
        rivals = [name for name in theirs if name != published]
        for metric in ("MI", "VIF", "Qabf"):
            said = f"on TNO the method is first in {metric}: the authors' own pictures"
            claims.append(ranks_first(results["tno"], metric, published, rivals, "4.5", said))
    return claims
