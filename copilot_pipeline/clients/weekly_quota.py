"""The weekly quota of requests, and the reasons for which the rate limiter closes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from copilot_pipeline.errors import QuotaExhausted

# Values of `closed_because` in `copilot_ops.rate_limits`.
PAUSE = "pause"  # a short pause after a 429, waited for by the request itself
SERVER_QUOTA = "server_quota"  # the server reports that the weekly quota is used up
SHARED_KEY = "shared_key"  # the server refuses requests although our own rate is within the limit
RETRY_AFTER = "retry_after"  # the server asked for a wait that is too long to sleep through

_SUMMARIES = {
    SERVER_QUOTA: "the server reports that the weekly quota is used up",
    SHARED_KEY: "another client uses the same key",
    RETRY_AFTER: "the server asked for a long wait",
}
_MESSAGES = {
    SERVER_QUOTA: "the server reports that the weekly quota is used up. It resets at {resets:%Y-%m-%d %H:%M} UTC; "
    "the next request is sent at {opens:%Y-%m-%d %H:%M} UTC. If our own count is lower (see copilot-pipeline budget), "
    "another client uses the same key.",
    SHARED_KEY: "repeated 429s while we stay under our own limit mean that another client uses the same key. The next "
    "request is sent at {opens:%Y-%m-%d %H:%M} UTC. Find the other client, or lower "
    "COPILOT_PIPELINE_REQUESTS_PER_SECOND.",
    RETRY_AFTER: "the server asked for no requests before {opens:%Y-%m-%d %H:%M} UTC.",
}


@dataclass(frozen=True, slots=True)
class WeeklyQuota:
    """Requests of the current week, as one source may use them."""

    starts_on: date
    resets_at: datetime
    used: int
    limit: int
    by_source: dict[str, int]
    closed_until: datetime | None = None  # no request is sent before then
    closed_because: str | None = None  # one of the constants of this module

    @property
    def why_closed(self) -> str | None:
        """The reason in a few words; None while the limiter is open."""
        return None if self.closed_until is None else _SUMMARIES.get(self.closed_because or "", "closed")

    @property
    def is_unconfirmed(self) -> bool:
        """Whether the limiter was closed and has opened again, and no request has succeeded since."""
        return self.closed_until is None and self.closed_because is not None


def week_of(moment: datetime) -> tuple[date, datetime]:
    """Return the Sunday on which the week of a moment began, and when the next week begins (UTC)."""
    today = moment.astimezone(UTC).date()
    start = today - timedelta(days=(today.weekday() + 1) % 7)
    return start, datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=7)


def quota_exhausted(because: str, opens_at: datetime, *, used: int, limit: int) -> QuotaExhausted:
    """Return the error for a request that may not be sent before `opens_at`."""
    if because in _MESSAGES:
        _, resets_at = week_of(opens_at - timedelta(seconds=1))  # `opens_at` may be the reset itself
        return QuotaExhausted(_MESSAGES[because].format(opens=opens_at, resets=resets_at), resets_at=opens_at)
    return QuotaExhausted(
        f"the weekly quota of {limit:,} requests is used up ({used:,} sent). It resets at "
        f"{opens_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC: run the same command again then",
        resets_at=opens_at,
    )
