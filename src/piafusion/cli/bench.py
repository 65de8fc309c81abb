"""`piafusion bench`: how long fusing takes on this machine."""

from __future__ import annotations

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from piafusion.cli.options import METHOD, PERFORMANCE, JsonOption, option, parse_size
from piafusion.cli.printing import print_table, say, say_json
from piafusion.cli.progress import track
from piafusion.errors import MeasurementError, UsageError
from piafusion.weights import fusion_models

if TYPE_CHECKING:
    from piafusion.lab.evaluation.timing import Setup

MEASUREMENT = "Measurement"
SIZES = ("320x256", "640x480", "1280x720", "1920x1080")
SMALLEST = 8  # pixels a side

COLUMNS = (
    *("model", "engine", "size", "threads", "frames", "first", "network", "p99", "end to end"),
    *("p99", "frames/s", "MiB", ""),
)
Timings = dict[str, Any]
_LARGEST = 16384  # pixels of a side


def bench(
    model: Annotated[
        list[str] | None,
        option("Model to time; repeatable; all by default.", METHOD, "--model", "-m"),
    ] = None,
    engine: Annotated[
        list[str] | None, option("onnx or torch; repeatable; all that are installed.", PERFORMANCE)
    ] = None,
    device: Annotated[
        list[str] | None, option("As for `fuse`; repeatable; all that are installed.", PERFORMANCE)
    ] = None,
    size: Annotated[
        list[str] | None, option(f"WxH, repeatable; {', '.join(SIZES)} by default.", MEASUREMENT)
    ] = None,
    frames: Annotated[int, option("Most frames to time.", MEASUREMENT, min=1)] = 100,
    budget: Annotated[
        float,
        option(
            "Seconds for each measurement; slow ones get fewer frames or are skipped.",
            MEASUREMENT,
            min=0,
        ),
    ] = 10.0,
    precision: Annotated[
        list[str] | None,
        option("float, bf16, int8 or auto; repeatable; auto by default.", PERFORMANCE),
    ] = None,
    peers: Annotated[
        Path | None,
        option(
            "Folder of ONNX files of other networks with two inputs; their networks alone are "
            "timed too.",
            METHOD,
        ),
    ] = None,
    threads: Annotated[
        int | None, option("Processor threads; all cores by default.", PERFORMANCE, min=1, max=4096)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Time models: first call, network alone, and end to end from arrays to array."""
    from piafusion.lab.evaluation.timing import Setup, processor_name

    fusion = fusion_models()
    sizes = sorted(
        (parse_size(text, SMALLEST, _LARGEST) for text in size or SIZES),
        key=lambda wh: wh[0] * wh[1],
    )
    setups = [
        Setup(name, which, where, width, height, threads, precision=what)
        for name in model or fusion
        for which, where in _runners(engine, device)
        for what in precision or ["auto"]
        for width, height in sizes
    ]
    setups += [
        Setup(str(path), "onnx", "cpu", width, height, threads, peer=True)
        for path in _peers(peers)
        for width, height in sizes
    ]
    rows = _measure(setups, frames, budget)
    processor = processor_name()
    if as_json:
        say_json({"processor": processor, "rows": rows})
    else:
        say(f"{processor}; medians and 99th percentiles in ms")
        print_table(COLUMNS, [_texts(row) for row in rows])
    if all("skipped" in row for row in rows):
        raise typer.Exit(1)


def _peers(folder: Path | None) -> list[Path]:
    """Return the ONNX files of a folder."""
    found = sorted(folder.glob("*.onnx")) if folder else []
    if folder and not found:
        raise UsageError(f"--peers: expected a folder with .onnx files, found none in {folder}")
    return found


def _runners(engines: list[str] | None, devices: list[str] | None) -> list[tuple[str, str]]:
    """Return engines and devices: those asked for, or all that are installed."""
    if engines or devices:
        return [(which, where) for which in engines or ["onnx"] for where in devices or ["auto"]]
    optional = {"openvino": ("onnx", "openvino"), "torch": ("torch", "auto")}
    installed = [runs for package, runs in optional.items() if find_spec(package)]
    first = "cpu" if find_spec("openvino") else "auto"
    return [("onnx", first), *installed]


def _measure(setups: list[Setup], frames: int, budget: float) -> list[Timings]:
    """Time each setup; what the next smaller size says would take too long is left out."""
    from piafusion.lab.evaluation.timing import measure

    rows: list[Timings] = []
    paces: dict[tuple[str, ...], float] = {}  # seconds for a pixel, network and end to end
    for setup in track(setups, "measuring"):
        runner = (setup.model, setup.engine, setup.device, setup.precision)
        pixels = setup.width * setup.height
        expected = paces.get(runner, 0) * pixels
        if expected > budget:
            why = f"two frames take about {expected:.0f} s; raise --budget"
            rows.append({**asdict(setup), "skipped": why})
            continue
        try:
            measured = measure(setup, frames=frames, budget=budget)
        except MeasurementError as error:
            rows.append({**asdict(setup), "skipped": str(error)})
            continue
        both = measured.network.median
        both += measured.end_to_end.median if measured.end_to_end else 0
        paces[runner] = both / 1000 / pixels
        rows.append({**asdict(setup), **asdict(measured)})
    return rows


def _texts(row: Timings) -> list[str]:
    """Return a row as texts, in the order of `COLUMNS`."""
    name = Path(row["model"]).name if row["peer"] else row["model"]
    runner = [name, row["engine"], f"{row['width']}x{row['height']}"]
    if row["device"] != "auto":
        runner[1] += f" on {row['device']}"
    if row["precision"] in ("bf16", "int8"):
        runner[1] += f", {row['precision']}"
    if "skipped" in row:
        return [*runner, *[""] * (len(COLUMNS) - 4), f"skipped: {row['skipped']}"]
    counts = [str(row["threads"]), str(row["frames"]), f"{row['first_ms']:.1f}"]
    times = [
        f"{row[which][of]:.1f}" if row[which] else ""
        for which in ("network", "end_to_end")
        for of in ("median", "p99")
    ]
    memory = "" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"
    return [*runner, *counts, *times, f"{row['frames_per_second']:.1f}", memory, ""]
