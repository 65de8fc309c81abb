"""`piafusion data fetch`: public data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import JsonOption
from piafusion.cli.printing import say, say_json, warn


def fetch(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Without it, the sets are listed.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="New folder; by default NAME.")
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="A mirror of the archive.")] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="Hash that the archive must have.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Download a public data set, or say how to get it; goes on where it was interrupted."""
    from piafusion.lab.data.fetch import SOURCES, find_source
    from piafusion.lab.data.fetch import fetch as get

    if name is None:
        if as_json:
            listed = {
                key: {"title": s.title, "page": s.page, "url": s.url} for key, s in SOURCES.items()
            }
            say_json(listed)
            return
        for key, source in SOURCES.items():
            say(f"{key:<10} {source.title}")
            say(
                f"{'':<10} {source.page}"
                if source.url
                else f"{'':<10} {source.steps}: {source.page}"
            )
        return
    source = find_source(name)
    got = get(name, output or Path(name), url=url, sha256=sha256, progress=_Progress())
    if as_json:
        report = {
            "root": str(got.root),
            "archive": str(got.archive),
            "sha256": got.sha256,
            "trusted_on_first_use": got.trusted,
            "files": got.files,
        }
        say_json(report)
        return
    say(f"{got.root}: {got.files} files; the archive stays at {got.archive}")
    say(f"sha256 {got.sha256}" + (" (first seen now, recorded)" if got.trusted else ""))
    say(f"terms: {source.terms}. See {source.page}")


class _Progress:
    """Says how far a download is, every 16 MiB."""

    def __init__(self) -> None:
        self._said = 0

    def __call__(self, done: int, total: int | None) -> None:
        step = done >> 24
        if step > self._said:
            self._said = step
            of = f" of {total >> 20}" if total else ""
            warn(f"downloading: {done >> 20}{of} MiB")
