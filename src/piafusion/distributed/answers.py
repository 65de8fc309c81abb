"""What travels between the machines: settings and pairs to a worker, answers back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from piafusion import errors
from piafusion.batch import FailedPair, FusedPair, PairJob
from piafusion.errors import ClusterError, PiafusionError
from piafusion.imaging.align import Alignment
from piafusion.imaging.curve import ToneRange
from piafusion.weights import DEFAULT_MODEL


@dataclass(frozen=True)
class FuserSettings:
    """What a worker makes its `Fuser` with, in one thread; see there."""

    model: str = DEFAULT_MODEL
    device: str = "auto"
    tone: str = "full"
    alignment: Alignment | None = None
    tile: int | None = None
    method: str | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """As keyword arguments."""
        return dict(vars(self))


class Pair(TypedDict):
    """A pair on its way to a worker: its place among the jobs, and paths or URLs."""

    index: int
    infrared: str
    visible: str
    output: str


@dataclass(frozen=True)
class Answer:
    """What became of a pair, and who says so.

    Attributes:
        result: With the files of the job as they were given.
        worker: Host and process that fused it; empty if none lived to tell.
        device: Where its network runs.
        sha256: Of "infrared", "visible" and "output", as far as they were read and written.
    """

    result: FusedPair | FailedPair
    worker: str = ""
    device: str = ""
    sha256: Mapping[str, str] | None = None


def pack(index: int, answer: Answer) -> dict[str, Any]:
    """Return an answer as plain values."""
    result = answer.result
    packed: dict[str, Any] = {
        "index": index,
        "worker": answer.worker,
        "device": answer.device,
        "sha256": dict(answer.sha256 or {}),
    }
    if isinstance(result, FailedPair):
        return {**packed, "error": result.error}
    return {
        **packed,
        "size": (result.width, result.height),
        "seconds": result.seconds,
        "tone": asdict(result.tone) if result.tone else None,
    }


def unpack(packed: Mapping[str, Any], job: PairJob) -> Answer:
    """Return the answer for a job.

    Raises:
        PiafusionError: If it says that the worker can fuse no pair at all.
    """
    if "fatal" in packed:
        raise _error(packed["fatal"], packed["error"])
    result: FusedPair | FailedPair
    if "error" in packed:
        result = FailedPair(job, packed["error"])
    else:
        tone = ToneRange(**packed["tone"]) if packed["tone"] else None
        width, height = packed["size"]
        result = FusedPair(job, width, height, packed["seconds"], tone)
    return Answer(result, packed["worker"], packed["device"], packed["sha256"])


def _error(kind: str, message: str) -> PiafusionError:
    found = getattr(errors, kind, ClusterError)
    return found(message) if issubclass(found, PiafusionError) else ClusterError(message)
