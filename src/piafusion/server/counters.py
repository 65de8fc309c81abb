"""Counters of a server, for Prometheus."""

from __future__ import annotations

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
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "piafusion_requests",
            "Requests that were answered.",
            ("route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "piafusion_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.steps = Histogram(
            "piafusion_step_seconds",
            "Steps of fusing a pair.",
            ("step",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.pairs = Counter(
            "piafusion_pairs",
            "Pairs that were fused, or could not be.",
            ("outcome",),
            registry=self.registry,
        )
        self.places = Gauge(
            "piafusion_places_taken",
            "Requests that are at work or wait for a worker.",
            registry=self.registry,
        )

    def text(self) -> bytes:
        """Return all counters in the text format of Prometheus."""
        return generate_latest(self.registry)
