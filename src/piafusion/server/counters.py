"""Counters of a server, for Prometheus."""

from __future__ import annotations

from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Counters:
    """Counters of one server."""

    def __init__(self) -> None:
        """Start at zero, in a new registry."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        counter = partial(Counter, registry=registry)
        histogram = partial(Histogram, buckets=_SECONDS, registry=registry)
        about = "Requests that were answered."
        self.requests = counter("piafusion_requests", about, ("route", "status"))
        about = "From the first byte of a request to the last of its answer."
        self.seconds = histogram("piafusion_request_seconds", about, ("route",))
        self.steps = histogram("piafusion_step_seconds", "Steps of fusing a pair.", ("step",))
        about = "Pairs that were fused, or could not be."
        self.pairs = counter("piafusion_pairs", about, ("outcome",))
        about = "Requests that are at work or wait for a worker."
        self.places = Gauge("piafusion_places_taken", about, registry=registry)

    def text(self) -> bytes:
        """Return all counters in the text format of Prometheus."""
        return generate_latest(self.registry)
