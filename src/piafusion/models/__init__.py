"""The networks as torch modules: the paper's two and our own two."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import safetensors
import safetensors.torch
from torch import nn

from piafusion.errors import UsageError, WeightsError
from piafusion.models.illumination import IlluminationNet
from piafusion.models.mixing import MixingFusionNet, MixingFusionSizes
from piafusion.models.paper import ProgressiveFusionNet

__all__ = [
    "NETWORKS",
    "IlluminationNet",
    "MixingFusionNet",
    "ProgressiveFusionNet",
    "build",
    "dump",
    "load",
]

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "piafusion": partial(MixingFusionNet, MixingFusionSizes(width=48, residual_layers=4)),
    "piafusion-fast": MixingFusionNet,
    "paper": ProgressiveFusionNet,
    "illumination": IlluminationNet,
}


def build(name: str) -> nn.Module:
    """Return the network of that name with fresh, untrained parameters.

    Raises:
        UsageError: If there is none.
    """
    if name not in NETWORKS:
        raise UsageError(f"expected a network of {', '.join(NETWORKS)}, found {name!r}")
    return NETWORKS[name]()


def dump(name: str, network: nn.Module) -> bytes:
    """Return the weights as a safetensors file that says which network they belong to."""
    tensors = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    return safetensors.torch.save(tensors, metadata={"network": name})


def load(weights: bytes) -> nn.Module:
    """Return the network that `dump` saved.

    Raises:
        WeightsError: If the bytes are damaged, name no known network, or do not fit it.
    """
    try:
        header_size = int.from_bytes(weights[:8], "little")
        name = json.loads(weights[8 : 8 + header_size])["__metadata__"]["network"]
        network = NETWORKS[name]()
        network.load_state_dict(safetensors.torch.load(weights))
    except (ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise WeightsError(
            f"expected the safetensors weights of a network of piafusion, found: "
            f"{str(error).splitlines()[0]}; train or install it again"
        ) from error
    return network
