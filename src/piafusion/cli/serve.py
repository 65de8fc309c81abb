"""`piafusion serve`: an HTTP API and a web page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import INTERRUPTED, DeviceOption, ModelOption
from piafusion.cli.printing import warn
from piafusion.errors import UsageError, needing
from piafusion.weights import DEFAULT_MODEL

TOKEN_VARIABLE = "PIAFUSION_TOKEN"  # noqa: S105 - its name, not its value


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; by default this machine alone reaches it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Pairs at a time; one for each core by default.")
    ] = None,
    queue: Annotated[
        int, typer.Option(min=0, help="Requests that may wait; more are told to come back.")
    ] = 16,
    max_megabytes: Annotated[float, typer.Option(help="Largest request, MiB.")] = 64,
    max_megapixels: Annotated[float, typer.Option(help="Largest picture.")] = 32,
    max_pairs: Annotated[int, typer.Option(min=1, help="Most pairs of a zip.")] = 1000,
    timeout: Annotated[
        float, typer.Option(help="Seconds for a request to arrive, and again to be answered.")
    ] = 60,
    stall: Annotated[float, typer.Option(help="Seconds to wait for a client's next byte.")] = 10,
    cors: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="Site whose pages may ask; repeat.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name that the server is called by, too; repeat."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help=f"File with the token that requests carry; or set {TOKEN_VARIABLE}."),
    ] = None,
) -> None:
    """Serve fusing over HTTP, with a web page at /."""
    # The decoders' own limit, behind that of the headers; OpenCV reads it when it is loaded.
    os.environ.setdefault("PIAFUSION_MAX_MEGAPIXELS", str(max_megapixels))
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(int(max(1, max_megapixels * 1e6))))
    with needing("serve", "piafusion serve"):
        from piafusion.server.run import LOOPBACK, is_loopback, listen, run
    from piafusion.server.settings import Settings

    names = tuple(name.lower() for name in allow_host or ())
    if is_loopback(host):
        names = (*LOOPBACK, *names)
    settings = Settings(
        model=model,
        device=device,
        workers=workers,
        queue=queue,
        max_megabytes=max_megabytes,
        max_megapixels=max_megapixels,
        max_pairs=max_pairs,
        timeout=timeout,
        stall=stall,
        origins=tuple(cors or ()),
        hosts=names,
        token=_token(token_file),
    )
    if not is_loopback(host) and settings.token is None:
        warn(
            f"piafusion: {host} is reached by other machines, and no token is asked for; see "
            "--token-file"
        )
    if run(settings, listen(host, port)):
        raise typer.Exit(INTERRUPTED)


def _token(file: Path | None) -> str | None:
    """Return the token of a file or of the environment."""
    if file is None:
        return os.environ.get(TOKEN_VARIABLE)
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"{file}: expected a file with a token in ASCII, found: {error}"
        ) from error
    if not token:
        raise UsageError(f"{file}: expected a file with a token, found an empty one")
    return token
