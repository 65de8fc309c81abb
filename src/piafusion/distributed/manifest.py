"""The manifest beside the fused images: a line of JSON for each pair."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import piafusion
from piafusion.batch import FailedPair, PairJob
from piafusion.distributed.answers import Answer, FuserSettings
from piafusion.files import parse_json, reading
from piafusion.imaging.places import store, where

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


def describe(answer: Answer, settings: FuserSettings) -> Entry:
    """Return the entry of a pair.

    The sources stand in it as paths from the root or URLs, the output as the name beside the
    manifest, and None for what there is not.
    """
    result, hashes = answer.result, answer.sha256 or {}
    entry = unknown(result.job)
    entry.update(
        infrared_sha256=hashes.get("infrared"),
        visible_sha256=hashes.get("visible"),
        worker=answer.worker or None,
        model=settings.method or settings.model,
        tone=settings.tone,
        piafusion=piafusion.__version__,
    )
    if isinstance(result, FailedPair):
        return {**entry, "error": result.error}
    return {
        **entry,
        "output_sha256": hashes.get("output"),
        "width": result.width,
        "height": result.height,
        "seconds": round(result.seconds, 4),
    }


def unknown(job: PairJob) -> Entry:
    """Return the entry of a pair whose output was there, and no manifest that tells of it."""
    entry: Entry = dict.fromkeys(_FIELDS)
    files = {"infrared": where(job.infrared), "visible": where(job.visible)}
    return {**entry, **files, "output": job.output.name}


def write_manifest(path: Path, before: Iterable[Entry], now: Iterable[Entry]) -> None:
    """Write a manifest, whole or not at all, sorted by output.

    Args:
        path: Where to.
        before: Entries of earlier runs: they stay if this run has none for the same output.
        now: Entries of this run.

    Raises:
        OutputError: If it cannot be written.
    """
    entries = {entry["output"]: entry for entry in (*before, *now)}
    lines = [json.dumps(entries[name]) + "\n" for name in sorted(entries)]
    store(path, "".join(lines).encode())
