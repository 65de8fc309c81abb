"""A process that does what could hang or die."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import ImageError, TooSlowError
from piafusion.run.processes import KillableProcess
from tests.hanging import print_and_fail


def test_arrays_and_errors_travel() -> None:
    with KillableProcess() as process:
        image = np.arange(12, dtype=np.uint16).reshape(3, 4)
        turned = process.call(np.flipud, image, name="x", seconds=60)
        np.testing.assert_array_equal(turned, image[::-1])
        turned[0, 0] = 1  # is the caller's own
        with pytest.raises(ZeroDivisionError):
            process.call(divmod, 1, 0, name="x", seconds=60)
        with pytest.raises(RuntimeError, match="OddError: odd one"):
            process.call(print_and_fail, name="x", seconds=60)
        number = process.call(os.getpid, name="x", seconds=60)
        assert number not in (os.getpid(), process.call(os.getppid, name="x", seconds=60))
        assert process.call(os.getpid, name="x", seconds=60) == number


def test_what_hangs_or_dies_is_replaced() -> None:
    with KillableProcess() as process:
        number = process.call(os.getpid, name="x", seconds=60)
        with pytest.raises(TooSlowError, match=r"^a\.png: expected a file that is decoded within"):
            process.call(time.sleep, 3600, name="a.png", seconds=0.1)
        with pytest.raises(ImageError, match=r"^b\.png: expected a file that can be decoded"):
            process.call(os._exit, 1, name="b.png", seconds=60)
        with pytest.raises(Exception, match="pickle"):
            process.call(divmod, lambda: 1, name="x", seconds=60)
        assert process.call(os.getpid, name="x", seconds=60) != number
    process.close()  # nothing is left to close


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_it_does_not_outlive_who_started_it() -> None:
    code = "from tests.hanging import call_and_die; call_and_die()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    number = int(run.stdout)
    deadline = time.monotonic() + 60
    while _runs(number):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _runs(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # one that nobody has waited for has ended
