"""Settings of a server: its models and its limits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from piafusion.engines import resolve
from piafusion.errors import UsageError
from piafusion.machine import CoreShare, share_cores
from piafusion.weights import DEFAULT_MODEL

MEBIBYTE, MEGAPIXEL = 2**20, 10**6
MOST_UPLOADS = 64  # requests with a body at the same time
MOST_OF_ONE = 32  # of them from one address


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a server.

    Attributes:
        model: The default model: a name, or the path of an exported file.
        device: Where networks run.
        precision: The numbers that networks compute in.
        workers: Pairs that are fused at the same time; one for each usable core by default.
        queue: Requests that may wait for a worker; more are answered with 503.
        max_megabytes: Largest body of a request, in MiB.
        max_megapixels: Largest picture by its header, in millions of pixels.
        max_pairs: Most pairs in the zip of a batch.
        timeout: Seconds that a request may take to arrive, and again until it is answered.
        stall: Seconds without a byte after which a client is given up.
        origins: Origins of other sites whose pages may call this server (CORS).
        hosts: Names that the server is called by; any name if empty.
        token: The token in `Authorization: Bearer`; None if requests need no token.
    """

    model: str = DEFAULT_MODEL
    device: str = "auto"
    precision: str = "auto"
    workers: int | None = None
    queue: int = 16
    max_megabytes: float = 64
    max_megapixels: float = 32
    max_pairs: int = 1000
    timeout: float = 60
    stall: float = 10
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    token: str | None = None

    def __post_init__(self) -> None:
        """Refuse limits that let nothing pass.

        Raises:
            UsageError: If a limit is not positive, a token empty, or an origin none.
        """
        limits = {
            "workers": 1 if self.workers is None else self.workers,
            "max_megabytes": self.max_megabytes,
            "max_megapixels": self.max_megapixels,
            "max_pairs": self.max_pairs,
            "timeout": self.timeout,
            "stall": self.stall,
        }
        for name, value in limits.items():
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name}: expected a positive number, found {value:g}")
        if self.queue < 0:
            raise UsageError(f"queue: expected 0 or more, found {self.queue}")
        if self.token is not None and not self.token:
            raise UsageError("expected a token, found an empty one; write some characters into it")
        for origin in self.origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise UsageError(
                    f"expected an origin such as https://example.org, found {origin!r}; name "
                    "scheme, host and port, without a path"
                )

    @property
    def share(self) -> CoreShare:
        """How the workers, with the default filled in, share the cores."""
        device = resolve(self.device, self.model, self.precision)
        return share_cores(self.workers, device=device)

    @property
    def max_bytes(self) -> int:
        """Largest body of a request."""
        return int(self.max_megabytes * MEBIBYTE)

    @property
    def max_pixels(self) -> int:
        """Largest picture."""
        return int(self.max_megapixels * MEGAPIXEL)
