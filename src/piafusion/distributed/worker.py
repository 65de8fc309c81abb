"""What runs in a worker process: one `Fuser` with one thread, and some pairs at a time."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import piafusion
from piafusion.batch import Failed, Job, Written, fuse_job
from piafusion.distributed.answers import Answer, FuserSettings, Pair, pack
from piafusion.distributed.storage import as_path, fetch, sha256, store
from piafusion.errors import PiafusionError
from piafusion.fuser import Fuser

CHANCES = 3  # workers that a pair may end before it is given up

Begin = Callable[[str], int]  # counts the times that a piece of work was begun, with this one


class FuseWorker:
    """Answers for some pairs at a time; made once in each worker process.

    Ray starts work anew whose worker has died. What has been begun before is done with care:
    each pair is counted before it is touched, and one that has ended `CHANCES` workers is answered
    for, instead of ending the next. Results are written over those of the worker that died.
    """

    def __init__(self, settings: FuserSettings, version: str, begin: Begin) -> None:
        """Get ready; what stands in the way is told in the answers.

        Args:
            settings: Of the `Fuser`.
            version: Of the piafusion that gives the work.
            begin: Counts what is begun, for all workers.
        """
        self._begin = begin
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._fatal: dict[str, str] | None = None
        try:
            if version != piafusion.__version__:
                raise PiafusionError(
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
        careful = self._begin(row["name"]) > 1
        answers = [pack(pair["index"], self._answer(pair, careful)) for pair in pairs]
        return {"answers": json.dumps(answers)}

    def _answer(self, pair: Pair, careful: bool) -> Answer:
        device = self._fuser.engine.device
        if careful and self._begin(str(pair["index"])) >= CHANCES:
            # Begun twice with care, and once before that without.
            job = Job(*(Path(pair[name]) for name in ("infrared", "visible", "output")))
            reason = f"expected to fuse the pair, found that {CHANCES} workers ended at it"
            error = f"{pair['infrared']}: {reason}; look at its size, and at the memory"
            return Answer(Failed(job, error), self._name, device)
        result, hashes = _fuse(self._fuser, pair)
        return Answer(result, self._name, device, hashes)


def _fuse(fuser: Fuser, pair: Pair) -> tuple[Written | Failed, dict[str, str]]:
    """Fuse a pair by way of local copies where files are remote."""
    began = time.perf_counter()
    hashes: dict[str, str] = {}
    job = Job(as_path(pair["infrared"]), as_path(pair["visible"]), as_path(pair["output"]))
    with TemporaryDirectory(prefix="piafusion-") as name:
        folder = Path(name)
        try:
            ir, vi = fetch(job.infrared, folder / "ir"), fetch(job.visible, folder / "vi")
            hashes.update(
                {name: sha256(path) for name, path in (("infrared", ir), ("visible", vi)) if path.is_file()}
            )
            remote = not isinstance(job.output, Path)
            out = folder / job.output.name if remote else job.output
            result = fuse_job(fuser, Job(ir, vi, out), overwrite=True)
            if isinstance(result, Failed):
                error = result.error
                for copy, source in ((ir, job.infrared), (vi, job.visible), (out, job.output)):
                    error = error.replace(str(copy), str(source))
                return Failed(job, error), hashes
            hashes["output"] = sha256(out)
            if remote:
                store(job.output, out.read_bytes())
        except PiafusionError as error:
            return Failed(job, str(error)), hashes
    seconds = time.perf_counter() - began
    return Written(job, result.width, result.height, seconds, result.tone), hashes
