"""What runs in a worker process: one `Fuser` with one thread, and some pairs at a time."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import piafusion
from piafusion.batch import FailedPair, FusedPair, PairJob, fuse_job
from piafusion.distributed.answers import Answer, FuserSettings, Pair, pack
from piafusion.errors import ClusterError, PiafusionError
from piafusion.fuser import Fuser
from piafusion.imaging.places import as_path, fetch, is_url, sha256, store

CHANCES = 3  # workers that a pair may end before it is given up


class Tally(Protocol):
    """Outlives the workers, and knows what each of them has begun and not ended."""

    def begin(self, work: str) -> int:
        """Count a beginning, and return how many there are without an end, with this one."""
        ...

    def end(self, work: str) -> None:
        """Forget the beginnings."""
        ...


class FuseWorker:
    """Answers for some pairs at a time; made once in each worker process.

    Ray starts work anew whose worker has died. What has been begun before is done with care:
    each pair is counted before it is touched, and one that has ended `CHANCES` workers is answered
    for, instead of ending the next. Results are written over those of the worker that died.
    """

    def __init__(self, settings: FuserSettings, version: str, tally: Tally) -> None:
        """Get ready; what stands in the way is told in the answers.

        Args:
            settings: Of the `Fuser`.
            version: Of the piafusion that gives the work.
            tally: Counts what is begun, for all workers.
        """
        self._tally = tally
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._fatal: dict[str, str] | None = None
        try:
            if version != piafusion.__version__:
                raise ClusterError(
                    f"{socket.gethostname()}: expected piafusion {version} as here, found "
                    f"{piafusion.__version__}; install the same version on every machine"
                )
            self._fuser = Fuser(**settings.arguments, threads=1)
        except PiafusionError as error:
            self._fatal = {"fatal": type(error).__name__, "error": str(error)}

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Fuse the pairs of a row.

        Args:
            row: "name" of this piece of work, and "pairs", JSON of a list of `Pair`.

        Returns:
            "answers": JSON of a list, one for each pair.
        """
        if self._fatal:
            return {"answers": json.dumps([self._fatal])}
        pairs: list[Pair] = json.loads(row["pairs"])
        careful = self._tally.begin(row["name"]) > 1
        answers = [
            pack(pair["index"], self._with_care(pair) if careful else self._answer(pair))
            for pair in pairs
        ]
        return {"answers": json.dumps(answers)}

    def _answer(self, pair: Pair) -> Answer:
        result, hashes = _fuse(self._fuser, pair)
        return Answer(result, self._name, self._fuser.engine.device, hashes)

    def _with_care(self, pair: Pair) -> Answer:
        """Answer for a pair that may have ended a worker."""
        work = str(pair["index"])
        if self._tally.begin(work) < CHANCES:  # the first beginning, without care, is not counted
            answer = self._answer(pair)
        else:
            job = PairJob(Path(pair["infrared"]), Path(pair["visible"]), Path(pair["output"]))
            error = (
                f"{pair['infrared']}: expected to fuse the pair, found that {CHANCES} workers died "
                "of it; look at the size of the pictures and at the memory"
            )
            answer = Answer(FailedPair(job, error), self._name, self._fuser.engine.device)
        self._tally.end(work)
        return answer


def _fuse(fuser: Fuser, pair: Pair) -> tuple[FusedPair | FailedPair, dict[str, str]]:
    """Fuse a pair by way of local copies where files are remote."""
    began = time.perf_counter()
    hashes: dict[str, str] = {}
    job = PairJob(as_path(pair["infrared"]), as_path(pair["visible"]), as_path(pair["output"]))
    with TemporaryDirectory(prefix="piafusion-") as name:
        folder = Path(name)
        try:
            ir, vi = fetch(job.infrared, folder / "ir"), fetch(job.visible, folder / "vi")
            hashes = {"infrared": sha256(ir), "visible": sha256(vi)}
            out = folder / job.output.name if is_url(job.output) else job.output
            result = fuse_job(fuser, PairJob(ir, vi, out), overwrite=True)
            if isinstance(result, FailedPair):
                error = result.error
                for copy, source in ((ir, job.infrared), (vi, job.visible), (out, job.output)):
                    error = error.replace(str(copy), str(source))
                return FailedPair(job, error), hashes
            if out is not job.output:
                store(job.output, out.read_bytes())
            hashes["output"] = sha256(out)
        except PiafusionError as error:
            return FailedPair(job, str(error)), hashes
    seconds = time.perf_counter() - began
    return FusedPair(job, result.width, result.height, seconds, result.tone), hashes
