"""The networks as torch modules: the paper's two, our own two, and the comparison methods'."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import cast, get_args

import safetensors
import safetensors.torch
from torch import nn

from piafusion.errors import UsageError, WeightsError
from piafusion.files import parse_json, reading
from piafusion.lab.models.blocks import Cmdaf
from piafusion.lab.models.comparison import COMPARISON
from piafusion.lab.models.context import ContextNet
from piafusion.lab.models.mixing import (
    MixingFusionNet,
    MixingFusionSizes,
    RegionalFusionNet,
)
from piafusion.lab.models.paper import IlluminationNet, ProgressiveFusionNet
from piafusion.reach import CONTEXT_SIDE, context_side

__all__ = [
    "NETWORKS",
    "OWN",
    "SIZES",
    "IlluminationNet",
    "MixingFusionNet",
    "MixingFusionSizes",
    "ProgressiveFusionNet",
    "build",
    "dump",
    "load",
]

OWN: dict[str, type[MixingFusionNet]] = {
    "piafusion": MixingFusionNet,
    "piafusion-fast": MixingFusionNet,
    "piafusion-nano": RegionalFusionNet,
}
"""Our own networks, which have sizes."""

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "paper": ProgressiveFusionNet,
    "illumination": IlluminationNet,
    "context": ContextNet,
    **COMPARISON,
}
"""Networks of one size."""

SIZES: dict[str, MixingFusionSizes] = {
    "piafusion": MixingFusionSizes(width=48, residual_layers=5),
    "piafusion-fast": MixingFusionSizes(width=32, residual_layers=2),
    "piafusion-nano": MixingFusionSizes(stride=16, window=16, width=1, residual_layers=0),
}
"""The sizes of `OWN`; others can be asked for."""


_SMALLEST = {"residual_layers": 0}  # of the others 1
_LARGEST = {"stride": 64, "window": 256, "width": 512, "residual_layers": 64}


def build(
    name: str,
    sizes: MixingFusionSizes | None = None,
    context_side: int | None = None,
    cmdaf: Cmdaf = "printed",
) -> nn.Module:
    """Return the network of that name with fresh, untrained parameters.

    Args:
        name: One of `NETWORKS` or `SIZES`.
        sizes: Other sizes for a network of `SIZES`.
        context_side: For a network of `SIZES`: see `MixingFusionNet`.
        cmdaf: For the paper's fusion network: see `ProgressiveFusionNet`.

    Raises:
        UsageError: If there is none, or it has one size only.
    """
    if name in OWN:
        return OWN[name](sizes or SIZES[name], context_side)
    if name not in NETWORKS:
        known = ", ".join((*SIZES, *NETWORKS))
        raise UsageError(f"expected a network of {known}, found {name!r}")
    if sizes is not None:
        raise UsageError(f"sizes: expected one of {', '.join(SIZES)}, found {name!r}; leave it out")
    return ProgressiveFusionNet(cmdaf) if name == "paper" else NETWORKS[name]()


def dump(name: str, network: nn.Module) -> bytes:
    """Return the weights as a safetensors file that names their network."""
    tensors = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    metadata = {"network": name}
    if isinstance(network, MixingFusionNet):
        metadata["sizes"] = json.dumps(asdict(network.sizes))
        if network.context_side is not None:
            metadata[CONTEXT_SIDE] = str(network.context_side)
    if isinstance(network, ProgressiveFusionNet):
        metadata["cmdaf"] = network.cmdaf
    return safetensors.torch.save(tensors, metadata=metadata)


def load(weights: bytes) -> nn.Module:
    """Return the network that `dump` saved.

    Raises:
        WeightsError: If the bytes are damaged, name no known network, or do not fit it.
    """
    expected = "the safetensors weights of a network of piafusion"
    with reading("weights", expected, "train or install it again", WeightsError):
        try:
            header_size = int.from_bytes(weights[:8], "little")
            header = parse_json(bytes(weights[8 : 8 + header_size]), {"__metadata__": {str: str}})
            metadata = header["__metadata__"]
            sizes = _sizes(metadata["sizes"]) if "sizes" in metadata else None
            cmdaf = metadata.get("cmdaf", "printed")
            if cmdaf not in get_args(Cmdaf):
                raise ValueError(f"CMDAF {cmdaf!r}")
            side = context_side(metadata)
            network = build(metadata["network"], sizes, side, cast(Cmdaf, cmdaf))
            network.load_state_dict(safetensors.torch.load(weights))
        except safetensors.SafetensorError as error:
            raise ValueError(str(error)) from error
    return network


def _sizes(text: str) -> MixingFusionSizes:
    """Return the sizes of a network, none so large that it could not be made."""
    sizes = MixingFusionSizes(**parse_json(text, {str: int}))
    if not all(
        _SMALLEST.get(name, 1) <= value <= _LARGEST[name] for name, value in asdict(sizes).items()
    ):
        raise ValueError(f"a network of the sizes {text}")
    return sizes
