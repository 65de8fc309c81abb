"""Day or night: the illumination-aware network of the paper as a tool of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from piafusion.engines import create_engine
from piafusion.imaging.arrays import as_visible, check_minimum, to_unit

MIN_SIDE = 16


@dataclass(frozen=True)
class Light:
    """Probabilities that a visible image was taken by day and by night; they add up to 1."""

    day: float
    night: float

    @property
    def label(self) -> str:
        """The more probable one: "day" or "night"."""
        return "day" if self.day >= self.night else "night"


class Illumination:
    """Estimates the light of visible images (Eq. 1); make it once, call it for each image."""

    def __init__(
        self,
        model: str = "illumination",
        device: str = "auto",
        engine: str = "onnx",
        threads: int | None = None,
    ) -> None:
        """Load the weights; arguments and errors are those of `Fuser`."""
        self.engine = create_engine(
            model, kind="illumination", device=device, engine=engine, threads=threads
        )

    def __call__(self, visible: NDArray[np.generic]) -> Light:
        """Return the probabilities of day and night.

        Args:
            visible: H x W grey or H x W x 3 RGB; uint8, uint16 or float in [0, 1]; at least
                16 x 16 pixels.

        Raises:
            ImageError: If the shape, dtype or values cannot be used.
        """
        image = to_unit(as_visible(visible))
        check_minimum(image, MIN_SIDE)
        channels = image.transpose(2, 0, 1) if image.ndim == 3 else np.stack([image] * 3)
        day, night = self.engine.run(np.ascontiguousarray(channels)[None])[0]
        return Light(float(day), float(night))
