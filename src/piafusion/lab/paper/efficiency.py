"""Section 4.6: parameters, multiply-adds, memory and time of every method (Table 3).

Multiply-adds are counted in the ONNX file.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnxruntime

from piafusion.errors import MeasurementError, needing
from piafusion.files import sha256
from piafusion.lab.evaluation.methods import Method, read_methods, versions
from piafusion.lab.evaluation.predict import runtime
from piafusion.lab.evaluation.timing import Setup, measure, processor_name
from piafusion.lab.paper.datasets import NAMES, PaperData
from piafusion.lab.paper.experiment import (
    OURS,
    RIVALS,
    TABLE_3,
    UNTESTED,
    Claim,
    Experiment,
    under_our_name,
    untested,
)
from piafusion.machine import usable_cores
from piafusion.methods import WEIGHTS
from piafusion.report.document import Table, Text
from piafusion.report.text import number
from piafusion.run.journal import Entry, Journal
from piafusion.run.progress import Progress, counted
from piafusion.weights import (
    DEFAULT_MODEL,
    SHIPPED,
    find_record,
    fusion_models,
    load_manifest,
    read_weights,
)

NAME = "efficiency"
COMPARED = "comparison"
GPU = "CUDAExecutionProvider"

_CALLS = 9  # somewhat more calls of a network than `measure` makes for a slow one

_COST = {
    "parameters": (int, None),
    "multiply_adds": (int, None),
    "first_ms": (float, None),
    "median_ms": (float, None),
    "frames": int,
    "peak_mib": (float, None),
    "gpu_ms": (float, None),
    "skipped": str,
}
"""Shape of a cost, for one method and size. Times are from arrays to array; `frames` is the number
of calls behind the median, `peak_mib` the largest memory of the process, `gpu_ms` the median with
the network on a GPU, and `skipped` the reason why it was not timed."""

Size = tuple[int, int]


def measure_efficiency(
    data: PaperData,
    output: Path,
    methods: Sequence[str],
    sizes: Sequence[Size],
    budget: float,
    progress: Progress,
    ours: str = OURS,
) -> Experiment:
    """Time all models and methods, one process for each and size.

    Sizes are width and height, the smallest first. A method that is slower than the budget is timed
    with three pictures, and left out if these would take more than ten times as long. Times per
    data set are those that the comparison in the output folder took. `ours` is
    the paper's model, or the file of an exported one.
    """
    models = fusion_models()
    names = [*models, *methods]
    settings = {
        "processor": processor_name(),
        "threads": usable_cores(),
        "budget": budget,
        **versions("numpy", "cv2", "onnxruntime"),
        "weights": [
            sha256(read_weights(ours, "onnx", "fusion")),
            *(load_manifest(folder)[name].sha256 for folder, name in _learned(names)),
        ],
    }
    journal = Journal(output / NAME / "costs.jsonl", settings, _COST)
    steps = [(name, size) for size in sizes for name in names]
    costs: dict[Size, dict[str, Entry]] = {size: {} for size in sizes}
    pace: dict[str, float] = {}  # milliseconds for a pixel
    for name, size in counted(steps, "timing", progress):
        key, pixels = f"{name} {size[0]}x{size[1]}", size[0] * size[1]
        if key not in journal.entries:
            expected = _CALLS * pace.get(name, 0.0) * pixels / 1000
            file = ours if name == OURS else name if name in models else None
            journal.add(key, _cost(name, file, size, budget, expected))
        costs[size][name] = cost = journal.entries[key]
        if cost["median_ms"]:
            pace[name] = cost["median_ms"] / pixels
    return _experiment(costs, *_table_3(data, output / COMPARED, [under_our_name(ours), *methods]))


def _learned(names: Sequence[str]) -> list[tuple[Path, str]]:
    return [
        (folder, name)
        for folder in (SHIPPED, WEIGHTS)
        for name in load_manifest(folder)
        if name in names
    ]


def _cost(name: str, file: str | None, size: Size, budget: float, expected: float) -> Entry:
    """Return what a method costs, or the model in a file."""
    record = find_record(file) if file else load_manifest(WEIGHTS).get(name)
    cost: Entry = {**dict.fromkeys(_COST), "frames": 0, "skipped": ""}
    if record:
        cost["parameters"] = record.parameters
    weights = None
    if file:
        weights = read_weights(file, "onnx", "fusion")
    elif record and "onnx" in record.sha256:
        weights = read_weights(name, "onnx", record.kind, WEIGHTS)
    if weights:
        cost["multiply_adds"] = multiply_adds(weights, *size[::-1])
    if expected > 10 * budget:
        return {**cost, "skipped": f"would take about {expected:.0f} s"}
    model, method = (file, None) if file else (DEFAULT_MODEL, name)
    try:
        setup = Setup(model, "onnx", "cpu", *size, method=method)
        measured = measure(setup, frames=30, budget=budget)
        if cost["multiply_adds"] is not None and GPU in onnxruntime.get_available_providers():
            on_gpu = measure(replace(setup, device="cuda"), frames=30, budget=budget)
            cost["gpu_ms"] = 1000 / on_gpu.frames_per_second
    except MeasurementError as error:
        return {**cost, "skipped": str(error)}
    return {
        **cost,
        "first_ms": measured.first_ms,
        "median_ms": 1000 / measured.frames_per_second,
        "frames": measured.frames,
        "peak_mib": measured.peak_mib,
    }


def _table_3(
    data: PaperData, folder: Path, methods: Sequence[str]
) -> tuple[Table, dict[str, dict[str, tuple[float, float]]]]:
    """Return the paper's table with our times beside it, and our times: seconds, on a processor.

    `folder` is the folder of a comparison, which holds the times once it is done.
    """
    header, taken = ["method"], dict[str, dict[str, tuple[float, float]]]()
    for name, title in zip(NAMES, ("MSRS", "RoadScene", "TNO"), strict=True):
        header += [f"{title}, paper", f"{title}, here"]
        if name in data.tests:
            for method in read_methods(methods, [data.tests[name]]):
                found = isinstance(method, Method) and runtime(method, data.tests[name], folder)
                if found and found.mean is not None and found.deviation is not None:
                    times = (found.mean / 1000, found.deviation / 1000)
                    taken.setdefault(method.name, {})[name] = times
    rows = []
    for method_name in dict.fromkeys((*TABLE_3, *taken)):
        row = [method_name]
        printed = TABLE_3.get(method_name, ())
        for index, name in enumerate(NAMES):
            for pair in (printed[index] if printed else None, taken.get(method_name, {}).get(name)):
                row.append(f"{pair[0]:.3f} ± {pair[1]:.3f}" if pair else "-")
        rows.append(row)
    title = "Table 3: seconds for a pair, mean ± deviation; the paper's networks ran on a GPU"
    return Table(header, rows, title), taken


def _experiment(
    costs: Mapping[Size, Mapping[str, Entry]],
    table_3: Table,
    times: dict[str, dict[str, tuple[float, float]]],
) -> Experiment:
    has_gpu = any(cost["gpu_ms"] for by_name in costs.values() for cost in by_name.values())
    experiment = Experiment(NAME, values={"table 3": times})
    if not has_gpu:
        gpu = "All methods run on the processor here; the paper times networks on a GPU."
        experiment.deviations.append(gpu)
    for (width, height), by_name in costs.items():
        header = ["method", "parameters", "10⁹ multiply-adds", "first call", "median", "MiB"]
        rows = [
            [
                name,
                "-" if cost["parameters"] is None else f"{cost['parameters']:,}",
                "-" if cost["multiply_adds"] is None else f"{cost['multiply_adds'] / 1e9:.3g}",
                _milliseconds(cost["first_ms"]),
                _milliseconds(cost["median_ms"]),
                number(cost["peak_mib"], 0),
                *([_milliseconds(cost["gpu_ms"])] if has_gpu else []),
            ]
            for name, cost in by_name.items()
        ]
        header += ["median, GPU"] * has_gpu
        experiment.blocks.append(Table(header, rows, f"{width}x{height}, times in ms"))
        experiment.values[f"{width}x{height}"] = dict(by_name)
        experiment.deviations.extend(
            f"{name} at {width}x{height}: not timed, {cost['skipped']}"
            for name, cost in by_name.items()
            if cost["skipped"]
        )
    experiment.blocks.append(table_3)
    experiment.blocks.append(
        Text(
            f"Arrays to array, one process for each, {usable_cores()} threads, "
            f"{processor_name()}; the first call apart; memory of the whole process.",
            note=True,
        )
    )
    size = list(costs)[:2][-1]
    medians = {
        name: cost["gpu_ms"] or cost["median_ms"]
        for name, cost in costs[size].items()
        if cost["median_ms"]
    }
    experiment.claims.extend(_claims(medians, size, on_gpu=has_gpu))
    return experiment


def _claims(times: dict[str, float], size: Size, *, on_gpu: bool) -> list[Claim]:
    """Judge the claims by medians in ms; without a GPU, on which they rest, they stay untested."""
    data = f"{size[0]}x{size[1]}, {'networks on a GPU' if on_gpu else 'processor'}"
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
    claims = [
        Claim(
            "4.6", text, "holds" if holds else "does not hold", why, data, "networks trained here"
        )
        for text, holds, why in judged
    ]
    return (
        claims
        if on_gpu
        else [untested(claim, "the paper's networks ran on a GPU") for claim in claims]
    )


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


with needing("train", "counting multiply-adds"):
    import onnx

_COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def multiply_adds(weights: bytes, height: int, width: int) -> int:
    """Return the multiply-adds of convolutions and matrix products for one pair.

    The first inputs of the network are pictures, N x C x H x W.

    Raises:
        ValueError: If the shape of a layer cannot be inferred.
    """
    model = onnx.load_from_string(weights)
    defaults = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.input:
        if node.name in defaults:
            continue  # an input with a default value is not a picture
        dims = node.type.tensor_type.shape.dim
        for dim, size in zip(dims, (1, dims[1].dim_value, height, width), strict=True):
            dim.dim_value = size
    del model.graph.value_info[:]  # shapes noted for free sizes
    for node in model.graph.output:
        node.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(_with_constants(model))
    known = (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    shapes = {
        node.name: tuple(dim.dim_value for dim in node.type.tensor_type.shape.dim) for node in known
    }
    shapes.update({tensor.name: tuple(tensor.dims) for tensor in inferred.graph.initializer})
    return sum(_layer(node, shapes) for node in inferred.graph.node if node.op_type in _COUNTED)


def _with_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with constants computed, above all paddings that depend on the size."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return onnx.load(path)


def _layer(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    data, weights = (shapes.get(name, ()) for name in node.input[:2])
    output = shapes.get(node.output[0], ())
    if 0 in output or not (data and weights and output):
        raise ValueError(f"{node.name}: expected a known shape, found {output}")
    if node.op_type == "Conv":
        return math.prod(output) * math.prod(weights[1:])
    if node.op_type == "ConvTranspose":
        return math.prod(data) * math.prod(weights[1:])
    return math.prod(output) * data[-1]
