"""Exponential backoff: how long to wait before the next attempt. No I/O.

A retry library such as tenacity wraps a loop around a function. Most delays of the pipeline are not slept in a loop:
they are written to a row (`next_attempt_at`), compared with the end of a run, or put on a queue. So the pipeline has
one function that computes a delay, and the only loop that sleeps (`clients/http.py`) uses it as well.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

_MAX_EXPONENT = 64  # beyond this, every delay is `max_seconds`, and a float would overflow soon


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that grow by `factor` from `first_seconds` to `max_seconds`.

    `jitter` is the random share of a delay: 0 for none, 1 for anything between nothing and the whole delay.
    `max_retry_after_seconds` limits the delay that a server may request.
    """

    first_seconds: float
    max_seconds: float
    factor: float = 2.0
    jitter: float = 0.5
    max_retry_after_seconds: float = float("inf")

    def delay(self, attempt: int, retry_after: float | None = None) -> float:
        """Return the seconds to wait after the failed attempt number `attempt`, counted from 1.

        A server's `retry_after` (seconds) is used as it is, without jitter, up to the cap.
        """
        if retry_after is not None:
            return min(max(0.0, retry_after), self.max_retry_after_seconds)
        exponent = min(max(attempt, 1) - 1, _MAX_EXPONENT)
        ceiling = min(self.max_seconds, self.first_seconds * self.factor**exponent)
        return ceiling * (1 - self.jitter * random.random()) if self.jitter else ceiling
