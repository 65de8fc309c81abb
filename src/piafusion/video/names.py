"""Names of sources: paths or addresses, and how to pass them to FFmpeg."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

# Protocols of FFmpeg that are written without slashes; any other name with a colon is a file.
_WRAPPERS = ("async", "cache", "crypto")  # another address follows
_PLAIN = (*_WRAPPERS, "concat", "data", "fd", "pipe", "subfile")
_DEVICES = ("avfoundation", "dshow", "v4l2")
"""Formats of FFmpeg for the cameras of a machine: macOS, Windows, Linux."""


def scheme(name: str) -> str:
    """Return the protocol of an address in lower case; empty if a name is a path or `file:`."""
    found = re.match(r"(\w+)://", name)
    protocol = found[1].lower() if found else ""
    return "" if protocol == "file" else protocol


def local_path(name: str) -> Path | None:
    """Return the file of a name, or None if the name is an address of something else.

    >>> local_path("file:x.mp4"), local_path("12:30.mp4"), local_path("rtsp://camera/stream")
    (PosixPath('x.mp4'), PosixPath('12:30.mp4'), None)
    """
    if os.path.lexists(name):
        return Path(name)
    prefix, colon, rest = name.partition(":")
    if colon and prefix.lower() in _WRAPPERS:
        return local_path(rest)
    if colon and prefix.lower() == "file":
        return Path(rest)
    if scheme(name) or is_device(name) or (colon and re.split(r"[,:]", name)[0].lower() in _PLAIN):
        return None
    return Path(name)


def url(name: str) -> str:
    """Return the address for FFmpeg: a path gets `file:` in front, so that it may hold colons."""
    prefix = name.partition(":")[0].lower()
    if not os.path.lexists(name) and prefix in _WRAPPERS:
        return name
    path = local_path(name)
    return name if path is None else f"file:{path}"


def is_pipe(name: str) -> bool:
    """Return whether a name is a pipe or similar, which can block and is read only once."""
    path = local_path(name)
    if path is None:
        return re.split(r"[,:]", name)[0].lower() in ("pipe", "fd") and not scheme(name)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and not is_device(name)


def is_device(name: str) -> bool:
    """Return whether a name is a camera of this machine."""
    return device(name) is not None


def device(name: str) -> tuple[str, str] | None:
    """Return FFmpeg's format for a camera of this machine and the name there; None for others.

    >>> device("/dev/video0"), device("dshow:video=Thermal Camera"), device("avfoundation:0")
    (('v4l2', '/dev/video0'), ('dshow', 'video=Thermal Camera'), ('avfoundation', '0'))
    """
    if name.startswith("/dev/video"):
        return "v4l2", name
    kind, colon, rest = name.partition(":")
    found = colon and kind.lower() in _DEVICES and not os.path.lexists(name)
    return (kind.lower(), rest) if found else None


def is_same_file(name: str, path: Path) -> bool:
    """Return whether the name of a source and a path are the same file, however written."""
    prefix, _, rest = name.partition(":")
    if prefix.lower() == "concat" and not os.path.lexists(name):
        return any(is_same_file(part, path) for part in rest.split("|"))
    if prefix.lower().startswith("subfile,") and not os.path.lexists(name):
        return is_same_file(rest, path)
    source = local_path(name)
    try:
        return source is not None and source.samefile(path)
    except (OSError, ValueError):
        return False


def without_password(name: str) -> str:
    """Return a source's name with any password in its address hidden."""
    return re.sub(r"^(\w+://[^/@:]*):[^/]*@", r"\1:***@", name)
