"""Planning: what a backfill will cost before it starts. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from copilot_pipeline.pacing import Week


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a range of days will take. `calls` is what the list counts; those held already cost nothing."""

    first_day: date
    last_day: date
    calls: int
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
    calls: int,
    held: int,
    page_size: int,
    days_per_run: int,
    requests_per_second: float,
    week: Week,
    now: datetime,
) -> BackfillPlan:
    """`week` is the running week as a backfill may use it: its limit is without the reserve."""
    runs = math.ceil(((last - first).days + 1) / days_per_run)
    listing = max(math.ceil(calls / page_size), runs)
    requests = listing + max(0, calls - held)
    hours = requests / requests_per_second / 3600 if requests_per_second else 0.0
    weeks, done_at = _end(requests, requests_per_second, week, now)
    return BackfillPlan(first, last, calls, held, listing, requests, runs, hours, weeks, done_at)


def _end(requests: int, requests_per_second: float, week: Week, now: datetime) -> tuple[int, datetime]:
    """How many calendar weeks so many requests touch, and when the last one is sent."""

    def lasting(count: int) -> timedelta:
        return timedelta(seconds=count / requests_per_second if requests_per_second else 0.0)

    left = max(0, week.limit - week.used)
    if requests <= left:
        return 1, now + lasting(requests)
    after = requests - left
    more_weeks = math.ceil(after / week.limit)
    in_the_last = after - (more_weeks - 1) * week.limit
    return 1 + more_weeks, week.resets_at + timedelta(weeks=more_weeks - 1) + lasting(in_the_last)
