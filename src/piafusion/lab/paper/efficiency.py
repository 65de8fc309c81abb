"""Section 4.6: parameters, multiply-adds, memory and time of every method (Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from piafusion.errors import MeasurementError
from piafusion.lab.evaluation.journal import Journal, code_digest
from piafusion.lab.evaluation.run import Track
from piafusion.lab.evaluation.timing import measure, processor_name
from piafusion.lab.evaluation.workers import Setup
from piafusion.lab.paper.operations import multiply_adds
from piafusion.lab.paper.published import OURS, RIVALS, TABLE_3
from piafusion.lab.paper.section import Claim, Grid, Section, Text, untested
from piafusion.machine import usable_cores
from piafusion.methods import WEIGHTS
from piafusion.weights import DEFAULT_MODEL, SHIPPED, load_manifest, read_weights

NAME = "efficiency"

_LEAST = 9  # calls of a network that `measure` makes of a slow setup, and some


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
    """What a method costs for one pair of a size.

    Attributes:
        parameters: Learned numbers, or None.
        multiply_adds: Of its network, or None.
        first_ms: The first call.
        median_ms: Of the others, arrays to array.
        frames: How many these were.
        peak_mib: Most memory of the process.
        skipped: Why it was not timed; else empty.
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
    track: Track,
) -> Section:
    """Time all models and methods, one process for each and size.

    Args:
        output: Folder of the reproduction; what was timed on this machine is kept there.
        methods: Comparison methods.
        sizes: Width and height, the smallest first.
        budget: Seconds for each; what takes longer is timed with three pictures, and left out
            where these would take more than ten times as long.
        track: Shows how far it is.
    """
    models = [name for name, record in load_manifest().items() if record.kind == "fusion"]
    names = [*models, *methods]
    settings = {
        "processor": processor_name(),
        "threads": usable_cores(),
        "budget": budget,
        "code": code_digest("fuser.py", "imaging", "engines", "methods", "weights/__init__.py"),
        "weights": [load_manifest(folder)[name].sha256 for folder, name in _learned(names)],
    }
    journal = Journal(output / NAME / "costs.jsonl", settings, _ENTRY)
    steps = [(name, size) for size in sizes for name in names]
    costs: dict[tuple[str, tuple[int, int]], Cost] = {}
    pace: dict[str, float] = {}
    for name, size in track(steps, "timing", total=len(steps)):
        key = f"{name} {size[0]}x{size[1]}"
        if key not in journal.entries:
            expected = _LEAST * pace.get(name, 0.0) * size[0] * size[1]
            journal.add(key, asdict(_cost(name, name in models, size, budget, expected)))
        costs[name, size] = cost = Cost(**{each: journal.entries[key][each] for each in _ENTRY})
        if cost.median_ms:
            pace[name] = cost.median_ms / 1000 / (size[0] * size[1])
    return _section(names, sizes, costs)


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


def _section(
    names: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    costs: dict[tuple[str, tuple[int, int]], Cost],
) -> Section:
    section = Section(NAME)
    for size in sizes:
        rows = [["method", "parameters", "10⁹ multiply-adds", "first call", "median", "MiB"]]
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
        section.blocks.append(Grid(rows, f"{size[0]}x{size[1]}, times in ms"))
        section.values[f"{size[0]}x{size[1]}"] = {name: asdict(costs[name, size]) for name in names}
    printed = [["method", "MSRS", "RoadScene", "TNO"]]
    printed += [[name, *(f"{value:.2f}" for value in row)] for name, row in TABLE_3.items()]
    section.blocks.append(Grid(printed, "Table 3 of the paper, seconds"))
    section.blocks.append(
        Text(
            f"Arrays to array, one process for each, {usable_cores()} threads, "
            f"{processor_name()}; the first call apart; memory of the whole process.",
            soft=True,
        )
    )
    section.deviations.append(
        "All methods run on the processor here; the paper times networks on a GPU."
    )
    section.deviations.extend(
        f"{name} at {size[0]}x{size[1]}: not timed, {cost.skipped}"
        for (name, size), cost in costs.items()
        if cost.skipped
    )
    times = {name: costs[name, size].median_ms for size in sizes[:2] for name in names}
    section.claims.extend(_claims({k: v for k, v in times.items() if v}, sizes[:2][-1]))
    return section


def _claims(times: dict[str, float], size: tuple[int, int]) -> list[Claim]:
    data = f"{size[0]}x{size[1]}, processor"
    there = {name: times[name] for name in (*RIVALS, OURS) if name in times}
    slow = "the methods without networks take longer than those with, MDLatLRR longest"
    fast = "IFCNN is the fastest"
    ours = "the method's time is comparable to that of the others"
    if set(there) != {*RIVALS, OURS}:
        missing = ", ".join(name for name in (*RIVALS, OURS) if name not in there)
        return [untested("4.6", said, f"not timed: {missing}") for said in (slow, fast, ours)]
    classic = {name: there.pop(name) for name in ("gtf", "mdlatlrr")}
    order = sorted(there, key=lambda name: there[name])
    slowest = order[-1]
    holds = classic["mdlatlrr"] > classic["gtf"] > there[slowest]
    middle = there[order[len(order) // 2]]
    first = order[0]
    return [
        Claim(
            "4.6",
            slow,
            "holds" if holds else "does not hold",
            f"MDLatLRR {_milliseconds(classic['mdlatlrr'])} ms, GTF "
            f"{_milliseconds(classic['gtf'])} ms, slowest network {slowest} "
            f"{_milliseconds(there[slowest])} ms",
            data,
        ),
        Claim(
            "4.6",
            fast,
            "holds" if first == "ifcnn" else "does not hold",
            f"ifcnn {_milliseconds(there['ifcnn'])} ms, fastest network {first} "
            f"{_milliseconds(there[first])} ms",
            data,
        ),
        Claim(
            "4.6",
            f"{ours} (within ten times their median)",
            "holds" if there[OURS] <= 10 * middle else "does not hold",
            f"{_milliseconds(there[OURS])} ms, median of the networks {_milliseconds(middle)} ms",
            data,
        ),
    ]


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
