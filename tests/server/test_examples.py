import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
UNIT = EXAMPLES / "piafusion.service"


def test_the_unit_calls_the_command() -> None:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read(UNIT)
    assert "piafusion serve" in unit["Service"]["ExecStart"]
    assert int(unit["Service"]["TimeoutStopSec"]) > 60


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name  # its checker remarks on files that anybody may write
    copy.write_text(UNIT.read_text())
    copy.chmod(0o644)
    done = subprocess.run(
        ["systemd-analyze", "verify", copy],  # noqa: S607
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if "Failed to" in done.stderr and "piafusion" not in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")
