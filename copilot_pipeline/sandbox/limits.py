"""The vendor's limits: requests in any second, and requests per week."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime, timedelta


class Limits:
    """Counts every request, including refused ones, and refuses those over a limit."""

    def __init__(self, per_second: int | None, per_week: int | None) -> None:
        self.per_second = per_second
        self.per_week = per_week
        self.foreign_requests = 0  # of another client with the same key
        self.reset()

    def reset(self) -> None:
        """Reset all counts."""
        self._recent: deque[float] = deque()
        self.most_in_a_second = 0
        self.throttled = 0
        self.week_start = _sunday(datetime.now(UTC))
        self.week_requests = 0
        self.refused_for_the_week = 0

    def admit(self) -> str | None:
        """None if the request is allowed, else the gateway's message."""
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        start = _sunday(datetime.now(UTC))
        if start != self.week_start:
            self.week_start, self.week_requests = start, 0
        if self.per_week is not None and self.week_requests + self.foreign_requests >= self.per_week:
            self.refused_for_the_week += 1
            return "Limit Exceeded"
        self.week_requests += 1
        self._recent.append(now)
        self.most_in_a_second = max(self.most_in_a_second, len(self._recent))
        if self.per_second is not None and len(self._recent) > self.per_second:
            self.throttled += 1
            return "Too Many Requests"
        return None


def _sunday(moment: datetime) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=(moment.weekday() + 1) % 7)
