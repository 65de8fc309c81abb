"""`piafusion train` and `piafusion export`: networks, and files that `piafusion fuse` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import OUTPUT, SETTINGS, RunOption, SetOption, named, option
from piafusion.cli.printing import say
from piafusion.cli.progress import ProgressDisplay
from piafusion.errors import UsageError, needing

app = typer.Typer(help="Train a network on a dataset folder with `ir` and `vi`.")

DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="Folder with `ir` and `vi`, names in D or N.")
]
ResumeOption = Annotated[
    bool, option("Continue from the last checkpoint of this run.", OUTPUT, "--resume")
]


@app.command()
def illumination(
    data: DataArgument,
    output: RunOption,
    preset: Annotated[
        str, option("illumination or illumination-short.", SETTINGS)
    ] = "illumination-short",
    settings: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train the network that tells day from night (Eq. 13)."""
    _train("illumination", data, output, preset, settings or [], resume=resume)


@app.command()
def fusion(
    data: DataArgument,
    output: RunOption,
    preset: Annotated[
        str, option("quality, fast, paper, paper-short, or one of the ablations.", SETTINGS)
    ] = "fast",
    settings: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train a fusion network (Eq. 12)."""
    _train("fusion", data, output, preset, settings or [], resume=resume)


@app.command()
def paper(
    data: DataArgument,
    output: Annotated[Path, option("Folder of both trainings.", None, "--output", "-o")],
    schedule: Annotated[str, option("paper, or short.", SETTINGS)] = "paper",
    settings: SetOption = None,
) -> None:
    """Train both networks of the paper, one after the other (Algorithm 1), and export them.

    --set NAME=VALUE is a setting of the fusion network, --set illumination.NAME=VALUE one of the
    illumination network. The same command goes on after an interruption.
    """
    with needing("train", "training"):
        from piafusion.lab.training.algorithm import SCHEDULES, train_paper

    if schedule not in SCHEDULES:
        known = ", ".join(SCHEDULES)
        raise UsageError(f"--schedule: expected one of {known}, found {schedule!r}")
    with ProgressDisplay() as progress:
        model = train_paper(data, output, schedule, named(settings or []), progress)
    say(f"exported: {model}", f"next: piafusion reproduce --msrs MSRS --model {model} --output OUT")


@app.command()
def context(
    data: DataArgument,
    output: RunOption,
    preset: Annotated[str, option("context.")] = "context",
    settings: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train the network that judges targets and light place by place, from boxes in DATA."""
    _train("context", data, output, preset, settings or [], resume=resume)


@app.command()
def method(
    name: Annotated[
        str, typer.Argument(metavar="METHOD", help="A method that learns, see `piafusion methods`.")
    ],
    data: DataArgument,
    output: RunOption,
    settings: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train the network of a comparison method, or learn the projection of mdlatlrr."""
    from piafusion.methods import find_method, list_methods

    learning = [name for name, spec in list_methods().items() if spec.trained_as == name]
    if name not in learning:
        raise UsageError(f"expected a method that learns, {', '.join(learning)}, found {name!r}")
    if find_method(name).weights == "onnx":
        _train("method", data, output, name, settings or [], resume=resume)
        return
    if settings or resume:
        raise UsageError(f"{name}: expected neither --set nor --resume, found one; leave it out")
    from piafusion.lab.training.latlrr import learn_into

    say(f"projection: {learn_into(output, data)}")


def _train(
    task: str, data: Path, output: Path, preset: str, settings: list[str], *, resume: bool
) -> None:
    with needing("train", "training"):
        from piafusion.lab.training import run
        from piafusion.lab.training.config import TASKS, resolve

    wanted = resolve(preset, data, named(settings))
    if not isinstance(wanted, TASKS[task]):
        raise UsageError(f"--preset: {preset!r} does not train {task}; see piafusion train --help")
    with ProgressDisplay() as progress:
        if resume:
            weights = run.resume(output, wanted, progress)
        else:
            weights = run.start(wanted, output, progress)
    if run.is_main_process():
        say(f"weights: {weights}", f"next: piafusion export {output} --output FOLDER")


def export(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="Folder of a finished training; for --int8 also a model of OUTPUT."
        ),
    ],
    output: Annotated[
        Path, option("Weights folder; its manifest is updated.", OUTPUT, "--output", "-o")
    ],
    name: Annotated[str | None, option("Name of the model there.", OUTPUT)] = None,
    summary: Annotated[str, option("One line that describes it.", OUTPUT)] = "",
    onto: Annotated[
        str | None,
        option("For a context network: the model that it belongs to.", OUTPUT, metavar="MODEL"),
    ] = None,
    context_side: Annotated[
        int | None,
        option(
            "Pixels of the longest side of the small copy that a context network sees.",
            OUTPUT,
            min=32,
        ),
    ] = None,
    int8: Annotated[
        list[Path] | None,
        option(
            "Also write NAME-int8.onnx, in 8 bits, trained on this dataset folder; repeatable.",
            OUTPUT,
            metavar="DATA",
        ),
    ] = None,
) -> None:
    """Write a trained network as ONNX and safetensors, after comparing ONNX with torch."""
    with needing("train", "exporting"):
        from piafusion.lab.training.export import export_int8, export_run

    weights = output / f"{run.stem}.onnx"
    if run.is_dir() or not int8:
        weights = export_run(
            run, output, name=name, summary=summary, onto=onto, context_side=context_side
        )
    if int8:
        with ProgressDisplay() as progress:
            model = weights.with_suffix(".safetensors")
            say(f"exported: {export_int8(str(model), int8, output, progress=progress)}")
    say(f"exported: {weights}", f"use it: piafusion fuse IR VI --model {weights} --output OUT")
