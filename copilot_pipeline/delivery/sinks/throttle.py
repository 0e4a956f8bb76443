"""Limit requests to the rate that a service allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256

from copilot_pipeline.clients.rate_limiter import RateLimiter
from copilot_pipeline.postgres import Database

_UNLIMITED = 1_000_000_000  # requests a week
Acquire = Callable[[], None]


def shared_slots(database: Database, address: str, interval_seconds: float) -> Acquire:
    """Return a function that waits for the next slot of an address, one for all processes."""
    name = f"sink {sha256(address.encode()).hexdigest()[:16]}"  # the address is a secret
    rate = 1 / interval_seconds
    limiter = RateLimiter(
        database, requests_per_second=rate, requests_per_week=_UNLIMITED, source="deliveries", name=name
    )
    return limiter.acquire


class Throttle:
    """Lets one request pass per interval. Thread-safe."""

    def __init__(
        self,
        interval_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = interval_seconds
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next_at = float("-inf")

    @contextmanager
    def slot(self, acquire: Acquire | None = None) -> Iterator[None]:
        """Wait for the turn of a request, which is sent in the block, and then for `acquire`.

        The interval begins when the request has ended, so that the service never sees two that are closer together.
        """
        with self._lock:
            seconds = self._next_at - self._clock()
            if seconds > 0:
                self._sleep(seconds)
            try:
                if acquire is not None:
                    acquire()
                yield
            finally:
                self._next_at = self._clock() + self._interval


class Throttles:
    """One throttle per address, for all sinks of a process that send to it."""

    def __init__(self) -> None:
        self._throttles: dict[str, Throttle] = {}
        self._lock = threading.Lock()

    def of(self, address: str, interval_seconds: float) -> Throttle:
        """Return the throttle of an address."""
        with self._lock:
            return self._throttles.setdefault(address, Throttle(interval_seconds))
