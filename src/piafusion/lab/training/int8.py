"""An 8-bit copy of a network that mixes, for processors that multiply bytes fast.

The layers behind the gate compute in 8 bits; they take two thirds of the time. The first layers,
the gate and the mix of the pictures stay in single precision: what tiles gather for the gate is the
same as ever, and a fused picture has more than 256 levels, so skies show no bands.

The copy starts from the float network's weights and learns for a few hundred steps, while all that
the processor will round is rounded, to give the float network's pictures. The file holds each
rounding as a pair of ONNX nodes, QuantizeLinear and DequantizeLinear, where ONNX Runtime and
OpenVINO look for 8-bit layers. Its inputs, output and metadata are those of the float file.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from piafusion.engines.onnx import OnnxEngine
from piafusion.lab.data.folders import dataset_pairs
from piafusion.lab.models.blocks import infrared_share, leaky, mix
from piafusion.lab.models.folding import fold
from piafusion.lab.models.mixing import MixingFusionNet
from piafusion.lab.training.augment import INFRARED, VISIBLE, change_tone, draw_curves
from piafusion.lab.training.data import (
    Batch,
    CropSampler,
    TrainingPairs,
    read_training_pairs,
)
from piafusion.run.progress import Progress, counted, silent

STEPS = 3000
_LEARNING_RATE = 1e-4
_BATCH, _CROP = 8, 96
_CALIBRATED = 20  # pairs, at most, that the grids are laid over
_COMPARED = 4  # pairs, at most, that the file is compared with torch on
_TONED = 0.5  # of the crops get another tone curve
_AVERAGED = 0.98  # of the average of the weights over the steps stays in each step
_SPREAD = 0.5  # power to which the ranges of the channels behind a residual layer are made equal
_SPAN = 1.0  # of a grid, as a share of the range of the values that it is laid over
_HALF_SPANS = 1.15, 2.0  # of shift and correction: a value beyond the grid would be seen
_LEVELS = 255
_LARGEST, _LARGEST_TWO = 127, 128  # of the weights, and of the sum of the largest two, in a channel


class Grid(nn.Module):
    """The 256 values that a tensor is rounded to; their step is learned, their zero fixed.

    Until it is laid it only watches.
    """

    def __init__(self) -> None:
        """Watch the values that pass."""
        super().__init__()
        self.log_step = nn.Parameter(torch.zeros(()))
        self.zero = 0
        self.seen: list[Tensor] | None = []

    @property
    def step(self) -> Tensor:
        """Distance between two neighbouring values."""
        return self.log_step.exp()

    def forward(self, values: Tensor) -> Tensor:
        """Round; the gradient passes as if nothing were rounded, but not beyond the ends."""
        if self.seen is not None:
            self.seen.append(values.detach())
            return values
        # All values pull at the step: it gets a fraction of the gradient (Esser et al., Learned
        # Step Size Quantization, 2020).
        share = 1 / math.sqrt(_LEVELS * values[0].numel())
        step = self.step * share + (self.step * (1 - share)).detach()
        return _rounded((values / step).clamp(-self.zero, _LEVELS - self.zero)) * step

    def lay(self, span: float) -> None:
        """Choose step and zero for the values that were seen.

        Args:
            span: The width of the grid, as a share of the range of these values.
        """
        seen = self.seen or []
        self.seen = None
        low = min(span * min(float(part.min()) for part in seen), 0.0)
        high = max(span * max(float(part.max()) for part in seen), 1e-6)
        step = (high - low) / _LEVELS
        self.zero = round(-low / step)
        self.log_step.data.fill_(math.log(step))


class Int8Net(nn.Module):
    """A network that mixes, and the grids that the tensors behind its gate are rounded to."""

    def __init__(self, network: MixingFusionNet) -> None:
        """Copy a network; nothing is rounded before `calibrate`.

        Args:
            network: In evaluation mode; it is not changed.
        """
        super().__init__()
        self.network = cast(MixingFusionNet, copy.deepcopy(fold(network)))
        layers = range(network.sizes.residual_layers)
        self.gate = Grid()
        self.before = nn.ModuleList(Grid() for _ in layers)  # LeakyReLU
        self.after = nn.ModuleList(Grid() for _ in layers)
        self.halves = nn.ModuleList(Grid() for _ in range(2))

    @property
    def layers(self) -> list[nn.Conv2d]:
        """The layers that compute in 8 bits."""
        return [cast(nn.Conv2d, layer) for layer in (*self.network.residual, self.network.head)]

    @property
    def grids(self) -> list[Grid]:
        """All grids."""
        return [module for module in self.modules() if isinstance(module, Grid)]

    def forward(self, infrared: Tensor, luminance: Tensor) -> Tensor:
        """Fuse a batch; see `MixingFusionNet.forward`."""
        with torch.no_grad():
            ir, vi = self.network.encode(infrared, luminance)
            features = mix(vi, ir - vi, infrared_share(ir - vi))
        features = self.gate(features)
        *residual, head = self.layers
        for layer, before, after in zip(residual, self.before, self.after, strict=True):
            features = after(leaky(before(_convolve(features, layer))))
        halves = _convolve(features, head).chunk(2, dim=1)
        shift, correction = (grid(half) for grid, half in zip(self.halves, halves, strict=True))
        return self.network.compose(shift, correction, infrared, luminance)

    @torch.no_grad()
    def calibrate(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Lay the grids over what some pairs give.

        Args:
            pairs: Infrared and luminance, 1 x 1 x H x W in [0, 1] each.
        """
        for index in range(len(self.before)):
            self._even(index, pairs)
        self._watch(pairs)
        for grid in (self.gate, *self.before, *self.after):
            cast(Grid, grid).lay(_SPAN)
        for half, span in zip(self.halves, _HALF_SPANS, strict=True):
            cast(Grid, half).lay(span)

    def _watch(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        for grid in self.grids:
            grid.seen = []
        for pair in pairs:
            self(*pair)

    def _even(self, index: int, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Bring the channels behind a residual layer, which share a grid, nearer to one range.

        A channel scaled, and the next layer's weights for it scaled back, change nothing:
        LeakyReLU keeps scales.
        """
        self._watch(pairs)
        seen = cast(Grid, self.before[index]).seen or []
        largest = torch.stack([part.abs().amax(dim=(0, 2, 3)) for part in seen]).amax(dim=0)
        scale = (largest.mean() / largest.clamp_min(1e-6)) ** _SPREAD
        layer, following = self.layers[index : index + 2]
        layer.weight *= scale[:, None, None, None]
        cast(nn.Parameter, layer.bias).mul_(scale)
        following.weight /= scale[:, None, None]


def _convolve(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """Apply a layer with weights of 8 bits."""
    step = weight_steps(layer)[:, None, None, None]
    return functional.conv2d(features, _rounded(layer.weight / step) * step, layer.bias, padding=1)


def weight_steps(layer: nn.Conv2d) -> Tensor:
    """Return the step of the weights of each output channel.

    Processors without instructions for dot products add the products of two weights in 16 bits.
    The largest two weights are at most 128 in sum, so that these sums, too, do not overflow.
    """
    largest = layer.weight.detach().abs().flatten(1).topk(2, dim=1).values
    steps = torch.maximum(largest[:, 0] / _LARGEST, largest.sum(dim=1) / _LARGEST_TWO)
    return steps.clamp_min(1e-12)


def _rounded(values: Tensor) -> Tensor:
    """Round to whole numbers; the gradient passes as if nothing were rounded."""
    return values + (torch.round(values) - values).detach()


def read_pairs(folders: Sequence[Path]) -> TrainingPairs:
    """Read all pairs of some dataset folders; day and night do not matter.

    Raises:
        UsageError: If the folders or pairs are missing.
        ImageError: If a picture cannot be used or a pair's sizes differ.
    """
    pairs = (pair for folder in folders for pair in dataset_pairs(folder).pairs)
    return read_training_pairs((pair, 0.0) for pair in pairs)


def learn(
    network: MixingFusionNet,
    pairs: TrainingPairs,
    *,
    steps: int = STEPS,
    progress: Progress = silent,
) -> Int8Net:
    """Return the 8-bit copy of a network, taught by it.

    Args:
        network: The teacher, in evaluation mode; it is not changed.
        pairs: The pictures that the copy learns from.
        steps: Length of the training; 0 only lays the grids.
        progress: Gets the number of steps.
    """
    copied = Int8Net(network).eval()
    few = range(0, len(pairs), -(-len(pairs) // _CALIBRATED))
    copied.calibrate([_planes(pairs, index) for index in few])
    teacher = copy.deepcopy(network).train()  # whose pictures are not clipped
    size = min(_CROP, *pairs.heights, *pairs.widths)
    sampler = CropSampler(pairs, size=size, batch=_BATCH, seed=0, sampling="random")
    learning = [copied.gate, *copied.before, *copied.after, *copied.layers]
    parameters = [parameter for module in learning for parameter in module.parameters()]
    optimizer = torch.optim.Adam(parameters, _LEARNING_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    average = get_ema_multi_avg_fn(_AVERAGED)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(copied, multi_avg_fn=average)
    copied.network.train()  # not clipped
    for step in counted(range(steps), "learning 8 bits", progress):
        pair = _toned(sampler, step)
        with torch.no_grad():
            wanted = teacher(*pair)
        errors = _LEVELS * (copied(*pair) - wanted).abs()
        # A few pixels with large errors count more than many with small ones.
        loss = errors.mean() + 3 * ((errors - 1).clamp_min(0) ** 1.5).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        averaged.update_parameters(copied)
    return cast(Int8Net, averaged.module).eval()


def _planes(pairs: TrainingPairs, index: int) -> tuple[Tensor, Tensor]:
    """Return infrared and luminance of one pair, 1 x 1 x H x W each."""
    infrared, visible = pairs.picture(index)
    batch = Batch(infrared[None, None] / 255, visible.permute(2, 0, 1)[None] / 255, torch.zeros(1))
    return batch.infrared, batch.luminance


def _toned(sampler: CropSampler, step: int) -> tuple[Tensor, Tensor]:
    """Return infrared and luminance of a batch, some with other tone curves."""
    batch = sampler(step)
    generator = np.random.default_rng((1, step))
    infrared, luminance = (
        change_tone(images, draw_curves(tones, _TONED, len(images), generator))
        for images, tones in ((batch.infrared, INFRARED), (batch.luminance, VISIBLE))
    )
    return infrared, luminance


@torch.no_grad()
def difference(copied: Int8Net, weights: bytes, pairs: TrainingPairs) -> float:
    """Return the mean difference, over some pairs, of a file in ONNX Runtime from torch's copy."""
    engine = OnnxEngine(weights, "cpu")
    found = []
    for index in range(0, len(pairs), -(-len(pairs) // _COMPARED)):
        pair = _planes(pairs, index)
        answer = engine.run(*(plane.numpy() for plane in pair))
        found.append(float(np.abs(answer - copied(*pair).numpy()).mean()))
    return max(found)


_SHARES = 4096.0
"""Parts that the gate's share is rounded to: what rounds behind it is then the same in tiles."""


def to_onnx(copied: Int8Net, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the ONNX file of an 8-bit copy.

    Args:
        copied: The copy.
        model: The export of `copied.network`; it is changed and returned.
    """
    graph = _Graph(model.graph)
    graph.round_share()
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"][2:]
    before, after = cast(list[Grid], copied.before), cast(list[Grid], copied.after)
    halves = list(cast(list[Grid], copied.halves))
    entering = [copied.gate, *after]
    leaving = [*([grid] for grid in before), halves]
    for node, layer, enters, leaves in zip(
        convolutions, copied.layers, entering, leaving, strict=True
    ):
        graph.round(node.input[0], enters)
        graph.hold_weights(node, layer, enters, leaves)
        if leaves is not halves:
            graph.round(node.output[0], leaves[0])
    graph.round_halves(convolutions[-1].output[0], halves)
    graph.sort()
    onnx.checker.check_model(model)
    return model


class _Graph:
    """An ONNX graph that is being changed."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._added = 0

    def _constant(self, values: object, dtype: type[np.generic]) -> str:
        self._added += 1
        name = f"int8_{self._added}"
        self._graph.initializer.append(
            onnx.numpy_helper.from_array(np.asarray(values, dtype), name)
        )
        return name

    def _node(self, kind: str, *inputs: str, **attributes: int) -> str:
        self._added += 1
        name = f"int8_{self._added}"
        node = onnx.helper.make_node(kind, list(inputs), [name])
        node.name = name
        node.attribute.extend(onnx.helper.make_attribute(*each) for each in attributes.items())
        self._graph.node.append(node)
        return name

    def _redirect(self, value: str, to: str, *, but: Sequence[str] = ()) -> None:
        """Let all nodes that take a value take another one."""
        for node in self._graph.node:
            if not {to, *but} & set(node.output):
                for position, name in enumerate(node.input):
                    if name == value:
                        node.input[position] = to

    def _scale(self, grid: Grid) -> tuple[str, str]:
        return self._constant(grid.step.item(), np.float32), self._constant(grid.zero, np.uint8)

    def round(self, value: str, grid: Grid) -> None:
        """Round a value for all that take it."""
        scale = self._scale(grid)
        levels = self._node("QuantizeLinear", value, *scale)
        self._redirect(value, self._node("DequantizeLinear", levels, *scale), but=[levels])

    def round_share(self) -> None:
        """Round the gate's share to parts."""
        share = next(node.output[0] for node in self._graph.node if node.op_type == "Where")
        many = self._node("Mul", share, self._constant(_SHARES, np.float32))
        parts = self._node("Round", many)
        part = self._constant(1 / _SHARES, np.float32)
        self._redirect(share, self._node("Mul", parts, part), but=[many])

    def hold_weights(
        self, node: onnx.NodeProto, layer: nn.Conv2d, entering: Grid, leaving: Sequence[Grid]
    ) -> None:
        """Give a convolution weights of 8 bits, and a bias in the unit of its sums.

        The channels that leave are cut into equal parts, one for each grid, and scaled to fit the
        first grid.
        """
        steps = weight_steps(layer)
        weights = torch.round(layer.weight.detach() / steps[:, None, None, None])
        part = len(steps) // len(leaving)
        first = leaving[0]
        fit = torch.tensor([(first.step / grid.step).item() for grid in leaving])
        offset = torch.tensor([(grid.zero - first.zero) * first.step.item() for grid in leaving])
        fit, offset = fit.repeat_interleave(part), offset.repeat_interleave(part)
        scales = steps * fit
        units = scales * entering.step.item()
        biases = torch.round((cast(Tensor, layer.bias).detach() * fit + offset) / units)
        for position, values, dtype, unit in (
            (1, weights, np.int8, scales),
            (2, biases, np.int32, units),
        ):
            held = self._constant(values.detach().numpy(), dtype)
            unit_name = self._constant(unit.detach().numpy(), np.float32)
            zeros = self._constant(np.zeros(len(unit)), dtype)
            node.input[position] = self._node("DequantizeLinear", held, unit_name, zeros, axis=0)

    def round_halves(self, value: str, grids: Sequence[Grid]) -> None:
        """Round the head's answer, so that bytes are moved to their places in the picture."""
        levels = self._node("QuantizeLinear", value, *self._scale(grids[0]))
        self._redirect(value, levels)
        split = next(node for node in self._graph.node if levels in node.input)
        for half, grid in zip(split.output, grids, strict=True):
            moved = half
            while True:
                takers = [node for node in self._graph.node if moved in node.input]
                if takers[0].op_type not in ("DepthToSpace", "Slice"):
                    break
                moved = takers[0].output[0]
            self._redirect(moved, self._node("DequantizeLinear", moved, *self._scale(grid)))

    def sort(self) -> None:
        """Bring the nodes into the order that they are computed in; drop what nothing takes."""
        waiting = list(self._graph.node)
        made = {"", *(part.name for part in (*self._graph.initializer, *self._graph.input))}
        ordered: list[onnx.NodeProto] = []
        while waiting:
            ready = [node for node in waiting if set(node.input) <= made]
            made |= {name for node in ready for name in node.output}
            ordered += ready
            waiting = [node for node in waiting if node not in ready]
        del self._graph.node[:]
        del self._graph.value_info[:]  # types that are no longer those
        self._graph.node.extend(ordered)
        taken = {name for node in ordered for name in node.input}
        kept = [tensor for tensor in self._graph.initializer if tensor.name in taken]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)
