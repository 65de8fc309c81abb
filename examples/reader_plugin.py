"""A plug-in that reads files of a format of its own: width, height and 16-bit counts.

The package that holds this module names it in its pyproject.toml:

    [project.entry-points."piafusion.readers"]
    counts = "reader_plugin"
"""

from pathlib import Path

import numpy as np

suffixes = [".counts"]


def read(path: Path) -> np.ndarray:
    """Return the picture in a file, H x W, uint16."""
    numbers = np.fromfile(path, "<u2")
    return numbers[2:].reshape(numbers[1], numbers[0])
