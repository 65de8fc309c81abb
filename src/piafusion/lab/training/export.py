"""From a finished training run to a weights folder: safetensors, ONNX and the manifest."""

from __future__ import annotations

import copy
import logging
import time
import warnings
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import torch
from torch import Tensor, nn
from torch.export import Dim

from piafusion.engines.onnx import OnnxEngine
from piafusion.errors import UsageError, WeightsError
from piafusion.files import read_json, sha256, write_bytes
from piafusion.lab.data.folders import dataset_name
from piafusion.lab.models import OWN, SIZES, dump, load
from piafusion.lab.models.blocks import GatedFusionNet, infrared_share, mix
from piafusion.lab.models.comparison import ComparisonNet
from piafusion.lab.models.comparison.densefuse import DenseFuseNet
from piafusion.lab.models.context import ContextNet
from piafusion.lab.models.folding import fold
from piafusion.lab.models.mixing import MixingFusionNet
from piafusion.lab.models.paper import IlluminationNet
from piafusion.lab.training import int8
from piafusion.lab.training.run import RECORD, WEIGHTS, load_settings
from piafusion.reach import CONTEXT, CONTEXT_SIDE, ENCODER, SHARE
from piafusion.run.progress import Progress, silent
from piafusion.weights import (
    MANIFEST,
    Format,
    WeightsRecord,
    file_name,
    list_models,
    load_manifest,
    read_weights,
    save_record,
)

_CONTEXT_SIDES = {"piafusion-fast": 160, "piafusion-nano": 160}
_CONTEXT_KEYS = (CONTEXT, CONTEXT_SIDE)


def export_run(
    run: Path,
    folder: Path,
    *,
    name: str | None = None,
    summary: str = "",
    onto: str | None = None,
    context_side: int | None = None,
) -> Path:
    """Write `NAME.onnx`, `NAME.safetensors` and their manifest entry; return the ONNX path.

    Of a comparison method only the ONNX file is written, its weights in half precision; of
    DenseFuse a second one, NAME-l1, that fuses by its other rule. Other models in the weights
    folder are kept. The name is by default that of the trained network.

    Args:
        run: Folder of a finished training run.
        folder: Weights folder; made if missing.
        name: Name of the model there.
        summary: One line for `piafusion models`.
        onto: For a context network: the model that it belongs to, a shipped one or the path of
            its safetensors file. A context network that this has already is replaced, in its
            8-bit file too; a shipped one keeps its line if no other is given.
        context_side: Longest side, in pixels, of the small copy of a picture that the context
            network sees; by default 320, for `piafusion-fast` and `-nano` 160.

    Raises:
        UsageError: If the run is missing or not finished, its settings or record are damaged, or
            `onto` is missing or out of place.
        WeightsError: If its weights are damaged, or the ONNX file does not answer like torch.
    """
    settings = load_settings(run)
    if not (run / WEIGHTS).is_file():
        raise UsageError(f"{run}: expected a finished run, found no {WEIGHTS}; resume it first")
    if (settings.model == "context") == (onto is None):
        found = f"--onto {onto}" if onto else "none"
        step = "leave it out" if onto else "name the model that the context network belongs to"
        raise UsageError(
            f"{run}: expected --onto for a context network alone, found {found} and a network of "
            f"{settings.model}; {step}"
        )
    name = name or onto or settings.model
    remedy = f"remove {WEIGHTS} and resume the run, which writes it again"
    try:
        network = load((run / WEIGHTS).read_bytes()).eval()
    except (WeightsError, OSError) as error:
        raise WeightsError(
            f"{run / WEIGHTS}: expected the weights of a finished run, found them damaged; {remedy}"
        ) from error
    training = read_json(run / RECORD, dict, "the record of a finished run", remedy)
    model, in_8_bits = settings.model, None
    if isinstance(network, ContextNet) and onto is not None:
        model = onto if onto in SIZES else "piafusion"
        network = _beside(network, onto, context_side or _CONTEXT_SIDES.get(onto, 320))
        before = list_models().get(onto)
        if before is not None:
            summary = summary or before.summary
            training = {**before.training, "context": training}
            if "int8" in before.sha256:
                in_8_bits = read_weights(onto, "int8", "fusion")
        else:
            training = {"context": training}
    _write(name, network, model, summary, training, folder, in_8_bits)
    if isinstance(network, DenseFuseNet):
        network.rule = "l1"
        _write(f"{name}-l1", network, settings.model, summary, training, folder)
    return folder / f"{name}.onnx"


def export_int8(
    model: str,
    data: Sequence[Path],
    folder: Path,
    *,
    steps: int = int8.STEPS,
    progress: Progress = silent,
) -> Path:
    """Write `NAME-int8.onnx` beside a model's files and into its manifest entry; return its path.

    Args:
        model: A shipped model, or the path of its safetensors file; its name is in the manifest
            of the folder.
        data: Dataset folders that the 8-bit copy learns from, see `int8.learn`.
        folder: Weights folder.
        steps: Length of the training.
        progress: Gets the number of steps.

    Raises:
        UsageError: If the folder lacks the model, the data are missing, or the network does not
            mix.
        WeightsError: If ONNX Runtime does not answer like torch.
    """
    name = Path(model).stem
    record = load_manifest(folder).get(name) if (folder / MANIFEST).exists() else None
    if record is None:
        raise UsageError(
            f"{folder}: expected the model {name} in its manifest, to put an 8-bit file beside, "
            "found none; export the model there first"
        )
    network = load(read_weights(model, "safetensors", record.kind))
    if not isinstance(network, MixingFusionNet) or not network.has_int8:
        known = ", ".join(own for own, kind in OWN.items() if kind.has_int8)
        raise UsageError(f"{model}: expected a network of {known} for an 8-bit file, found another")
    start = time.monotonic()
    pairs = int8.read_pairs(data)
    copied = int8.learn(network.eval(), pairs, steps=steps, progress=progress)
    model_file = onnx.load_from_string(_to_onnx(copied.network))
    weights = int8.to_onnx(copied, model_file).SerializeToString()
    found = int8.difference(copied, weights, pairs)
    if not found <= _INT8_TOLERANCE:
        raise WeightsError(
            f"{name}: expected ONNX Runtime to answer like torch within {_INT8_TOLERANCE:g}, "
            f"found a mean difference of {found:g}; the 8-bit file is not written, report this"
        )
    path = folder / file_name(name, "int8")
    write_bytes(path, weights)
    record.sha256["int8"] = sha256(weights)
    folders = [dataset_name(each) for each in data]
    record.training["int8"] = {
        "command": " ".join(["piafusion export", name, *(f"--int8 {each}" for each in folders)]),
        "pairs": len(pairs),
        "steps": steps,
        "seconds": round(time.monotonic() - start),
    }
    save_record(record, folder)
    return path


def _beside(context: ContextNet, onto: str, side: int) -> MixingFusionNet:
    """Return a fusion network with a context network beside it."""
    fusion = load(read_weights(onto, "safetensors", "fusion"))
    if not isinstance(fusion, MixingFusionNet):
        raise UsageError(
            f"expected a network of {', '.join(SIZES)} to put the context beside, found {onto}"
        )
    fusion.context, fusion.context_side = context, side
    return fusion.eval()


def _write(
    name: str,
    network: nn.Module,
    model: str,
    summary: str,
    training: dict[str, Any],
    folder: Path,
    in_8_bits: bytes | None = None,
) -> None:
    files: dict[Format, bytes] = {"onnx": _to_onnx(network)}
    if in_8_bits is not None:
        files["int8"] = _with_context_of(in_8_bits, files["onnx"])
    if not isinstance(network, ComparisonNet):
        files["safetensors"] = dump(model, network)
    record = WeightsRecord(
        name=name,
        kind="illumination" if isinstance(network, IlluminationNet) else "fusion",
        summary=summary,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        sha256={suffix: sha256(data) for suffix, data in files.items()},
        training=training,
        scores={},
    )
    for suffix, data in files.items():
        write_bytes(folder / file_name(name, suffix), data)
    save_record(record, folder)


def _with_context_of(fusion: bytes, other: bytes) -> bytes:
    """Return an ONNX file with the context network of another one."""
    model, source = (onnx.load_from_string(data) for data in (fusion, other))
    props = {each.key: each.value for each in model.metadata_props}
    context = {each.key: each.value for each in source.metadata_props if each.key in _CONTEXT_KEYS}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {**props, **context})
    return bytes(model.SerializeToString())


def _to_onnx(network: nn.Module) -> bytes:
    is_illumination = isinstance(network, IlluminationNet)
    return export_onnx(
        network,
        inputs=("visible",) if is_illumination else ("infrared", "luminance"),
        channels=3 if is_illumination else 1,
        output="probabilities" if is_illumination else "fused",
        half=isinstance(network, ComparisonNet),
    )


# Batch and size of the inputs that are compared after the export; odd and even, small and not.
_PARITY_SIZES = ((1, 64, 64), (2, 61, 83), (1, 240, 318))
_SMALL = 16  # values; smaller tensors, among them constants of the graph, stay as they are
_PARITY_TOLERANCE = 1e-4  # a fortieth of a grey level of 8 bits
_INT8_TOLERANCE = 1e-3  # in the mean: what is rounded may be rounded to the other side


def export_onnx(
    network: nn.Module,
    inputs: tuple[str, ...],
    channels: int,
    output: str,
    *,
    half: bool = False,
) -> bytes:
    """Export a network, folded, with free batch, height and width; prove it against torch.

    A network with a gate gets what tiles need (`piafusion.reach`): an input more, the
    gate's share, which may be left out, and the layers before the gate as a network of their own.

    Args:
        network: In evaluation mode; takes and returns float tensors.
        inputs: Names of its inputs in order.
        channels: Channels of each input.
        output: Name of its output.
        half: Store the weights rounded to half precision. The file still computes in single
            precision, and is compared with torch having the rounded weights too.

    Returns:
        The ONNX file.

    Raises:
        WeightsError: If ONNX Runtime's answers differ from torch's by more than 1e-4.
    """
    images = {name: torch.rand(2, channels, 61, 83) for name in inputs}
    folded = fold(network)
    if half:
        folded = network = _rounded(folded)
    if isinstance(folded, GatedFusionNet):
        model = _with_share(folded, images, output)
    else:
        model = _export(folded, images, output)
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


def _rounded(network: nn.Module) -> nn.Module:
    """Return a copy whose weights half precision can hold."""
    network = copy.deepcopy(network)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())
    return network


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


class _Encoder(nn.Module):
    """The layers before the gate; the output is what the gate averages."""

    def __init__(self, network: GatedFusionNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        ir, vi = self.network.encode(infrared, luminance)
        return ir - vi


class _ShareOrOwn(nn.Module):
    """The whole network; a negative share means the share of the pair itself."""

    def __init__(self, network: GatedFusionNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, infrared: Tensor, luminance: Tensor, share: Tensor) -> Tensor:
        ir, vi = self.network.encode(infrared, luminance)
        difference = ir - vi
        share = torch.where(share < 0, infrared_share(difference), share)
        fused: Tensor = self.network.decode(mix(vi, difference, share), infrared, luminance)
        return fused


def _with_share(network: GatedFusionNet, images: dict[str, Tensor], output: str) -> onnx.ModelProto:
    encoder = _export(_Encoder(network).eval(), images, "difference")
    channels = network.encode(*images.values())[0].shape[1]
    own = torch.full((1, channels, 1, 1), -1.0)
    model = _export(_ShareOrOwn(network).eval(), images, output, {SHARE: own})
    # An input that is an initializer too has that as its default.
    model.graph.initializer.append(onnx.numpy_helper.from_array(own.numpy(), SHARE))
    metadata = {
        **network.reach.metadata(),
        ENCODER: b64encode(encoder.SerializeToString()).decode(),
    }
    if isinstance(network, MixingFusionNet) and network.context is not None:
        thumbnails = {"thumbnails": torch.rand(1, 2, 64, 96)}
        context = _export(network.context, thumbnails, "maps")
        metadata[CONTEXT] = b64encode(context.SerializeToString()).decode()
        metadata[CONTEXT_SIDE] = str(network.context_side)
    onnx.helper.set_model_props(model, metadata)
    return model


def _export(
    network: nn.Module,
    images: dict[str, Tensor],
    output: str,
    others: dict[str, Tensor] | None = None,
) -> onnx.ModelProto:
    """Export a network whose first inputs are images of any size; others keep their shape."""
    free = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    inputs = {**images, **(others or {})}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's notes on its own internals
        program = torch.onnx.export(
            network,
            tuple(inputs.values()),
            dynamo=True,
            dynamic_shapes=tuple(free if name in images else None for name in inputs),
            input_names=tuple(inputs),
            output_names=(output,),
            verbose=False,
        )
    if program is None:
        raise WeightsError("expected an ONNX program from torch, found none; report this")
    return _without_traces(program.model_proto)


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
        found = engine.run(*(image.numpy() for image in images))
        differences.append(float(np.abs(found - expected).max()))
    return max(differences)
