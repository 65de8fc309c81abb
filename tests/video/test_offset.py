from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import UsageError, VideoError
from piafusion.video import offset
from piafusion.video.offset import estimate_offset
from tests.video.conftest import write_video

WALKERS = 6


def record(
    path: Path,
    begin: float,
    rate: int,
    *,
    seed: int = 1,
    warm: bool = False,
    lasts: float = 7,
    pace: float = 1,
) -> Path:
    """Film six walkers who turn at random for seven seconds; warm ones are brighter."""
    random = np.random.default_rng(seed)
    knots = np.arange(0, 5 + lasts, 0.7)
    ways = random.uniform(0.1, 0.85, (WALKERS, 2, len(knots)))
    ground = np.random.default_rng(seed + warm).uniform(60, 90, (120, 160))
    pictures = []
    for time in np.arange(begin, begin + lasts, pace / rate):
        picture = ground.copy()
        for across, down in ways:
            x, y = np.interp(time, knots, across) * 160, np.interp(time, knots, down) * 120
            picture[int(y) : int(y) + 14, int(x) : int(x) + 8] = 210 if warm else 20
        pictures.append(np.uint8(picture))
    return write_video(path, pictures, rate=Fraction(rate), options={"g": "12", "crf": "10"})


@pytest.mark.parametrize(("later", "rate"), [(0.4, 25), (-1.2, 25), (0.4, 9)])
def test_the_offset_is_found_from_what_moves(tmp_path: Path, later: float, rate: int) -> None:
    """Half a frame of the slower camera is the limit."""
    infrared = record(tmp_path / "ir.mp4", 2 + later, rate, warm=True)
    visible = record(tmp_path / "vi.mp4", 2, 25)
    found = estimate_offset(str(infrared), str(visible))
    assert abs(float(found.seconds) - later) <= 0.5 / rate
    assert found.agreement > 2 * found.other


def test_clocks_that_drift_are_told(tmp_path: Path, monkeypatch) -> None:
    """The offset is 0.4 s at the start; the slow infrared camera loses 0.3 s until the end."""
    monkeypatch.setattr(offset, "SECONDS", 6.0)
    infrared = record(tmp_path / "ir.mp4", 2.4, 15, warm=True, lasts=20, pace=1.015)
    visible = record(tmp_path / "vi.mp4", 2, 15, lasts=20)
    found = estimate_offset(str(infrared), str(visible))
    assert float(found.drift) == pytest.approx(0.015, abs=0.003)
    assert float(found.seconds) == pytest.approx(0.4, abs=0.03)


def test_recordings_without_common_motion_are_refused(tmp_path: Path) -> None:
    infrared = str(record(tmp_path / "ir.mp4", 0, 25, warm=True))
    other = str(record(tmp_path / "other.mp4", 0, 25, seed=7))
    with pytest.raises(VideoError, match="expected motion that both show at one time"):
        estimate_offset(infrared, other)
    still = str(write_video(tmp_path / "still.mp4", [np.full((48, 64), 90, np.uint8)] * 130))
    with pytest.raises(VideoError, match="expected motion"):
        estimate_offset(infrared, still)
    short = str(write_video(tmp_path / "short.mp4", [np.full((48, 64), 90, np.uint8)] * 9))
    with pytest.raises(VideoError, match=r"short\.mp4: expected at least 4 s to find the offset"):
        estimate_offset(infrared, short)
    with pytest.raises(UsageError, match="found a pipe or a live source"):
        estimate_offset("/dev/video99" if Path("/dev/video99").exists() else "/dev/null", short)
