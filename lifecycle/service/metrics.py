"""Figures of the service for Prometheus."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from lifecycle.service.writer import Commit
from lifecycle.store import Stream

#: The text format that Prometheus reads.
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 5000)


class Metrics:
    """The figures of one service."""

    def __init__(
        self,
        *,
        depth: Callable[[], float],
        memory: Callable[[], float],
        feeds: Callable[[], float],
    ) -> None:
        self._registry = registry = CollectorRegistry()
        self._answered: dict[tuple[str, str, int], Counter] = {}
        self._messages = Counter(
            *("lifecycle_messages", "Messages taken in, by what became of them.", ["outcome"]),
            registry=registry,
        )
        self._commits = Histogram(
            *("lifecycle_commit_seconds", "How long commits took."), registry=registry
        )
        self._sizes = Histogram(
            *("lifecycle_commit_messages", "How many messages shared a commit."),
            buckets=_SIZES,
            registry=registry,
        )
        self._requests = Counter(
            *("lifecycle_requests", "Requests answered.", ["method", "path", "status"]),
            registry=registry,
        )
        self._quarantine = Gauge(
            *("lifecycle_quarantine_messages", "Messages in the quarantine."), registry=registry
        )
        self._lag = Gauge(
            "lifecycle_stream_lag_messages",
            "Messages of a partition still to come when one was last read into the store.",
            ["topic", "partition"],
            registry=registry,
        )
        self._offset = Gauge(
            *("lifecycle_stream_offset", "The next offset to read.", ["topic", "partition"]),
            registry=registry,
        )
        queue = Gauge("lifecycle_queue_messages", "Messages that wait.", registry=registry)
        queue.set_function(depth)
        bodies = Gauge("lifecycle_body_bytes", "Bytes of bodies in work.", registry=registry)
        bodies.set_function(memory)
        followers = Gauge("lifecycle_feeds", "Feeds that are open.", registry=registry)
        followers.set_function(feeds)

    def count_commit(self, commit: Commit) -> None:
        """Count a commit and what became of its messages."""
        self._commits.observe(commit.seconds)
        self._sizes.observe(len(commit.outcomes))
        for kind, count in Counts(one.kind for one in commit.outcomes).items():
            self._messages.labels(kind).inc(count)

    def count_request(self, method: str, path: str, status: int) -> None:
        """Count a request by its route, not by the path that was asked for."""
        key = (method, path, status)
        if key not in self._answered:
            self._answered[key] = self._requests.labels(method, path, str(status))
        self._answered[key].inc()

    def text(self, quarantined: int, streams: Iterable[Stream]) -> bytes:
        """Return all figures in the text format."""
        self._quarantine.set(quarantined)
        for one in streams:
            self._lag.labels(one.topic, one.partition).set(one.lag)
            self._offset.labels(one.topic, one.partition).set(one.offset)
        return generate_latest(self._registry)
