from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import UsageError, VideoError
from piafusion.video.offset import estimate_offset
from tests.video.conftest import write_video

WALKERS = 6


def record(path: Path, begin: float, rate: int, *, seed: int = 1, warm: bool = False) -> Path:
    """Film six walkers who turn at random for seven seconds; warm ones are brighter."""
    random = np.random.default_rng(seed)
    knots = np.arange(0, 12, 0.7)
    ways = random.uniform(0.1, 0.85, (WALKERS, 2, len(knots)))
    ground = np.random.default_rng(seed + warm).uniform(60, 90, (120, 160))
    pictures = []
    for time in np.arange(begin, begin + 7, 1 / rate):
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
