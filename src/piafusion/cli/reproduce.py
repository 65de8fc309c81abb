"""`piafusion reproduce`: the paper's experiments, from one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from piafusion.cli.options import JsonOption, method_names, option
from piafusion.cli.printing import print_table, say
from piafusion.cli.progress import ProgressDisplay
from piafusion.errors import UsageError

_QUICK = (
    "A quick run on synthetic scenes of 320x240 with hardly any training: it shows that everything "
    "works, and proves nothing about the paper."
)
_TRAINED_BRIEFLY = {"steps": "60", "batch": "2", "crop": "32"}


def reproduce(
    output: Annotated[Path, option("Folder of the reproduction.", None, "--output", "-o", "--out")],
    msrs: Annotated[
        Path | None, option("MSRS: a folder with train and test, or one with ir and vi to score.")
    ] = None,
    roadscene: Annotated[Path | None, option("RoadScene, in the same way.")] = None,
    tno: Annotated[
        Path | None, option("TNO; published/METHOD in it holds fused pictures of others.")
    ] = None,
    quick: Annotated[
        bool, option("Use small synthetic scenes and very short trainings.", None, "--quick")
    ] = False,
    step: Annotated[
        list[str] | None, option("Experiment to do; repeatable; all by default.")
    ] = None,
    methods: Annotated[
        str, option("Comparison methods, or all that are installed.", metavar="NAMES")
    ] = "all",
    limit: Annotated[
        int | None, option("Most pairs to take from each data set; they are spread evenly.", min=1)
    ] = None,
    seeds: Annotated[int, option("Number of trainings of each network.", min=1, max=1000)] = 3,
    schedule: Annotated[
        str,
        option(
            "short, or paper: the paper's network is trained first, by Algorithm 1 on "
            "MSRS/train, and the ablations and segmentations at full length. Needs a GPU."
        ),
    ] = "short",
    model: Annotated[
        str | None,
        option("An exported network that replaces the shipped one, `paper`.", metavar="FILE"),
    ] = None,
    segmentation: Annotated[
        str | None, option("Preset of the segmentation; see `piafusion segment`.", metavar="PRESET")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Do the paper's experiments again and report which of its claims hold."""
    from piafusion.files import write_bytes
    from piafusion.lab.data.folders import claim_folder
    from piafusion.lab.paper.datasets import find_data, paint_data
    from piafusion.lab.paper.run import MARK, NUMBERS, PAGE, STEPS, ReproductionPlan, tally
    from piafusion.lab.paper.run import reproduce as run
    from piafusion.weights import read_weights

    roots = {"msrs": msrs, "roadscene": roadscene, "tno": tno}
    given = {name: root for name, root in roots.items() if root is not None}
    if quick == bool(given):
        raise UsageError("expected --msrs, --roadscene or --tno, or --quick in their place")
    steps = step or STEPS
    for name in steps:
        if name not in STEPS:
            raise UsageError(f"--step: expected {', '.join(STEPS)}, found {name!r}")
    if schedule not in ("short", "paper"):
        raise UsageError(f"--schedule: expected short or paper, found {schedule!r}")
    if quick and (schedule != "short" or model or segmentation):
        raise UsageError("--quick: leave --schedule, --model and --segmentation out")
    chosen = method_names(methods)
    claim_folder(output, MARK, "reproduction")
    write_bytes(output / MARK, b"")
    if quick:
        data_sets = paint_data(output / "scenes")
        plan = ReproductionPlan(
            steps,
            chosen,
            scenes=2,
            sizes=((160, 120), (240, 180), (320, 240)),
            budget=1.0,
            feature_pairs=2,
            ablation=_TRAINED_BRIEFLY,
            segmentation={"steps": "40"},
            remarks=(_QUICK,),
            no_verdicts="a quick run",
        )
    else:
        data_sets = find_data(given, limit)
        if model is not None:
            read_weights(model, "onnx", "fusion")  # tells of a wrong file before hours of work
        plan = ReproductionPlan(
            steps,
            chosen,
            seeds=seeds,
            model=model,
            whole=schedule == "paper",
            segmentation_preset=segmentation or ("full" if schedule == "paper" else "short"),
        )
    with ProgressDisplay() as display:
        experiments = run(data_sets, output, plan, display)
    claims = [claim for each in experiments for claim in each.claims]
    if as_json:
        say(*(output / NUMBERS).read_text(encoding="utf-8").splitlines())
        return
    rows = [[claim.section, claim.text, claim.verdict] for claim in claims]
    print_table(["section", "the paper says", "here"], rows)
    say(tally(claims))
    say(f"report: {output / PAGE}")
