"""Thermal JPEG files of DJI drones (R-JPEG).

They hold the counts of the sensor, two bytes for each pixel, in their APP3 segments. Only DJI
knows the formula for degrees. The program dji-thermal-cli (AGPL-3.0, Python 3.12 and newer)
computes them; it is optional and runs only where the user has installed it.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from piafusion.errors import ImageError
from piafusion.imaging.arrays import Image
from piafusion.imaging.formats import Photo, find_photo_reader
from piafusion.imaging.jpeg import decode_jpeg, read_jpeg

PROGRAM = "dji-thermal-cli"
may_run = True
"""Whether the program may be run in this process."""

_SECONDS = 60.0  # of which it takes one
_NOTHING = -273.0  # degrees; it writes -273.15 where there is no temperature
_GREY = 8  # levels between the channels of a grey picture after JPEG
_ADVICE = f"for temperatures install {PROGRAM} (AGPL-3.0, Python 3.12): pipx install {PROGRAM}"


def read(data: bytes) -> Photo:
    """Return the temperatures; without the program the grey picture, or the sensor's counts.

    Raises:
        ImageError: If the program fails, or the picture is damaged.
    """
    program = may_run and shutil.which(PROGRAM)
    if program:
        return Photo(_celsius(data, program), "celsius")
    outline = read_jpeg(data)
    picture = decode_jpeg(data, outline)
    if picture.ndim == 3 and np.ptp(picture, axis=2).max() > _GREY:  # a palette, or marked heat
        size = outline.height, outline.width
        counts = np.frombuffer(outline.app3, "<u2").reshape(size).astype(np.float32)
        note = f"the sensor's counts are fused, as the picture is coloured; {_ADVICE}"
        return Photo(counts, "counts", note=note)
    grey = picture if picture.ndim == 2 else np.ascontiguousarray(picture[..., 1])
    return Photo(grey, "levels", note=f"the picture's 8 bits are fused; {_ADVICE}")


def note_on(path: Path) -> str:
    """Return the line about how an infrared file was read, or "" if it is none of DJI."""
    if shutil.which(PROGRAM):
        return ""
    data = path.read_bytes()
    return read(data).note if find_photo_reader(data) is read else ""


def _celsius(data: bytes, program: str) -> Image:
    """Run the program on the file and return H x W float32, NaN where it has no temperature."""
    from piafusion.imaging.io import decode_image

    with TemporaryDirectory(prefix="piafusion-") as folder:
        file, output = Path(folder, "photo.jpg"), Path(folder, "out")
        file.write_bytes(data)
        command = [program, "process", "--input-dir", str(file), "--output-dir", str(output)]
        command += ["--output", "temp_c:tiff", "--compression", "none", "--jobs", "1", "--quiet"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
            said = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
            said = [line for line in said if not line.startswith(("Traceback", " "))]
            reason = said[0] if said else f"exit code {done.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = " ".join(str(error).split())
        reason = reason.replace(folder, "")
        found = next(output.glob("*.tiff"), None)
        if found is None:
            raise ImageError(
                f"expected temperatures from {PROGRAM}, found none ({reason}); run it on the file "
                "by hand, or uninstall it to fuse the picture"
            )
        celsius = decode_image(found.read_bytes(), f"the answer of {PROGRAM}")
    return np.where(celsius > _NOTHING, celsius, np.float32(np.nan)).astype(np.float32)
