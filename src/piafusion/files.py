"""Files: state is checked when it is read, results appear whole or not at all.

This module needs nothing but the standard library, so that any other may import it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from piafusion.errors import OutputError, PiafusionError, UsageError, system_reason

_LARGEST = 2**64  # the sizes, counts and seeds of state are smaller
_LONGEST = 200  # characters of a reason, so that a message stays a line
_NAME = 80  # bytes that a temporary name keeps of its file's: a name may have 255, or 143
_LASTING = 24 * 3600.0  # seconds without a change after which a temporary file has no writer
_TEMPORARY = re.compile(r"\.(.*)\.piafusion-([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{8}\.tmp", re.DOTALL)
_FOUND = {str: "a text", bool: "true or false", int: "a number", float: "a number"}
_FOUND |= {dict: "an object", list: "a list", type(None): "null"}

_swept: set[str] = set()


@contextmanager
def reading(
    path: Path | str, expected: str, advice: str, kind: type[PiafusionError] = UsageError
) -> Iterator[None]:
    """Turn the errors that damaged content causes in a block into one that names the file.

    Args:
        path: The file, or the name that errors call it.
        expected: Its expected content, such as "an alignment".
        advice: The next step.
        kind: Class of the error.

    Raises:
        PiafusionError: An error of that kind; one line with path, expected, found and advice.
    """
    try:
        yield
    except PiafusionError as error:
        if isinstance(error, kind):  # it has named the file already
            raise
        found = str(error)
    except OSError as error:
        found = system_reason(error)
    except UnicodeDecodeError:
        found = "no UTF-8 text"
    except json.JSONDecodeError as error:
        found = f"no JSON ({error})"
    except RecursionError:
        found = "JSON that is nested too deeply"
    except MemoryError:
        found = "more than the memory holds"
    except KeyError as error:
        found = f"no {error}"
    except (
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        ArithmeticError,
        RuntimeError,
    ) as error:
        found = str(error) or type(error).__name__
    else:
        return
    found = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(found.split()))
    if len(found) > _LONGEST:
        found = f"{found[:_LONGEST]}..."
    raise kind(f"{path}: expected {expected}, found {found}; {advice}")


def read_json(
    path: Path, shape: object, expected: str, advice: str, kind: type[PiafusionError] = UsageError
) -> Any:  # noqa: ANN401 - what the shape says
    """Return the content of a JSON file that has a shape.

    The shape is that of `fitting`; the other arguments are those of `reading`.

    Raises:
        PiafusionError: An error of that kind, if the file is missing, unreadable or different.
    """
    with reading(path, expected, advice, kind):
        return parse_json(path.read_bytes(), shape)


def parse_json(content: str | bytes, shape: object = object) -> Any:  # noqa: ANN401
    """Return JSON content that has a shape; numbers are finite and below 2^64.

    Raises:
        ValueError: If it is none (`reading` takes this and `RecursionError`).
    """
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    value = json.loads(text, parse_constant=_refused, parse_float=_finite, parse_int=_bounded)
    if "\\ud" in text.lower():  # half a character can be escaped in JSON, and written nowhere
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("a text with half a character") from error
    return fitting(value, shape)


def fitting(value: Any, shape: object, name: str = "") -> Any:  # noqa: ANN401
    """Return a value of JSON as it is, if it has a shape.

    Args:
        value: A result of `json.loads`.
        shape: A type (`float` takes whole numbers too, `object` anything), `None`, a tuple of
            shapes that are all right, `[shape]` for a list, `{str: shape}` for an object with any
            names, or an object by names, of which those that end with `?` may be missing.
        name: The name that errors call the value.

    Raises:
        ValueError: If it has another one.

    >>> fitting({"a": 1, "b": [2.5]}, {"a": int, "b": [float], "c?": str})
    {'a': 1, 'b': [2.5]}
    >>> fitting({"a": "1"}, {"a": (int, None)})
    Traceback (most recent call last):
    ValueError: a text at 'a'
    """
    if isinstance(shape, tuple):
        for each in shape:
            with suppress(ValueError):
                return fitting(value, each, name)
        _unfit(value, name)
    if isinstance(shape, list):
        if not isinstance(value, list):
            _unfit(value, name)
        for index, item in enumerate(value):
            fitting(item, shape[0], f"{name}[{index}]")
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            _unfit(value, name)
        if str in shape:
            for key, item in value.items():
                fitting(item, shape[str], f"{name}.{key}" if name else key)
            return value
        for key, each in shape.items():
            plain = key.removesuffix("?")
            if plain in value:
                fitting(value[plain], each, f"{name}.{plain}" if name else plain)
            elif plain == key:
                raise ValueError(f"no {plain!r}" + (f" at {name!r}" if name else ""))
    elif shape is None or not isinstance(shape, type):
        if value is not None:
            _unfit(value, name)
    elif not isinstance(value, (int, float) if shape is float else shape) or (
        isinstance(value, bool) and shape not in (bool, object)
    ):
        _unfit(value, name)
    return value


def _unfit(value: object, name: str) -> NoReturn:
    found = _FOUND.get(type(value), "something else")
    raise ValueError(f"{found} at {name!r}" if name else found)


def _refused(text: str) -> NoReturn:
    raise ValueError(f"the number {text}")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number without bounds")
    return value


def _bounded(text: str) -> int:
    if len(text) > 21 or abs(value := int(text)) > _LARGEST:
        raise ValueError(f"a whole number of {len(text)} digits")
    return value


def sha256(*contents: Path | bytes) -> str:
    """Return the hash of the content of files, or of bytes, one after the other.

    Raises:
        OSError: If a file cannot be read.

    >>> sha256(b"a", b"b") == sha256(b"ab")
    True
    """
    digest = hashlib.sha256()
    for content in contents:
        if isinstance(content, bytes):
            digest.update(content)
            continue
        with content.open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()


def content_hash(*paths: Path) -> str:
    """Return the sha256 of the content of files, or an empty text if one cannot be read."""
    try:
        return sha256(*(bytes.fromhex(sha256(path)) for path in paths))
    except OSError:
        return ""


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file through a temporary one beside it, so that it appears whole or not at all.

    Raises:
        OutputError: If it cannot be written; no partial file is left.
    """
    with replacement(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: object, indent: int = 2) -> None:
    """Write a value as JSON, as `write_bytes` does."""
    write_bytes(path, f"{json.dumps(value, indent=indent)}\n".encode())


@contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside a file; the content written there replaces the file.

    The content is on the disk before it gets the name: after a power failure the file is the old
    one or the new one, never an empty one. If the block fails, the temporary file goes and the
    file stays as it was. Temporary files that killed runs have left in the folder go too.

    Raises:
        OutputError: If it cannot be written; no partial file is left.
    """
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_once(path.parent)
        try:
            yield temporary
            put_in_place(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = system_reason(error)
        raise OutputError(
            f"{path}: could not be written ({reason}); nothing partial is left, check the "
            "folder and the free space"
        ) from error


@contextmanager
def whole_folder(output: Path, *, resumes: bool = False) -> Iterator[Path]:
    """Yield a folder beside a new one, called `OUTPUT.partial`; at the end it gets the name.

    Args:
        output: The folder, which must not exist.
        resumes: Keep the folder after an error, so that a later call continues with it. Otherwise
            it is removed, like one that a killed run has left.

    Raises:
        UsageError: If the output exists.
        OutputError: If it cannot be made.
    """
    if output.exists():
        raise UsageError(f"{output}: exists already; choose another folder or remove it")
    work = output.with_name(f"{shortened(output.name)}.partial")
    if not resumes:
        shutil.rmtree(work, ignore_errors=True)
    try:
        yield work
        try:
            os.replace(work, output)
        except OSError as error:
            reason = system_reason(error)
            raise OutputError(f"{output}: could not be made ({reason}); check the place") from error
    finally:
        if not resumes:
            shutil.rmtree(work, ignore_errors=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a temporary file its name, after its content is on the disk; errors are OSError."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def shortened(name: str) -> str:
    """Return the beginning of a file's name, to which an ending can be added.

    >>> len(shortened("é" * 100).encode())
    80
    """
    data = os.fsencode(name)
    return name if len(data) <= _NAME else data[:_NAME].decode("utf-8", "ignore")


def temporary_beside(path: Path) -> Path:
    """Return a temporary name beside a file's name, for the content that will replace it.

    It names the writer: the machine, the process. The longest name that a file may have, 255 bytes,
    has one too.
    """
    unique = f"{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f".{shortened(path.name)}.piafusion-{unique}.tmp")


def is_temporary_of(name: str, output: str) -> bool:
    """Tell whether a file's name is that of a temporary file that was to become an output."""
    found = _TEMPORARY.fullmatch(name)
    return found is not None and found[1] == shortened(output)


def sweep_once(folder: Path) -> None:
    """Sweep a folder of this machine when this process first writes to it."""
    place = str(folder.absolute())
    if place not in _swept:
        _swept.add(place)
        sweep(folder)


def sweep(folder: Path) -> None:
    """Remove temporary files of `temporary_beside` that no living process writes.

    Those of this machine go if their process has ended; those of other machines, which may share
    the folder, if they have not changed for a day. Other files stay.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _TEMPORARY.fullmatch(entry.name)
            if found is None:
                continue
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                ended = found[2] == _machine() and not _is_alive(int(found[3]))
                if stat.S_ISREG(status.st_mode) and (
                    ended or time.time() - status.st_mtime > _LASTING
                ):
                    Path(entry.path).unlink()


def _is_alive(process: int) -> bool:
    if os.name != "posix":  # there os.kill ends a process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it belongs to another user, or cannot be told
        return True
    return True


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return a name for the system that numbers processes: a started machine, or a container."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]
