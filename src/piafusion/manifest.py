"""The manifest beside the fused pictures of a folder: a line of JSON for each pair."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import piafusion
from piafusion.batch import FailedPair, FusedPair, PairJob
from piafusion.files import parse_json, reading
from piafusion.imaging.places import store

NAME = "manifest.jsonl"

Entry = dict[str, Any]

_FIELDS = (
    "infrared",
    "infrared_sha256",
    "visible",
    "visible_sha256",
    "output",
    "output_sha256",
    "width",
    "height",
    "seconds",
    "worker",
    "model",
    "tone",
    "piafusion",
    "error",
)


def read_manifest(path: Path) -> list[Entry]:
    """Return the entries of a manifest; none if there is no file.

    Raises:
        UsageError: If the file is something else.
    """
    with reading(path, "a manifest of piafusion", "move it"):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [parse_json(line, {"output": str, "output_sha256": (str, None)}) for line in lines]


def update_manifest(
    path: Path,
    before: Sequence[Entry],
    planned: Sequence[PairJob],
    results: Sequence[FusedPair | FailedPair],
    *,
    model: str,
    tone: str,
) -> None:
    """Write the manifest of a run, unless it has no entries.

    `before` are the entries of earlier runs. Planned outputs that exist and have no entry get one.

    Raises:
        OutputError: If it cannot be written.
    """
    now = [describe(result, model=model, tone=tone) for result in results]
    known = {entry["output"] for entry in (*before, *now)}
    others = [job for job in planned if job.output.name not in known and job.output.exists()]
    if now or others:
        write_manifest(path, [*before, *map(unknown, others)], now)


def describe(result: FusedPair | FailedPair, *, model: str, tone: str) -> Entry:
    """Return the entry of a pair.

    Sources are named by their path from the root or their URL, the output by its file name
    beside the manifest. A value that does not exist is None.
    """
    entry = unknown(result.job)
    entry.update({f"{name}_sha256": value for name, value in result.sha256.items()})
    entry.update(worker=result.worker or None, model=model, tone=tone)
    entry["piafusion"] = piafusion.__version__
    if isinstance(result, FailedPair):
        return {**entry, "error": result.error}
    seconds = round(result.seconds, 4)
    return {**entry, "width": result.width, "height": result.height, "seconds": seconds}


def unknown(job: PairJob) -> Entry:
    """Return the entry of a pair whose output exists, but which no manifest tells about."""
    entry: Entry = dict.fromkeys(_FIELDS)
    files = {"infrared": str(job.infrared.absolute()), "visible": str(job.visible.absolute())}
    return {**entry, **files, "output": job.output.name}


def write_manifest(path: Path, before: Iterable[Entry], now: Iterable[Entry]) -> None:
    """Write a manifest, whole or not at all, sorted by output.

    An entry of an earlier run stays if this run has none for the same output.

    Raises:
        OutputError: If it cannot be written.
    """
    entries = {entry["output"]: entry for entry in (*before, *now)}
    lines = [json.dumps(entries[name]) + "\n" for name in sorted(entries)]
    store(path, "".join(lines).encode())
