"""`piafusion reproduce`: the paper's experiments, from one command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from piafusion.cli.options import JsonOption, method_names
from piafusion.cli.printing import say
from piafusion.cli.progress import ProgressDisplay, track
from piafusion.cli.table import print_table
from piafusion.errors import UsageError

if TYPE_CHECKING:
    from piafusion.lab.paper.section import Claim

_QUICK = (
    "A quick run on synthetic scenes of 320x240 with hardly any training: it shows that everything "
    "works, and is no evidence about the paper."
)
_TRAINED_BRIEFLY = {"steps": "60", "batch": "2", "crop": "32"}


def reproduce(
    output: Annotated[
        Path, typer.Option("--output", "-o", "--out", help="Folder of the reproduction.")
    ],
    msrs: Annotated[
        Path | None,
        typer.Option(help="MSRS: a folder with train and test, or one with ir and vi to score."),
    ] = None,
    roadscene: Annotated[Path | None, typer.Option(help="RoadScene, likewise.")] = None,
    tno: Annotated[
        Path | None, typer.Option(help="TNO; published/METHOD in it holds pictures of others.")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="On small synthetic scenes, with hardly any training."),
    ] = False,
    step: Annotated[
        list[str] | None, typer.Option(help="Do this step, repeatable; all by default.")
    ] = None,
    methods: Annotated[
        str, typer.Option(metavar="NAMES", help="Comparison methods, or all that are installed.")
    ] = "all",
    limit: Annotated[
        int | None, typer.Option(min=1, help="So many pairs of each data set, evenly spread.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Trainings of each network.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Do the paper's experiments again and tell which of its claims hold."""
    from piafusion.files import write_bytes
    from piafusion.lab.data.folders import claim_folder
    from piafusion.lab.paper.document import tally
    from piafusion.lab.paper.materials import find_materials, paint_materials
    from piafusion.lab.paper.plan import MARK, STEPS, Plan, Schedule
    from piafusion.lab.paper.run import NUMBERS, PAGE
    from piafusion.lab.paper.run import reproduce as run

    roots = {"msrs": msrs, "roadscene": roadscene, "tno": tno}
    given = {name: root for name, root in roots.items() if root is not None}
    if quick == bool(given):
        raise UsageError("expected --msrs, --roadscene or --tno, or --quick in their place")
    steps = step or STEPS
    for name in steps:
        if name not in STEPS:
            raise UsageError(f"--step: expected {', '.join(STEPS)}, found {name!r}")
    chosen = method_names(methods)
    claim_folder(output, MARK, "reproduction")
    write_bytes(output / MARK, b"")
    if quick:
        materials = paint_materials(output / "scenes")
        plan = Plan(
            steps,
            chosen,
            scenes=2,
            sizes=((160, 120), (240, 180), (320, 240)),
            budget=1.0,
            inside=2,
            schedule=Schedule(1, _TRAINED_BRIEFLY),
            segmentation={"steps": "40"},
            remarks=(_QUICK,),
        )
    else:
        materials = find_materials(given, limit)
        plan = Plan(steps, chosen, schedule=Schedule(seeds, {}))
    with ProgressDisplay() as display:
        sections = run(materials, output, plan, track, display)
    claims = [claim for section in sections for claim in section.claims]
    if as_json:
        say(*(output / NUMBERS).read_text(encoding="utf-8").splitlines())
        return
    print_table(*_short(claims))
    say(tally(claims))
    say(f"report: {output / PAGE}")


def _short(claims: Sequence[Claim]) -> tuple[list[str], list[list[str]]]:
    rows = [[claim.section, claim.text, claim.verdict] for claim in claims]
    return ["section", "the paper says", "here"], rows
