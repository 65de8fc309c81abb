"""`piafusion illumination`: day or night."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import DeviceOption, JsonOption
from piafusion.cli.printing import say, say_json, warn
from piafusion.cli.progress import track
from piafusion.errors import PiafusionError, UsageError


def illumination(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Visible images, or folders of them.")
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="illumination, or an exported file of one.")
    ] = "illumination",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Print the probabilities that visible images were taken by day and by night."""
    from piafusion.illumination import Illumination
    from piafusion.imaging.arrays import as_visible
    from piafusion.imaging.io import read_image

    paths = [path for image in images for path in _expand(image)]
    estimate = Illumination(model, device=device)
    results, failed = [], []
    for path in track(paths, "judging"):
        try:
            light = estimate(read_image(path, check=as_visible))
        except PiafusionError as error:
            message = str(error)
            if not message.startswith(str(path)):
                message = f"{path}: {message}"
            failed.append({"image": str(path), "error": message})
            continue
        results.append(
            {
                "image": str(path),
                "day": round(light.day, 4),
                "night": round(light.night, 4),
                "label": light.label,
            }
        )
    if as_json:
        say_json({"images": results, "failed": failed})
    else:
        for result in results:
            say(
                f"{result['label']:<5}  day {result['day']:.3f}  night {result['night']:.3f}  "
                f"{result['image']}"
            )
    for failure in failed:
        warn(f"piafusion: {failure['error']}")
    if failed:
        raise typer.Exit(1)


def _expand(path: Path) -> list[Path]:
    from piafusion.imaging.pairs import list_images

    if not path.exists():
        raise UsageError(f"{path}: expected an image or a folder, found nothing there")
    return list_images(path) if path.is_dir() else [path]
