"""Multiply-adds of a network, counted in its ONNX file."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import onnxruntime

from piafusion.errors import needing

with needing("train", "counting multiply-adds"):
    import onnx

_COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def multiply_adds(weights: bytes, height: int, width: int) -> int:
    """Return the multiply-adds of convolutions and matrix products for one pair.

    Args:
        weights: An ONNX file; its first inputs are pictures, N x C x H x W.
        height: Pixels.
        width: Pixels.

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
