"""From a torch network to an ONNX file that gives the same answers for any image size."""

from __future__ import annotations

import copy
import logging
import warnings

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import torch
from torch import Tensor, nn
from torch.export import Dim

from piafusion.engines.onnx import OnnxEngine
from piafusion.errors import WeightsError
from piafusion.models.folding import fold

# Batch and size of the inputs that are compared after the export; odd and even, small and not.
_PARITY_SIZES = ((1, 64, 64), (2, 61, 83), (1, 240, 318))
_SMALL = 16  # values; smaller tensors, among them constants of the graph, stay as they are
_PARITY_TOLERANCE = 1e-4  # a fortieth of a grey level of 8 bits


def export_onnx(
    network: nn.Module,
    inputs: tuple[str, ...],
    channels: int,
    output: str,
    *,
    half: bool = False,
) -> bytes:
    """Export a network, folded, with free batch, height and width; prove it against torch.

    Args:
        network: In evaluation mode; takes and returns float tensors.
        inputs: Names of its inputs in order.
        channels: Channels of each input.
        output: Name of its output.
        half: Store the weights in half precision, rounded; the file then computes in single
            precision with the rounded values, and is compared with torch having them too.

    Returns:
        The ONNX file.

    Raises:
        WeightsError: If ONNX Runtime's answers differ from torch's by more than 1e-4.
    """
    if half:
        network = copy.deepcopy(network)
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half())
    example = tuple(torch.rand(2, channels, 61, 83) for _ in inputs)
    free = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's notes on its own internals
        program = torch.onnx.export(
            fold(network),
            example,
            dynamo=True,
            dynamic_shapes=tuple(free for _ in inputs),
            input_names=inputs,
            output_names=(output,),
            verbose=False,
        )
    if program is None:
        raise WeightsError("expected an ONNX program from torch, found none; report this")
    model = _without_traces(program.model_proto)
    if half:
        _store_in_half(model.graph)
    weights: bytes = model.SerializeToString()
    difference = _largest_difference(network, weights, len(inputs), channels)
    if not difference <= _PARITY_TOLERANCE:
        raise WeightsError(
            f"expected ONNX Runtime to answer like torch within {_PARITY_TOLERANCE:g}, found a "
            f"difference of {difference:g}; the export is not used, report this"
        )
    return weights


def _store_in_half(graph: onnx.GraphProto) -> None:
    """Replace single-precision weights by half-precision ones that are cast when it is loaded."""
    casts = []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _SMALL:
            continue
        name, stored = tensor.name, f"{tensor.name}_half"
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop torch's notes on where each node came from: they hold paths of this machine."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    return model


def _largest_difference(network: nn.Module, weights: bytes, inputs: int, channels: int) -> float:
    engine = OnnxEngine(weights, "cpu")
    generator = torch.Generator().manual_seed(0)
    differences = []
    for batch, height, width in _PARITY_SIZES:
        shape = (batch, channels, height, width)
        images: list[Tensor] = [torch.rand(shape, generator=generator) for _ in range(inputs)]
        with torch.inference_mode():
            expected = network(*images).numpy()
        found = engine(*(image.numpy() for image in images))
        differences.append(float(np.abs(found - expected).max()))
    return max(differences)
