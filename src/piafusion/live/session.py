"""A session: it plays two sources, fuses the newest pair and keeps the newest picture.

One thread pairs the frames and hands each over when it is due; a second one fuses. Between them
waits one pair at most, and the viewers get the newest picture, so nothing that is shown is old.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import simplejpeg

from piafusion.errors import PiafusionError, UsageError, VideoError
from piafusion.fuser import Fuser
from piafusion.imaging.align import Alignment, estimate_alignment
from piafusion.imaging.arrays import Image, to_rgb8
from piafusion.imaging.tone import AnyTone, Full, SmoothedTone, Span, Tone
from piafusion.imaging.views import View
from piafusion.live.nudge import STILL, Nudge, judged, nudged
from piafusion.live.recorder import Recorder
from piafusion.video.decoding import BoundedQueue
from piafusion.video.frames import FramePair
from piafusion.video.inputs import VideoInputs
from piafusion.video.sources import VideoFormat

OpenInputs = Callable[["Controls", Callable[[], bool], Callable[[str], None]], VideoInputs]
"""Opens the sources, swapped and with the offset as the controls say.

The second argument tells when to stop, the third takes lines about the connection."""

HALF_LIFE = 1.0
"""Seconds after which half of a change of the infrared range shows in the picture."""
_QUALITY = 85  # of the JPEG pictures
_IDLE = 0.05  # seconds after which changed controls are drawn again without a new pair
_LATE = 1.0  # seconds that a file may be behind before its clock is set again
_REMEMBERED = 100  # pictures whose times are kept for the viewers that report them
_KEPT = 8  # pairs, spread over some seconds, that an alignment is estimated from
_KEPT_EVERY = 1.0  # seconds


@dataclass(frozen=True)
class Controls:
    """Settings that can be changed while a session runs.

    Attributes:
        strength: How much infrared comes in; None is the model's own.
        view: The picture to draw.
        tone: How infrared values become grey.
        swapped: Whether the two sources are exchanged.
        offset: Seconds by which the infrared source started later.
        nudge: How the infrared picture is moved by hand.
    """

    strength: float | None = None
    view: View = View()  # noqa: RUF009 - it is frozen
    tone: Tone = Full()  # noqa: RUF009
    swapped: bool = False
    offset: Fraction = Fraction(0)
    nudge: Nudge = STILL


@dataclass(frozen=True)
class Shown:
    """A picture for the viewers.

    Attributes:
        number: Counts from 1.
        image: H x W or H x W x 3, uint8.
        jpeg: Its file.
    """

    number: int
    image: Image
    jpeg: bytes


@dataclass(frozen=True)
class _Due:
    """A pair, and the time of its visible frame on `time.monotonic`."""

    pair: FramePair
    time: float


@dataclass
class _Figures:
    """Times of the last pictures, in milliseconds, and what was counted."""

    visible: float = 0.0
    infrared: float = 0.0
    fuse: float = 0.0
    unmatched: int = 0
    finished: deque[float] = field(default_factory=lambda: deque(maxlen=60))

    @property
    def rate(self) -> float:
        """Pictures a second over the last seconds."""
        now = time.monotonic()
        recent = [each for each in list(self.finished) if now - each < 2]
        return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 2 else 0.0


class LiveSession:
    """Plays, fuses, keeps the newest picture and records; its methods may be called by any thread.

    Attributes:
        controls: The settings of this moment.
        folder: Where recordings and rig files go.
        notify: Called when there is a new picture or message.
    """

    def __init__(
        self,
        open_inputs: OpenInputs,
        fuser: Fuser,
        controls: Controls,
        folder: Path,
        say: Callable[[str], None] = lambda line: None,
        *,
        loop: bool = False,
    ) -> None:
        """Open the sources; `start` begins.

        Args:
            open_inputs: Opens the sources.
            fuser: Its alignment is the rig's.
            controls: To begin with.
            folder: For recordings and rig files; it may not exist yet.
            say: Called with each line that the page shows, too.
            loop: Whether files that have ended are played again.

        Raises:
            PiafusionError: If a source cannot be opened or the strength is not for this model.
        """
        self.controls, self.folder = controls, folder
        self.notify: Callable[[], None] = lambda: None
        self._say, self._loop = say, loop
        self.message, self.ended = "", False
        self._version, self._names = 0, list[str]()  # of the controls; of the sources
        self._fuser, self._rig = fuser, fuser.alignment
        fuser.adjusted(strength=controls.strength)
        self._open, self._closed = open_inputs, False
        self._again = threading.Event()
        self._inputs: VideoInputs | None = open_inputs(controls, self._stopped, self._tell)
        self._slot = BoundedQueue[_Due](1, drop_oldest=True)
        self._newest: Shown | None = None
        self._last: _Due | None = None
        self._failed = ""  # why the last pair could not be fused
        self._drawn: object = None  # the settings that it was drawn with
        self._smoothed: tuple[Tone, AnyTone] | None = None
        self._next_frame: Callable[[Fuser], Callable[[Image, Image], Image]] | None = None
        self._figures = _Figures()
        self._times: dict[int, float] = {}
        self._pairs = deque[tuple[float, FramePair]](maxlen=_KEPT)
        self._recorder: Recorder | None = None
        self._recording = False
        self._lock = threading.Lock()  # of the recorder
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._play, self._fuse)
        ]

    def start(self) -> None:
        """Start to play."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop, and complete a recording."""
        self._closed = True
        self._again.set()
        self._slot.end()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(5)
        self.record(on=False)
        if self._inputs:
            self._inputs.close()

    # --- what viewers ask for ---------------------------------------------------------------------

    def newest(self, after: int) -> Shown | None:
        """Return the newest picture, unless it is the one with the number `after`."""
        shown = self._newest
        return shown if shown and shown.number != after else None

    def age(self, number: int) -> float | None:
        """Return the milliseconds since a picture's moment; None if it is not remembered."""
        due = self._times.get(number)
        return None if due is None else 1000 * (time.monotonic() - due)

    def status(self) -> dict[str, Any]:
        """Return what the page shows beside the picture."""
        figures, inputs, recorder = self._figures, self._inputs, self._recorder
        dropped = self._slot.dropped + (inputs.dropped if inputs else 0)
        return {
            "rate": round(figures.rate, 1),
            "dropped": dropped,
            "unmatched": figures.unmatched,
            "visible_ms": round(figures.visible),
            "infrared_ms": round(figures.infrared),
            "fuse_ms": round(figures.fuse, 1),
            "version": self._version,
            "message": self.message,
            "ended": self.ended,
            "recording": str(recorder.path) if recorder else "",
            "recorded": recorder.frames if recorder else 0,
            "lost": recorder.dropped if recorder else 0,
        }

    def state(self) -> dict[str, Any]:
        """Return the controls and the sources."""
        controls = self.controls
        strength = self._fuser.adjusted(strength=controls.strength).strength
        return {
            "model": self._fuser.model,
            "sources": self._names,
            "strength": strength,
            "view": str(controls.view),
            "view_palette": controls.view.palette,
            "tone": str(controls.tone),
            "swapped": controls.swapped,
            "offset": float(controls.offset),
            "nudge": vars(controls.nudge),
        }

    # --- what viewers change ----------------------------------------------------------------------

    def change(self, controls: Controls) -> None:
        """Take other controls; swapped sources are opened again.

        Raises:
            UsageError: If the model has no strength.
        """
        self._fuser.adjusted(strength=controls.strength)
        before, self.controls = self.controls, controls
        self._version += 1
        if controls.swapped != before.swapped:
            self.again()
        elif controls.offset != before.offset and (inputs := self._inputs):
            inputs.set_offset(controls.offset)

    def again(self) -> None:
        """Open the sources again: files from their beginning."""
        self._again.set()

    def record(self, *, on: bool) -> None:
        """Begin or end a recording."""
        self._recording = on
        if not on:
            self._end_recording()

    def save_rig(self) -> tuple[Path, str]:
        """Save the alignment as a rig's file; it is the base of later moves.

        Returns:
            The file, and how well the alignment fits the newest pair.

        Raises:
            UsageError: If there is no pair yet, or the two are aligned and were not moved.
            OutputError: If it cannot be written.
        """
        pair = self._pair()
        rig = self._alignment(pair)
        if rig is None:
            raise UsageError("expected an alignment to save, found none; move the picture first")
        rig, found = judged(rig, self._thermal(pair), pair.visible)
        path = self._free("rig", ".json")
        rig.save(path)
        self._take_rig(rig)
        return path, found

    def estimate(self) -> str:
        """Estimate the alignment from the last seconds, and take it.

        Raises:
            AlignmentError: If they do not show the same scene well enough to tell.
            UsageError: If there is no pair yet.
        """
        newest = self._pair()
        pairs = [pair for _, pair in list(self._pairs)] or [newest]
        rig = estimate_alignment([(self._thermal(pair), pair.visible) for pair in pairs])
        self._take_rig(rig)
        return f"aligned by {len(pairs)} pairs, score {rig.quality.score:.2f}"

    def _thermal(self, pair: FramePair) -> Image:
        tone = self.controls.tone
        return tone(tone.check(pair.infrared))[0]

    def _take_rig(self, rig: Alignment) -> None:
        self._rig = rig
        self.change(replace(self.controls, nudge=STILL))

    def _pair(self) -> FramePair:
        if self._last is None:
            raise UsageError("expected frames of both sources, found none yet; wait for them")
        return self._last.pair

    def _free(self, name: str, suffix: str) -> Path:
        """Return a path that is not taken, named by the time."""
        now, number = f"{datetime.now():%Y%m%d-%H%M%S}", 1
        path = self.folder / f"{name}-{now}{suffix}"
        while path.exists():
            number += 1
            path = self.folder / f"{name}-{now}-{number}{suffix}"
        return path

    # --- the thread that plays --------------------------------------------------------------------

    def _stopped(self) -> bool:
        return self._closed or self._again.is_set()

    def _play(self) -> None:
        """Play the sources; open them again when asked to."""
        while not self._closed:
            inputs, repeats = self._inputs, False
            try:
                if inputs is None:
                    inputs = self._inputs = self._open(self.controls, self._stopped, self._tell)
                self.message, self.ended, self._names = "", False, inputs.names
                self._version += 1
                self._show(inputs)
                told = "; ".join([f"{inputs.name}: has ended", *inputs.problems])
                repeats = self._loop and not inputs.live
            except PiafusionError as error:
                told = str(error)
            finally:
                if inputs:
                    inputs.close()
                self._inputs = None
            if repeats and not self._stopped():
                continue
            if not self._stopped():
                self.ended = True
                self._tell(told)
            self._again.wait()
            self._again.clear()

    def _show(self, inputs: VideoInputs) -> None:
        """Hand over each pair when it is due."""
        self._pairs.clear()
        began: float | None = None
        for pair in inputs.pairs(self._stopped):
            if pair is None:
                self._figures.unmatched += 1
                continue
            at = float(pair.time)
            if inputs.live:
                due = inputs.began + at
            else:
                if began is None or time.monotonic() - began - at > _LATE:
                    began = time.monotonic() - at
                due = began + at
                if self._again.wait(max(0.0, due - time.monotonic())):
                    return
            late = 1000 * (time.monotonic() - due)
            self._figures.visible = late
            self._figures.infrared = late - 1000 * float(pair.later)
            if not self._pairs or abs(due - self._pairs[-1][0]) > _KEPT_EVERY:
                self._pairs.append((due, pair))
            self._slot.put(_Due(pair, due))

    def _tell(self, message: str) -> None:
        if message == self.message:  # as for each of the frames that cannot be fused
            return
        self.message = message
        if message:
            self._say(message)
        self.notify()

    # --- the thread that fuses --------------------------------------------------------------------

    def _fuse(self) -> None:
        """Fuse the newest pair; or the last one again, after the controls have changed."""
        while not self._closed:
            try:
                due = self._slot.get(_IDLE)
                if due is None:
                    return
                self._last = due
            except TimeoutError:
                if self._last is None or self._drawn == (self.controls, self._rig):
                    continue
                due = _Due(self._last.pair, time.monotonic())
            if self._drawn != (self.controls, self._rig):
                self._drawn, self._next_frame = (self.controls, self._rig), None  # at once
            try:
                self._publish(self._draw(due.pair), due)
            except PiafusionError as error:
                if str(error) != self._failed:  # else the pair before failed alike
                    self._failed = str(error)
                    self._tell(self._failed)
            else:
                if self.message == self._failed:
                    self._tell("")
                self._failed = ""

    def _draw(self, pair: FramePair) -> Image:
        controls, start = self.controls, time.perf_counter()
        fuser = self._fuser.adjusted(
            self._tone(controls.tone),
            self._alignment(pair),
            strength=controls.strength,
            view=controls.view,
        )
        if self._next_frame is None:
            self._next_frame = fuser.sequence(float(self._format.rate))
        picture = self._next_frame(fuser)(pair.infrared, pair.visible)
        self._figures.fuse = 1000 * (time.perf_counter() - start)
        return picture

    def _tone(self, tone: Tone) -> AnyTone:
        """Return the tone, smoothed in time if it is measured."""
        if isinstance(tone, (Full, Span)):
            return tone
        if self._smoothed is None or self._smoothed[0] != tone:
            rate = self._format.rate
            self._smoothed = tone, SmoothedTone(tone, half_life=float(HALF_LIFE * rate))
        return self._smoothed[1]

    def _alignment(self, pair: FramePair) -> Alignment | None:
        sizes = ((each.shape[0], each.shape[1]) for each in (pair.infrared, pair.visible))
        return nudged(self._rig, self.controls.nudge, *sizes)

    def _publish(self, picture: Image, due: _Due) -> None:
        """Make a picture the newest one, and record it."""
        rgb = to_rgb8(picture)
        jpeg = simplejpeg.encode_jpeg(rgb, quality=_QUALITY, colorsubsampling="420")
        number = self._newest.number + 1 if self._newest else 1
        self._times[number] = due.time
        self._times.pop(number - _REMEMBERED, None)
        self._newest = Shown(number, picture, jpeg)
        self._figures.finished.append(time.monotonic())
        self.notify()
        self._record(rgb, due.time)

    # --- recording --------------------------------------------------------------------------------

    @property
    def _format(self) -> VideoFormat:
        return self._inputs.format if self._inputs else VideoFormat(Fraction(25), Fraction(1, 1000))

    def _record(self, picture: Image, at: float) -> None:
        if not self._recording:
            return
        with self._lock:
            recorder = self._recorder
            if recorder and recorder.size != picture.shape[:2]:  # another view
                recorder.finish()
                recorder = None
            try:
                if recorder is None:
                    recorder = Recorder(self._free("live", ".mp4"), self._format, picture)
                recorder.put(picture, at)
                if recorder.problem:
                    raise VideoError(recorder.problem)
            except PiafusionError as error:
                self._recording, recorder = False, None
                self._tell(str(error))
            self._recorder = recorder

    def _end_recording(self) -> None:
        with self._lock:
            recorder, self._recorder = self._recorder, None
        if recorder:
            recorder.finish()
            told = recorder.problem or f"{recorder.path}: {recorder.frames} frames recorded"
            self._tell(told)
