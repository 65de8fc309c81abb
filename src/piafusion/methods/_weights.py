"""The weights of the learned methods: a folder of their own, with a manifest like the models'."""

from __future__ import annotations

from pathlib import Path

from piafusion.errors import WeightsError
from piafusion.weights import Format, load_manifest, read_weights

WEIGHTS = Path(__file__).parent / "weights"


def has_weights(name: str) -> bool:
    """Tell whether the weights of a method are shipped."""
    return name in load_manifest(WEIGHTS)


def read_method(name: str, format: Format) -> bytes:
    """Return the bytes of a method's weights, verified.

    Raises:
        WeightsError: If there are none yet, or they are missing or damaged.
    """
    if not has_weights(name):
        raise WeightsError(
            f"{WEIGHTS}: expected trained weights of the method {name!r}, found none; make them: "
            f"piafusion train method {name} DATA --output RUN, then piafusion export RUN --output "
            f"{WEIGHTS}"
        )
    return read_weights(name, format, "fusion", WEIGHTS)
