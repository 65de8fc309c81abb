"""`piafusion serve`: an HTTP API and a web page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from piafusion.cli.options import (
    INTERRUPTED,
    PERFORMANCE,
    DeviceOption,
    ModelOption,
    PrecisionOption,
    option,
)
from piafusion.cli.printing import warn
from piafusion.errors import UsageError, needing
from piafusion.weights import DEFAULT_MODEL

NETWORK, LIMITS = "Network", "Limits"
TOKEN_VARIABLE = "PIAFUSION_TOKEN"  # noqa: S105 - its name, not its value

HostOption = Annotated[
    str, option("Address to listen on; only this machine reaches the default one.", NETWORK)
]
PortOption = Annotated[int, option("Port; 0 chooses a free one.", NETWORK, min=0, max=65535)]
AllowHostOption = Annotated[
    list[str] | None,
    option(
        "Another host name that requests may use; repeat it for several.", NETWORK, metavar="NAME"
    ),
]
TokenFileOption = Annotated[
    Path | None,
    option(f"File with the token that requests must carry; or set {TOKEN_VARIABLE}.", NETWORK),
]

LogLevelOption = Annotated[
    str,
    option(
        "How much is logged: error, warning, info (a line for each request) or debug.",
        NETWORK,
    ),
]


def serve(
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    allow_host: AllowHostOption = None,
    cors: Annotated[
        list[str] | None,
        option(
            "Another site whose pages may send requests; repeat it for several.",
            NETWORK,
            metavar="ORIGIN",
        ),
    ] = None,
    token_file: TokenFileOption = None,
    log_level: LogLevelOption = "warning",
    max_megabytes: Annotated[float, option("Largest request in MiB.", LIMITS)] = 64,
    max_megapixels: Annotated[float, option("Largest picture in megapixels.", LIMITS)] = 32,
    max_pairs: Annotated[int, option("Most pairs in a zip.", LIMITS, min=1)] = 1000,
    timeout: Annotated[
        float, option("Seconds for a request to arrive, and again for its answer.", LIMITS)
    ] = 60,
    stall: Annotated[
        float, option("Seconds without a byte after which a connection is closed.", LIMITS)
    ] = 10,
    model: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    workers: Annotated[
        int | None,
        option(
            "Pairs that are fused at the same time; default: one for each core.", PERFORMANCE, min=1
        ),
    ] = None,
    queue: Annotated[
        int,
        option(
            "Requests that may wait; others are refused and may try again later.",
            PERFORMANCE,
            min=0,
        ),
    ] = 16,
) -> None:
    """Serve fusing over HTTP, with a web page at /."""
    # The limit of the decoders themselves, after that of the headers; OpenCV reads it at import.
    os.environ.setdefault("PIAFUSION_MAX_MEGAPIXELS", str(max_megapixels))
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(int(max(1, max_megapixels * 1e6))))
    with needing("serve", "piafusion serve"):
        from piafusion.server.run import LOOPBACK, is_loopback, listen, run
    from piafusion.server.settings import ServerSettings

    check_level(log_level)
    names = tuple(name.lower() for name in allow_host or ())
    if is_loopback(host):
        names = (*LOOPBACK, *names)
    settings = ServerSettings(
        model=model,
        device=device,
        precision=precision,
        workers=workers,
        queue=queue,
        max_megabytes=max_megabytes,
        max_megapixels=max_megapixels,
        max_pairs=max_pairs,
        timeout=timeout,
        stall=stall,
        origins=tuple(cors or ()),
        hosts=names,
        token=read_token(token_file),
    )
    if not is_loopback(host) and settings.token is None:
        warn(
            f"piafusion: {host} is reached by other machines, and no token is asked for; see "
            "--token-file"
        )
    if run(settings, listen(host, port), level=log_level):
        raise typer.Exit(INTERRUPTED)


def check_level(level: str) -> None:
    """Raise `UsageError` if there is no such log level."""
    from piafusion.server.run import LEVELS

    if level not in LEVELS:
        raise UsageError(f"--log-level: expected one of {', '.join(LEVELS)}, found {level!r}")


def read_token(file: Path | None) -> str | None:
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
