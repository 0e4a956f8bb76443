"""A token bucket: so many a second for long, and a burst of ten seconds' worth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

BURST_SECONDS = 10


class TokenBucket:
    """Counts in the memory of one receiver: it protects this process, it is not a quota across machines.

    A restart forgets the count, and two receivers allow twice as much.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._most = max(1.0, per_second * BURST_SECONDS)
        self._tokens = self._most
        self._counted_at = clock()

    def take(self) -> int | None:
        """None: go on. Otherwise whole seconds to wait before the next try (at least 1)."""
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._counted_at) * self._per_second)
        self._counted_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        return max(1, math.ceil((1 - self._tokens) / self._per_second))
