"""What a backfill will cost. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from copilot_pipeline.clients.weekly_quota import WeeklyQuota

MAX_WINDOW_CALLS = 10_000  # a window with more calls is split


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a range of days will take. `calls` is what the list counts, `ready` those of them that can be fetched; those
    held already cost nothing.
    """

    first_day: date
    last_day: date
    calls: int
    ready: int
    held: int
    list_requests: int
    requests: int
    runs: int
    hours_at_pace: float
    weeks: int
    done_at: datetime

    @property
    def days(self) -> int:
        """Both ends included."""
        return (self.last_day - self.first_day).days + 1


def plan_backfill(
    first: date,
    last: date,
    *,
    calls: Sequence[float],
    ready: int,
    held: int,
    page_size: int,
    requests_per_second: float,
    week: WeeklyQuota,
    now: datetime,
) -> BackfillPlan:
    """`calls` are those of each run; `week` is the running week as a backfill may use it: without the reserve."""
    listing = math.ceil(sum(pages_of(count, page_size) for count in calls))
    requests = listing + max(0, ready - held)
    hours = requests / requests_per_second / 3600 if requests_per_second else 0.0
    weeks, done_at = end_of(requests, requests_per_second, week, now)
    total = round(sum(calls))
    return BackfillPlan(first, last, total, ready, held, listing, requests, len(calls), hours, weeks, done_at)


def pages_of(calls: float, page_size: int) -> float:
    """The list requests of a window. A count that is an average has half a page more than it fills."""
    if calls > MAX_WINDOW_CALLS:
        return 1 + 2 * pages_of(calls / 2, page_size)
    return max(1.0, math.ceil(calls / page_size) if calls == int(calls) else calls / page_size + 0.5)


def end_of(requests: int, requests_per_second: float, week: WeeklyQuota, now: datetime) -> tuple[int, datetime]:
    """How many calendar weeks so many requests touch, and when the last one is sent."""

    def lasting(count: int) -> timedelta:
        return timedelta(seconds=count / requests_per_second if requests_per_second else 0.0)

    left = max(0, week.limit - week.used)
    if requests <= left:
        return 1, max(now, week.closed_until or now) + lasting(requests)
    after = requests - left
    more_weeks = math.ceil(after / week.limit)
    in_the_last = after - (more_weeks - 1) * week.limit
    return 1 + more_weeks, week.resets_at + timedelta(weeks=more_weeks - 1) + lasting(in_the_last)
