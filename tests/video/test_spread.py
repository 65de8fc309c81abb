import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from piafusion.errors import UsageError, VideoError
from piafusion.video.frames import to_infrared
from piafusion.video.sources import open_source
from piafusion.video.spread import Recordings
from tests.video.conftest import write_video

RATE, COUNT = Fraction(25), 100
LEVELS = 2  # grey levels from one frame to the next


def ramp(path: Path, count: int = COUNT, rate: Fraction = RATE, **settings) -> Path:
    """Write pictures whose grey level tells their number."""
    levels = (
        np.full((48, 64), 20 + index * LEVELS * 25 / rate, np.uint8) for index in range(count)
    )
    return write_video(path, list(levels), rate=rate, **settings)


def number(image: np.ndarray) -> int:
    """Return the number of a picture of a ramp at 25 frames a second."""
    return round((float(image.mean()) - 20) / LEVELS)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("a.mp4", {"options": {"g": "30", "bf": "2", "crf": "1"}}),
        ("a.mkv", {"options": {"g": "30", "bf": "2", "crf": "1"}}),
        ("a.ts", {"options": {"g": "30", "bf": "2", "crf": "1"}}),
        ("a.avi", {"codec": "mpeg4", "options": {"g": "12", "q:v": "1"}}),
        ("a.h264", {}),
    ],
)
def test_a_later_start_gives_the_same_frames(
    tmp_path: Path, monkeypatch, name: str, settings
) -> None:
    monkeypatch.setattr("piafusion.video.sources._PREROLL", 2)
    path = str(ramp(tmp_path / name, **settings))
    whole = [(frame.time, number(frame.image)) for frame in open_source(path).frames(to_infrared())]
    assert len(whole) == COUNT
    for start in (Fraction(61, 25), Fraction(1, 100), Fraction(3), Fraction(99, 25)):
        later = [
            (frame.time, number(frame.image))
            for frame in open_source(path).frames(to_infrared(), start)
        ]
        assert later == [found for found in whole if found[0] >= start], start
    with pytest.raises(VideoError, match=r"frames from 9\.000 s on, found none"):
        list(open_source(path).frames(to_infrared(), Fraction(9)))


def test_moments_are_spread_and_show_one_time(tmp_path: Path) -> None:
    """The infrared has 5 frames a second and started half a second later."""
    infrared = ramp(tmp_path / "ir.mp4", 20, Fraction(5))
    recordings = Recordings(str(infrared), str(ramp(tmp_path / "vi.mp4")), offset=Fraction(1, 2))
    moments = recordings.moments(5)
    assert [moment.stem for moment in moments] == [f"{0.83 + 0.66 * k:.3f} s" for k in range(5)]
    for moment in (*moments, moments[0]):  # also back
        shown = [number(picture) for picture in recordings.read(moment)]
        assert shown[1] == pytest.approx(moment.time * 25, abs=1)
        assert abs(shown[0] + 12.5 - shown[1]) <= 3, moment  # half an infrared frame: 2.5


def test_recordings_that_share_no_time_or_run_once(tmp_path: Path) -> None:
    visible = str(ramp(tmp_path / "vi.mp4", 10))
    infrared = str(ramp(tmp_path / "ir.mp4", 10))
    with pytest.raises(UsageError, match="none in common; check --offset 60"):
        Recordings(infrared, visible, offset=Fraction(60)).moments(3)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="found a pipe or a live source"):
        Recordings(infrared, str(tmp_path / "pipe"))
