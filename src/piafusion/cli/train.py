"""`piafusion train`: the illumination network, a fusion network, a comparison method."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import RunOption
from piafusion.errors import MissingExtraError, UsageError

app = typer.Typer(help="Train a network on a dataset folder with `ir` and `vi`.")

DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="Folder with `ir` and `vi`, names in D or N.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace a setting, e.g. --set steps=500 (repeatable)."),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on from the last checkpoint of this run.")
]


@app.command()
def illumination(
    data: DataArgument,
    output: RunOption,
    preset: Annotated[
        str, typer.Option(help="illumination or illumination-short.")
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
        str, typer.Option(help="quality, fast, paper, paper-short, or one of the ablations.")
    ] = "fast",
    settings: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train a fusion network (Eq. 12)."""
    _train("fusion", data, output, preset, settings or [], resume=resume)


@app.command()
def method(
    name: Annotated[
        str, typer.Argument(metavar="METHOD", help="What learns of `piafusion methods`: mdlatlrr.")
    ],
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the weights.")],
) -> None:
    """Learn what a comparison method learns: of mdlatlrr the projection."""
    from piafusion.methods import METHODS

    learning = [name for name, spec in METHODS.items() if spec.weights]
    if name not in learning:
        raise UsageError(f"expected a method that learns, {', '.join(learning)}, found {name!r}")
    from piafusion.training.latlrr import learn_into

    print(f"projection: {learn_into(output, data)}")


def _train(
    task: str, data: Path, output: Path, preset: str, settings: list[str], *, resume: bool
) -> None:
    try:
        from piafusion.training import run
        from piafusion.training.config import IlluminationSettings, resolve
    except ImportError as error:
        raise MissingExtraError(
            f"expected the packages for training, found no {error.name}; "
            "run: pip install 'piafusion[train]'"
        ) from error

    overrides = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise UsageError(f"--set: expected NAME=VALUE, found {setting!r}")
        overrides[name] = value
    wanted = resolve(preset, data, overrides)
    if isinstance(wanted, IlluminationSettings) != (task == "illumination"):
        raise UsageError(f"--preset: {preset!r} does not train {task}; see piafusion train --help")
    weights = run.resume(output, wanted) if resume else run.start(wanted, output)
    if run.is_main_process():
        print(f"weights: {weights}\nnext: piafusion export {output} --output FOLDER")
