"""The plan of a backfill: requests, runs, weeks and the end."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from copilot_pipeline.clients.weekly_quota import WeeklyQuota
from copilot_pipeline.extract.backfill_plan import BackfillPlan, pages_of, plan_backfill

NOW = datetime(2026, 3, 5, tzinfo=UTC)  # a Thursday


def plan(
    calls: list[float], *, ready: int, fetched: int = 0, used: int = 0, closed_until: datetime | None = None
) -> BackfillPlan:
    """A plan of two runs at 9 requests a second, of 1,000 requests a week."""
    quota = WeeklyQuota(date(2026, 3, 1), datetime(2026, 3, 8, tzinfo=UTC), used, 1000, {}, closed_until)
    return plan_backfill(
        date(2026, 1, 1),
        date(2026, 1, 14),
        calls=calls,
        ready=ready,
        fetched=fetched,
        page_size=100,
        requests_per_second=9,
        quota=quota,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("ready", "used", "weeks", "days_later"),
    [(500, 0, 1, 0), (900, 100, 2, 3), (2500, 0, 3, 10), (0, 1000, 2, 3)],
)
def test_a_plan_counts_requests_and_calendar_weeks(ready: int, used: int, weeks: int, days_later: int) -> None:
    """Requests are the pages of each run and the details to fetch. The last week does not begin before its reset."""
    made = plan([ready, 150], ready=ready, used=used)
    assert made.runs == 2
    assert made.list_requests == max(1, -(-ready // 100)) + 2
    assert made.requests == made.list_requests + ready
    assert made.weeks == weeks
    assert (made.expected_end - NOW).days == days_later


def test_stored_calls_cost_no_request() -> None:
    """Only details that are not stored are fetched."""
    assert plan([300, 300], ready=500, fetched=480).requests == 6 + 20


def test_the_end_is_counted_from_the_opening_of_the_rate_limiter() -> None:
    """A closed limiter delays the end."""
    opens_at = datetime(2026, 3, 6, tzinfo=UTC)
    assert plan([100, 100], ready=10, closed_until=opens_at).expected_end > opens_at


@pytest.mark.parametrize(
    ("calls", "pages"),
    [
        (0, 1),
        (1, 1),
        (100, 1),
        (101, 2),
        (250.5, 3.005),
        (10_000, 100),
        (10_100, 1 + 2 * 51),
        (30_000, 1 + 2 * (1 + 2 * 75)),
    ],
)
def test_counts_the_pages_of_a_window(calls: float, pages: float) -> None:
    """An empty window costs one request, and one beyond paging its first page and the pages of its halves."""
    assert pages_of(calls, 100) == pytest.approx(pages)
