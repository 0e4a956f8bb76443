"""A token bucket: a rate per second, and a burst of ten seconds' worth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

BURST_SECONDS = 10


class TokenBucket:
    """A limit in the memory of one receiver, which protects this process.

    It is not a quota across machines. A restart resets it, and two receivers allow twice as much.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._capacity = max(1.0, per_second * BURST_SECONDS)
        self._tokens = self._capacity
        self._refilled_at = clock()

    def acquire(self) -> int | None:
        """Take a token and return None.

        If there is none, return the whole seconds until the next one (at least 1).
        """
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._refilled_at) * self._per_second)
        self._refilled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        return max(1, math.ceil((1 - self._tokens) / self._per_second))
