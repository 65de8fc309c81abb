"""A street that a camera pans over while day turns into night: two sources without a camera."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from piafusion.imaging.arrays import Image
from piafusion.imaging.io import read_image
from piafusion.scenes.synthetic import demo_scenes_root
from piafusion.video.decoding import DecodingThread
from piafusion.video.frames import Convert, Frame, Matching, to_visible
from piafusion.video.inputs import VideoInputs
from piafusion.video.sources import VideoFormat, VideoSource

RATE = Fraction(25)
_DAY = 40.0  # seconds from noon to noon
_PAN = 16.0  # seconds of the camera's way to and fro
_ZOOM = 1.25
_AHEAD = 2  # frames that are painted before their time


class SceneSource(VideoSource):
    """One camera of the two, `ir` or `vi`; its frames are grey, or in colour for `vi`."""

    def __init__(self, camera: str, *, as_infrared: bool) -> None:
        """Read the street by day and by night."""
        self.name = self.url = f"synthetic street ({camera})"
        self.live = self.once = False
        self.start, self.length, self.seconds = Fraction(0), None, None
        self.reached, self.restarts = Fraction(0), list[Fraction]()
        self._turned, self._format = False, VideoFormat(RATE, 1 / RATE)
        root = demo_scenes_root() / camera
        self._scenes = [_in_colour(read_image(root / f"street_{light}.png")) for light in "DN"]
        self._has_clock, self._as_infrared = camera == "vi", as_infrared

    def frames(self, convert: Convert, start: Fraction = Fraction(0)) -> Iterator[Frame]:
        """Yield pictures for ever."""
        del convert
        for number in itertools.count(int(start * RATE)):
            at = number / RATE
            yield Frame(self._picture(float(at)), at, 1 / RATE)

    def problem(self, *, read_to_end: bool) -> str | None:
        """Return None, because nothing is damaged."""
        del read_to_end
        return None

    def close(self) -> None:
        """Do nothing."""

    def _picture(self, seconds: float) -> Image:
        height, width = self._scenes[0].shape[:2]
        turn, bob = np.sin(2 * np.pi * seconds / np.array([_PAN, _PAN / 3]))
        left = (_ZOOM - 1) * width * (1 + turn) / 2
        top = (_ZOOM - 1) * height * (1 + bob / 4) / 2
        place = np.array([[_ZOOM, 0, -left], [0, _ZOOM, -top]])
        day, night = (
            cv2.warpAffine(scene, place, (width, height), flags=cv2.INTER_LINEAR)
            for scene in self._scenes
        )
        dark = float(np.clip(0.5 - 0.8 * np.cos(2 * np.pi * seconds / _DAY), 0, 1))
        picture = cv2.addWeighted(night, dark, day, 1 - dark, 0)
        if self._has_clock:
            text, place_of_text = f"{seconds:.2f} s", (12, height - 14)
            for ink, thick in (((0, 0, 0), 4), ((255, 255, 255), 1)):
                cv2.putText(
                    picture, text, place_of_text, cv2.FONT_HERSHEY_SIMPLEX, 0.7, ink, thick,
                    cv2.LINE_AA,
                )  # fmt: skip
        if self._as_infrared:
            return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
        return np.asarray(picture)


def open_scene(matching: Matching, *, swapped: bool = False) -> VideoInputs:
    """Return the two cameras of the street."""
    infrared, visible = ("vi", "ir") if swapped else ("ir", "vi")
    sources = SceneSource(infrared, as_infrared=True), SceneSource(visible, as_infrared=False)
    return VideoInputs(
        [DecodingThread(source, source.name, to_visible(), _AHEAD) for source in sources], matching
    )


def _in_colour(picture: Image) -> Image:
    return np.asarray(cv2.merge([picture] * 3)) if picture.ndim == 2 else picture
