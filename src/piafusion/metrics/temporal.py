"""Measures in time: does a fused video change where its sources do not?

The motion between two frames is estimated with DIS optical flow, on luminance of whole grey levels.
A pixel counts where the flow there and the flow back meet within a pixel. BiSWE, MS2R and flowD
follow the code of their authors, who take the flow of a network (SEA-RAFT): compare values of one
flow only.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from piafusion.errors import UsageError
from piafusion.imaging.arrays import to_unit
from piafusion.metrics._spec import ALL, FUSED, Arithmetic, MetricSpec, read_greys

Plane = NDArray[np.float32]
Flow = NDArray[np.float32]
Places = NDArray[np.bool_]

CONSISTENT = 1.0
"""Pixels by which the flow there and back may miss its start."""
JUMP, STILL = 20.0, 4.0
"""A pixel jumps alone if it changes by more grey levels than the first, and neither source by more
than the second: what twice their difference could make of it is no jump."""
NEEDS = "frames in time, as a clip has"


class _Moment:
    """A frame of the three videos: luminance on the 0..255 scale, and the fused colours."""

    def __init__(self, infrared: NDArray[Any], visible: NDArray[Any], fused: NDArray[Any]) -> None:
        greys = read_greys(infrared, visible, fused)
        self.planes: tuple[Plane, ...] = greys.singles
        self.levels = greys.levels
        colours = to_unit(fused) * np.float32(255)
        self.colours: Plane = colours if colours.ndim == 3 else np.dstack([colours] * 3)


class _Step:
    """Two frames in a row; each flow is computed when it is first asked for."""

    def __init__(self, before: _Moment, after: _Moment, dis: Any) -> None:  # noqa: ANN401 - OpenCV's
        self.before, self.after = before, after
        self._dis, self._flows = dis, dict[tuple[int, bool], Flow]()

    def flow(self, stream: int, *, back: bool) -> Flow:
        """Return the flow of infrared (0), visible (1) or fused (2), there or back in time.

        H x W x 2: where a pixel of the frame that it starts at lies in the other one, relative.
        """
        if (stream, back) not in self._flows:
            pair = self.before.levels[stream], self.after.levels[stream]
            flow = self._dis.calc(*(pair[::-1] if back else pair), None)
            self._flows[stream, back] = np.array(flow, np.float32)
        return self._flows[stream, back]

    def valid(self, stream: int, *, back: bool) -> Places:
        """Return where the flow of a stream passes the check, H x W."""
        flow = self.flow(stream, back=back)
        miss = flow + _warp(self.flow(stream, back=not back), flow)
        height, width = miss.shape[:2]
        down, across = np.mgrid[:height, :width].astype(np.float32)
        inside = (np.abs(2 * (across + flow[..., 0]) - width + 1) <= width - 1) & (
            np.abs(2 * (down + flow[..., 1]) - height + 1) <= height - 1
        )
        return np.asarray(inside & ((miss**2).sum(axis=2) < CONSISTENT**2))

    @cached_property
    def changes(self) -> list[Plane]:
        """The changes of each of the three streams, behind the motion of the visible."""
        flow = self.flow(1, back=True)
        pairs = zip(self.before.planes, self.after.planes, strict=True)
        return [np.abs(after - _warp(before, flow)) for before, after in pairs]


def _warp(plane: Plane, flow: Flow) -> Plane:
    """Return a plane of the frame that a flow leads to, at the pixels that it starts from."""
    height, width = flow.shape[:2]
    across = flow[..., 0] + np.arange(width, dtype=np.float32)
    down = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    moved = cv2.remap(plane, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


class _Clip:
    """Sums over the frames of a clip."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.sums = np.zeros(3)

    def add(self, name: str, value: float) -> None:
        """Keep a value, unless it is NaN."""
        if not math.isnan(value):
            self.values.setdefault(name, []).append(value)

    def mean(self, name: str) -> float:
        """Return the mean of the values that were kept; NaN if there are none."""
        values = self.values.get(name)
        return float(np.mean(values)) if values else math.nan


def _restless(clip: _Clip, steps: Sequence[_Step]) -> None:
    places = steps[-1].valid(1, back=True)
    if places.any():
        clip.sums += [float(change[places].mean()) for change in steps[-1].changes]
    most = max(clip.sums[:2])
    clip.values["restless"] = [float(clip.sums[2] / most)] if most > 0 else []


def _jumps(clip: _Clip, steps: Sequence[_Step]) -> None:
    places = steps[-1].valid(1, back=True)
    infrared, visible, fused = steps[-1].changes
    alone = (fused > JUMP) & (infrared <= STILL) & (visible <= STILL) & places
    clip.add("jumps", 100 * float(alone.mean()))


def _pumping(clip: _Clip, steps: Sequence[_Step]) -> None:
    before, after = (
        float(moment.planes[2].mean(dtype=np.float64))
        for moment in (steps[-1].before, steps[-1].after)
    )
    clip.add("pumping", abs(after - before))


def _flow_d(clip: _Clip, steps: Sequence[_Step]) -> None:
    """Sum up the authors' flowD: the flow of the visible warps the fused frame before."""
    step = steps[-1]
    change = step.after.colours - _warp(step.before.colours, step.flow(1, back=True))
    clip.add("flowD", float(np.sqrt((change**2).sum(axis=2)).mean(dtype=np.float64)))


def _biswe(clip: _Clip, steps: Sequence[_Step]) -> None:
    """Sum up the authors' BiSWE: both neighbours, warped by the flow of the fused video."""
    if len(steps) < 2:
        return
    error = 0.0
    for step, back in zip(steps, (True, False), strict=True):  # from the frame in the middle
        now, other = (step.after, step.before) if back else (step.before, step.after)
        change = np.abs(now.colours - _warp(other.colours, step.flow(2, back=back))).mean(axis=2)
        places = step.valid(0, back=back) & step.valid(1, back=back)
        error += float(change[places].sum(dtype=np.float64)) / (places.sum() + 1e-10)
    clip.add("BiSWE", error)


def _ms2r(clip: _Clip, steps: Sequence[_Step]) -> None:
    """Sum up the authors' MS2R: change of the fused flow against that of each source."""
    if len(steps) < 2:
        return
    infrared, visible, fused = (
        steps[1].flow(stream, back=False) - steps[0].flow(stream, back=False) for stream in range(3)
    )
    means = [float(np.abs(fused - source).mean()) for source in (infrared, visible)]
    clip.add("MS2R", sum(means) / 2)


_OURS = "piafusion's own: `piafusion.metrics.temporal`"
_VF_BENCH = "Zhao et al., A Unified Solution to Video Fusion, NeurIPS 2025"
_TEMCOCO = "Gong et al., TemCoCo, ICCV 2025"
_MEASURES: tuple[tuple[str, Callable[[_Clip, Sequence[_Step]], None], str, str, float, str], ...]
_MEASURES = (
    ("restless", _restless, _OURS, "", math.inf, "all"),
    ("jumps", _jumps, _OURS, "% of pixels", 100.0, "all"),
    ("pumping", _pumping, _OURS, "grey level", 255.0, "fused"),
    ("BiSWE", _biswe, _VF_BENCH, "grey level", 510.0, "all"),
    ("MS2R", _ms2r, _VF_BENCH, "pixel", math.inf, "all"),
    ("flowD", _flow_d, _TEMCOCO, "grey level", 255 * math.sqrt(3), "all"),
)


def _none(_: object) -> float:
    return math.nan


CLIP_SPECS: Mapping[str, MetricSpec] = MappingProxyType(
    {
        name: MetricSpec(
            name=name,
            direction="lower",
            inputs=ALL if inputs == "all" else FUSED,
            reference=reference,
            float=Arithmetic(_none, range=(0.0, most), unit=unit),
            needs=NEEDS,
        )
        for name, _, reference, unit, most, inputs in _MEASURES
    }
)
"""Every measure of a clip by its name, in the order of tables."""
_FUNCTIONS = {name: function for name, function, *_ in _MEASURES}


def evaluate_clip(
    frames: Iterable[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]],
    metrics: Sequence[str] = tuple(CLIP_SPECS),
) -> dict[str, float]:
    """Score the fused frames of a clip against the frames that they were made from.

    Args:
        frames: For each moment, in order, the infrared, visible and fused picture, as
            `piafusion.metrics.evaluate` takes them; they are read one after the other.
        metrics: Names out of `CLIP_SPECS`.

    Returns:
        A value for each name; NaN if the clip is too short (two frames, three for BiSWE and MS2R),
        or if no source ever changes ("restless").

    Raises:
        UsageError: A metric is unknown.
        SizeMismatchError: The heights and widths of a moment differ.
        ImageError: A picture has a wrong dtype, shape or value.

    Examples:
        >>> import numpy as np
        >>> grey = np.full((48, 64), 100, np.uint8)
        >>> evaluate_clip([(grey, grey, grey), (grey, grey, grey + 3)], ["pumping"])
        {'pumping': 3.0}
    """
    unknown = [name for name in metrics if name not in CLIP_SPECS]
    if unknown:
        raise UsageError(
            f"expected measures out of {', '.join(CLIP_SPECS)}, found {', '.join(unknown)}; check "
            "spelling and capitals"
        )
    flow: Any = cv2  # its type stubs leave this function out
    dis = flow.DISOpticalFlow_create(flow.DISOPTICAL_FLOW_PRESET_FAST)
    clip, steps, before = _Clip(), deque[_Step](maxlen=2), None
    for frame in frames:
        moment = _Moment(*frame)
        if before is not None:
            steps.append(_Step(before, moment, dis))
            for name in metrics:
                _FUNCTIONS[name](clip, tuple(steps))
        before = moment
    return {name: clip.mean(name) for name in metrics}
