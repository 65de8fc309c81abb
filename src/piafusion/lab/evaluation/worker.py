"""The process that `workers` starts for each measurement: it has one model and nothing else.

It is run as a script, `worker.py SETTINGS`. After loading and the first call it writes a line of
JSON, and one more for each line that it reads, a number of frames. Times are in seconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

STATUS = Path("/proc/self/status")


def main() -> None:
    """Serve until the standard input ends."""
    del sys.path[0]  # this script's folder has modules with the names of others
    from piafusion.errors import PiafusionError

    try:
        serve(json.loads(sys.argv[1]))
    except PiafusionError as error:
        _write({"error": str(error)})


def serve(settings: dict[str, Any]) -> None:
    """Load a model, fuse one pair, then as many as each line says.

    Args:
        settings: `width` and `height` of the pair; all else goes to `Fuser`.
    """
    from piafusion import Fuser

    infrared, visible = scene(settings.pop("width"), settings.pop("height"))
    start = time.perf_counter()
    fuser = Fuser(**settings)
    loaded = time.perf_counter()
    fuser(infrared, visible)
    first = time.perf_counter()
    _write(
        {
            "device": fuser.engine.device,
            "threads": getattr(fuser.engine, "threads", None),
            "load": loaded - start,
            "first": first - loaded,
        }
    )
    inputs = [
        np.multiply(plane, 1 / 255, dtype=np.float32, order="C")[None, None]
        for plane in (infrared, visible[..., 1])
    ]
    for line in sys.stdin:
        network, end_to_end = [], []
        for _ in range(int(line)):  # in turn, so that both see the same machine
            start = time.perf_counter()
            fuser.engine.fuse(*inputs)
            middle = time.perf_counter()
            fuser(infrared, visible)
            end_to_end.append(time.perf_counter() - middle)
            network.append(middle - start)
        _write({"network": network, "end_to_end": end_to_end, "peak_mib": memory_mib("VmHWM")})


def scene(width: int, height: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return an infrared picture, H x W, and a visible one, H x W x 3, always the same."""
    down, across = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin(down / (9 + 4 * i)) * np.cos(across / (7 + 5 * i)) for i in range(4)]
    levels = np.stack([(127 + 120 * wave).astype(np.uint8) for wave in waves], axis=2)
    return np.ascontiguousarray(levels[..., 3]), np.ascontiguousarray(levels[..., :3])


def memory_mib(field: str = "VmRSS") -> float | None:
    """Return the resident memory of this process in MiB, or None where it cannot be told.

    Args:
        field: "VmRSS" for what it holds now, "VmHWM" for the most it has held.
    """
    if not STATUS.exists():
        return None
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def _write(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
