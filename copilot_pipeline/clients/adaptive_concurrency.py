"""Adaptive concurrency (AIMD): how many requests a server accepts at the same time. No I/O.

The limit is halved by a 429 and grows by one for each round of successes: additive increase, multiplicative decrease.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.errors import TemporaryFailure

BACKOFF = Backoff(first_seconds=2.0, max_seconds=60.0)
OUTAGE_SECONDS = 180.0  # a server from which every request failed for this long is down

_TOO_MANY_REQUESTS = 429


@dataclass(slots=True)
class AdaptiveConcurrency:
    """The concurrency limit of one server. All times are seconds of one monotonic clock."""

    max_limit: int
    give_up_after_seconds: float
    paused_until: float = 0.0
    _limit: float = field(init=False)
    _failing_since: float | None = None
    _throttled_in_a_row: int = 0

    def __post_init__(self) -> None:
        self._limit = float(self.max_limit)

    @property
    def limit(self) -> int:
        """How many requests may be in flight."""
        return int(self._limit)

    def on_success(self) -> None:
        """Count a response that was not a failure."""
        self._failing_since = None
        self._throttled_in_a_row = 0
        self._limit = min(float(self.max_limit), self._limit + 1 / self._limit)

    def on_failure(self, error: TemporaryFailure, now: float, attempts: int) -> float | None:
        """Return the seconds until the same request may be sent again, or None if the server should not be used."""
        is_throttled = error.status == _TOO_MANY_REQUESTS
        if is_throttled:
            self._throttled_in_a_row += 1
            seconds = BACKOFF.delay(self._throttled_in_a_row, error.retry_after_seconds)
            # Requests that were in flight together are refused together: that is one reason to slow down, not many.
            if now >= self.paused_until:
                self._limit = max(1.0, self._limit / 2)
            self.paused_until = max(self.paused_until, now + seconds)
        else:
            seconds = BACKOFF.delay(attempts, error.retry_after_seconds)
        if self._failing_since is None:
            self._failing_since = now
        max_failing = max(OUTAGE_SECONDS, self.give_up_after_seconds) if is_throttled else OUTAGE_SECONDS
        asks_too_much = (error.retry_after_seconds or 0.0) > self.give_up_after_seconds
        return None if asks_too_much or now - self._failing_since > max_failing else seconds
