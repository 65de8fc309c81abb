"""Downloads that resume, are verified, and appear whole or not at all."""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from piafusion.errors import DownloadError, UsageError
from piafusion.files import parse_json, put_in_place, reading, sha256, write_bytes, write_json
from piafusion.run.progress import Progress, silent

_SHA256 = re.compile("[0-9a-fA-F]{64}")
CHUNK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte


def download(url: str, path: Path, progress: Progress = silent) -> Path:
    """Download a file; a part that an earlier call has downloaded is kept.

    The part is stored beside the file as `NAME.part`, and the server's name for this version of the
    file as `NAME.part.json`. A part of another version is deleted.

    Raises:
        UsageError: If the address is not http, https.
        DownloadError: If the server cannot be reached, refuses, or stops early.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"{url}: expected an address of http or https; check it")
    part, note = path.with_name(path.name + ".part"), path.with_name(path.name + ".part.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    version = _noted(note) if part.is_file() else None
    start = part.stat().st_size if version else 0
    headers = {"User-Agent": "piafusion", "Accept-Encoding": "identity"}
    if start and version:
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
            if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
                start = 0
            _note(note, answer.headers.get("ETag"), answer.headers.get("Last-Modified"))
            length = answer.headers.get("Content-Length")
            total = start + int(length) if length else None
            with part.open("ab" if start else "wb") as file:
                done = _copy(answer, file, start, total, progress)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
            return download(url, path, progress)
        raise DownloadError(
            f"{url}: the server says {error.code} {error.reason}; {_by_hand(path)}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"{url}: could not be downloaded ({reason}); run it again to continue, or "
            f"{_by_hand(path)}"
        ) from error
    if total is not None and done < total:
        raise DownloadError(
            f"{url}: the connection ended after {done} of {total} bytes; run it again to continue"
        )
    put_in_place(part, path)
    note.unlink(missing_ok=True)
    return path


def check_hash(expected: str | None) -> None:
    """Raise `UsageError` if a hash that is asked for is no SHA-256."""
    if expected is not None and not _SHA256.fullmatch(expected):
        raise UsageError(
            f"--sha256: expected 64 hexadecimal digits, found {expected!r}; copy all of it"
        )


def verify(path: Path, name: str, expected: str | None, record: Path) -> tuple[str, bool]:
    """Compare a file with the hash it must have: the expected or else the recorded one.

    `record` is a JSON file with hashes by name.

    Returns:
        Its hash, and whether there was none to compare it with.

    Raises:
        UsageError: If the expected hash is none.
        DownloadError: If it has another hash; the file is kept as `NAME.rejected`. If the record is
            damaged.
    """
    check_hash(expected)
    found = sha256(path)
    wanted = (expected or _recorded(record).get(name) or "").lower()
    if wanted and found != wanted:
        rejected = path.with_name(path.name + ".rejected")
        os.replace(path, rejected)
        source = "--sha256" if expected else str(record)
        raise DownloadError(
            f"{path}: expected SHA-256 {wanted} ({source}), found {found}; it is kept as "
            f"{rejected.name}. If a new version of the set was published and you trust it, add "
            f"--sha256 {found}"
        )
    return found, not wanted


def remember(name: str, digest: str, record: Path) -> None:
    """Record the hash that later files of that name must have."""
    known = _recorded(record)
    if known.get(name) != digest:
        write_json(record, {**known, name: digest}, indent=1)


def _recorded(record: Path) -> dict[str, str]:
    if not record.exists():
        return {}
    advice = "remove it; the next download of each set is then trusted again"
    with reading(record, "the hashes of downloads", advice, DownloadError):
        hashes: dict[str, str] = parse_json(record.read_bytes(), {str: str})
        for name, digest in hashes.items():
            if not _SHA256.fullmatch(digest):
                raise ValueError(f"{len(digest)} characters that are no SHA-256 at {name!r}")
    return hashes


def _copy(
    answer: IO[bytes], file: IO[bytes], done: int, total: int | None, progress: Progress
) -> int:
    while chunk := answer.read(CHUNK):
        file.write(chunk)
        done += len(chunk)
        progress("downloading (MiB)", done >> 20, None if total is None else total >> 20)
    return done


def _noted(note: Path) -> str | None:
    try:
        return str(parse_json(note.read_bytes(), {"version": str})["version"])
    except (OSError, ValueError, RecursionError):  # all of it is downloaded anew
        return None


def _note(note: Path, etag: str | None, modified: str | None) -> None:
    """Store the name of the version; a weak ETag is none."""
    version = etag if etag and not etag.startswith("W/") else modified
    if version:
        write_bytes(note, json.dumps({"version": version}).encode())
    else:
        note.unlink(missing_ok=True)


def _by_hand(path: Path) -> str:
    return f"download it elsewhere and put it at {path}"
