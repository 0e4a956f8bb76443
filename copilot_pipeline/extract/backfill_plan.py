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
    """What a range of days costs.

    `calls` is the number of listed calls, `ready` of those that can be fetched, `fetched` of those that are stored and
    cost nothing. `runs` is the number of Dagster runs, `weeks` of calendar weeks in which requests are sent.
    """

    first_day: date
    last_day: date
    calls: int
    ready: int
    fetched: int
    list_requests: int
    requests: int
    runs: int
    hours_at_rate_limit: float
    weeks: int
    expected_end: datetime

    @property
    def days(self) -> int:
        """The number of days, both ends included."""
        return (self.last_day - self.first_day).days + 1


def plan_backfill(
    first: date,
    last: date,
    *,
    calls: Sequence[float],
    ready: int,
    fetched: int,
    page_size: int,
    requests_per_second: float,
    quota: WeeklyQuota,
    now: datetime,
) -> BackfillPlan:
    """Return the plan of a range. `calls` are those of each run; `quota` is that of backfills, without the reserve."""
    listing = math.ceil(sum(pages_of(count, page_size) for count in calls))
    requests = listing + max(0, ready - fetched)
    weeks, expected_end = end_of(requests, requests_per_second, quota, now)
    return BackfillPlan(
        first_day=first,
        last_day=last,
        calls=round(sum(calls)),
        ready=ready,
        fetched=fetched,
        list_requests=listing,
        requests=requests,
        runs=len(calls),
        hours_at_rate_limit=requests / requests_per_second / 3600 if requests_per_second else 0.0,
        weeks=weeks,
        expected_end=expected_end,
    )


def pages_of(calls: float, page_size: int) -> float:
    """Return the list requests of a window. If `calls` is an average, half a page is added for the last one."""
    if calls > MAX_WINDOW_CALLS:
        return 1 + 2 * pages_of(calls / 2, page_size)
    return max(1.0, math.ceil(calls / page_size) if calls == int(calls) else calls / page_size + 0.5)


def end_of(requests: int, requests_per_second: float, quota: WeeklyQuota, now: datetime) -> tuple[int, datetime]:
    """Return the number of calendar weeks in which the requests are sent, and when the last one is sent."""

    def duration_of(count: int) -> timedelta:
        return timedelta(seconds=count / requests_per_second if requests_per_second else 0.0)

    remaining = max(0, quota.limit - quota.used)
    if requests <= remaining:
        return 1, max(now, quota.closed_until or now) + duration_of(requests)
    later_requests = requests - remaining
    later_weeks = math.ceil(later_requests / quota.limit)
    in_last_week = later_requests - (later_weeks - 1) * quota.limit
    return 1 + later_weeks, quota.resets_at + timedelta(weeks=later_weeks - 1) + duration_of(in_last_week)
