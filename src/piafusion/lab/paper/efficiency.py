"""Section 4.6: parameters, multiply-adds, memory and time of every method (Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from piafusion.errors import MeasurementError
from piafusion.lab.evaluation.timing import Setup, measure, processor_name
from piafusion.lab.evaluation.versions import versions
from piafusion.lab.paper.experiment import UNTESTED, Claim, Experiment, holds_if
from piafusion.lab.paper.multiply_adds import multiply_adds
from piafusion.lab.paper.published import OURS, RIVALS, TABLE_3
from piafusion.machine import usable_cores
from piafusion.methods import WEIGHTS
from piafusion.report.document import Table, Text
from piafusion.run.journal import Journal
from piafusion.run.progress import Progress, counted
from piafusion.weights import DEFAULT_MODEL, SHIPPED, load_manifest, read_weights

NAME = "efficiency"

_CALLS = 9  # somewhat more calls of a network than `measure` makes for a slow one

_ENTRY = {
    "parameters": (int, None),
    "multiply_adds": (int, None),
    "first_ms": (float, None),
    "median_ms": (float, None),
    "frames": int,
    "peak_mib": (float, None),
    "skipped": str,
}


@dataclass(frozen=True)
class Cost:
    """The cost of a method for one pair of some size.

    Attributes:
        parameters: Number of learned parameters, or None.
        multiply_adds: Number of multiply-adds of its network, or None.
        first_ms: Time of the first call.
        median_ms: Median time of the other calls, arrays to array.
        frames: Number of these calls.
        peak_mib: Largest memory of the process.
        skipped: The reason why it was not timed, or an empty text.
    """

    parameters: int | None
    multiply_adds: int | None
    first_ms: float | None = None
    median_ms: float | None = None
    frames: int = 0
    peak_mib: float | None = None
    skipped: str = ""


def measure_efficiency(
    output: Path,
    methods: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    budget: float,
    progress: Progress,
) -> Experiment:
    """Time all models and methods, one process for each and size.

    Args:
        output: Folder of the reproduction; times measured on this machine are used again.
        methods: Comparison methods.
        sizes: Width and height, the smallest first.
        budget: Seconds for each. A slower method is timed with three pictures, and left out if
            these would take more than ten times as long.
        progress: Shows the progress.
    """
    models = [name for name, record in load_manifest().items() if record.kind == "fusion"]
    names = [*models, *methods]
    settings = {
        "processor": processor_name(),
        "threads": usable_cores(),
        "budget": budget,
        **versions("numpy", "cv2", "onnxruntime"),
        "weights": [load_manifest(folder)[name].sha256 for folder, name in _learned(names)],
    }
    journal = Journal(output / NAME / "costs.jsonl", settings, _ENTRY)
    steps = [(name, size) for size in sizes for name in names]
    costs: dict[tuple[str, tuple[int, int]], Cost] = {}
    pace: dict[str, float] = {}
    for name, size in counted(steps, "timing", progress):
        key = f"{name} {size[0]}x{size[1]}"
        if key not in journal.entries:
            expected = _CALLS * pace.get(name, 0.0) * size[0] * size[1]
            journal.add(key, asdict(_cost(name, name in models, size, budget, expected)))
        costs[name, size] = cost = Cost(**{each: journal.entries[key][each] for each in _ENTRY})
        if cost.median_ms:
            pace[name] = cost.median_ms / 1000 / (size[0] * size[1])
    return _experiment(names, sizes, costs)


def _learned(names: Sequence[str]) -> list[tuple[Path, str]]:
    return [
        (folder, name)
        for folder in (SHIPPED, WEIGHTS)
        for name in load_manifest(folder)
        if name in names
    ]


def _cost(name: str, is_model: bool, size: tuple[int, int], budget: float, expected: float) -> Cost:
    folder = SHIPPED if is_model else WEIGHTS
    record = load_manifest(folder).get(name)
    parameters = record.parameters if record else None
    operations = None
    if record and "onnx" in record.sha256:
        operations = multiply_adds(read_weights(name, "onnx", record.kind, folder), *size[::-1])
    if expected > 10 * budget:
        return Cost(parameters, operations, skipped=f"would take about {expected:.0f} s")
    setup = Setup(
        name if is_model else DEFAULT_MODEL,
        "onnx",
        "cpu",
        *size,
        method=None if is_model else name,
    )
    try:
        measured = measure(setup, frames=30, budget=budget)
    except MeasurementError as error:
        return Cost(parameters, operations, skipped=str(error))
    return Cost(
        parameters,
        operations,
        measured.first_ms,
        measured.end_to_end.median,
        measured.frames,
        measured.peak_mib,
    )


def _experiment(
    names: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    costs: dict[tuple[str, tuple[int, int]], Cost],
) -> Experiment:
    experiment = Experiment(NAME)
    for size in sizes:
        header = ["method", "parameters", "10⁹ multiply-adds", "first call", "median", "MiB"]
        rows = []
        for name in names:
            cost = costs[name, size]
            rows.append(
                [
                    name,
                    "-" if cost.parameters is None else f"{cost.parameters:,}",
                    "-" if cost.multiply_adds is None else f"{cost.multiply_adds / 1e9:.3g}",
                    *map(_milliseconds, (cost.first_ms, cost.median_ms)),
                    "-" if cost.peak_mib is None else f"{cost.peak_mib:.0f}",
                ]
            )
        experiment.blocks.append(Table(header, rows, f"{size[0]}x{size[1]}, times in ms"))
        experiment.values[f"{size[0]}x{size[1]}"] = {
            name: asdict(costs[name, size]) for name in names
        }
    header = ["method", "MSRS", "RoadScene", "TNO"]
    printed = [[name, *(f"{value:.2f}" for value in row)] for name, row in TABLE_3.items()]
    experiment.blocks.append(Table(header, printed, "Table 3 of the paper, seconds"))
    experiment.blocks.append(
        Text(
            f"Arrays to array, one process for each, {usable_cores()} threads, "
            f"{processor_name()}; the first call apart; memory of the whole process.",
            note=True,
        )
    )
    experiment.deviations.append(
        "All methods run on the processor here; the paper times networks on a GPU."
    )
    experiment.deviations.extend(
        f"{name} at {size[0]}x{size[1]}: not timed, {cost.skipped}"
        for (name, size), cost in costs.items()
        if cost.skipped
    )
    times = {name: costs[name, size].median_ms for size in sizes[:2] for name in names}
    experiment.claims.extend(_claims({k: v for k, v in times.items() if v}, sizes[:2][-1]))
    return experiment


def _claims(times: dict[str, float], size: tuple[int, int]) -> list[Claim]:
    data = f"{size[0]}x{size[1]}, processor"
    found = {name: times[name] for name in (*RIVALS, OURS) if name in times}
    slow = "the methods without networks take longer than those with, MDLatLRR longest"
    fast = "IFCNN is the fastest"
    ours = "the method's time is comparable to that of the others"
    if set(found) != {*RIVALS, OURS}:
        missing = ", ".join(name for name in (*RIVALS, OURS) if name not in found)
        return [
            Claim("4.6", said, UNTESTED, f"not timed: {missing}") for said in (slow, fast, ours)
        ]
    classic = {name: found.pop(name) for name in ("gtf", "mdlatlrr")}
    order = sorted(found, key=lambda name: found[name])
    first, middle, slowest = order[0], found[order[len(order) // 2]], order[-1]
    ms = {name: f"{_milliseconds(time)} ms" for name, time in (found | classic).items()}
    judged = (
        (
            slow,
            classic["mdlatlrr"] > classic["gtf"] > found[slowest],
            f"MDLatLRR {ms['mdlatlrr']}, GTF {ms['gtf']}, slowest network {slowest} {ms[slowest]}",
        ),
        (fast, first == "ifcnn", f"ifcnn {ms['ifcnn']}, fastest network {first} {ms[first]}"),
        (
            f"{ours} (within ten times their median)",
            found[OURS] <= 10 * middle,
            f"{ms[OURS]}, median of the networks {_milliseconds(middle)} ms",
        ),
    )
    return [Claim("4.6", text, holds_if(holds), why, data) for text, holds, why in judged]


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
