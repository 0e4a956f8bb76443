"""The rate limiter of the Clari Copilot API, shared by all processes and machines through PostgreSQL.

The vendor allows 10 requests a second and 100,000 a week (from Sunday 00:00 UTC) for the whole workspace, so the state
is one row in the database. Reserving a slot is one statement: GCRA without bursts, whose whole state is the time of the
next free slot. `docs/adr/0001-rate-limiter.md` names the alternatives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from psycopg.rows import class_row, dict_row

from copilot_pipeline.clients.weekly_quota import (
    PAUSE,
    RETRY_AFTER,
    SERVER_QUOTA,
    SHARED_KEY,
    WeeklyQuota,
    quota_exhausted,
    week_of,
)
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries

_SQL = load_queries(__package__, "rate_limiter.sql")

# Slots are 1.5 % further apart than the rate requires, 15 ms in 10 requests. Requests reach the server with some
# jitter, and without this margin the eleventh of a window would sometimes arrive within the same second.
SPACING = 1.015
# A thread that wakes up later than this after its slot reserves a new one: a late request would be too close to the
# next one.
MAX_LATENESS_SECONDS = 0.012
# No request is sent this close to the start of a week, so that clock differences with the server do not matter.
QUIET_AT_RESET = timedelta(seconds=10)
# With the rate switched off (sandbox, tests) requests are counted in blocks: one round trip per request costs CPU time.
# Extracting 2,002 calls takes 5.9 s of it with a round trip each, and 5.2 s with blocks of 25.
COUNTED_BLOCK = 25
PAUSE_AFTER_429_SECONDS = 1.0  # without Retry-After; the gateway's own bucket refills within a second
MAX_PAUSE_SECONDS = 60.0  # longer waits close the limiter, and runs wait in the queue of Dagster
QUOTA_MESSAGE = "Limit Exceeded"  # the gateway's message for the weekly quota, as opposed to "Too Many Requests"

# Repeated 429s while we stay under our own limit mean that another client uses the key.
MAX_429S_IN_A_ROW = 12
MAX_429_SECONDS = 60.0
IN_A_ROW_SECONDS = 5.0  # from the end of one pause to the next 429
# The server may be wrong about the week, and another client may stop: after this time one request tries again.
RETRY_INTERVALS = {SERVER_QUOTA: timedelta(hours=1), SHARED_KEY: timedelta(minutes=10)}
TRIAL_REQUESTS = 16  # a 429 among the first requests after the limiter opened closes it again


@dataclass(frozen=True, slots=True)
class _Slot:
    """A reserved slot, or why there is none: `week` is null if not granted, `opens_at` and `because` if granted."""

    wait_seconds: float
    is_granted: bool
    week: date
    used: int
    opens_at: datetime
    because: str


@dataclass(frozen=True, slots=True)
class _Throttled:
    """The state of the limit after one more 429."""

    throttle_count: int
    throttled_seconds: float
    now_at: datetime
    was_closed_because: str | None
    is_on_trial: bool

    def reason(self, pause: timedelta, code: str | None) -> str:
        """Return why the limiter closes."""
        if code == QUOTA_MESSAGE:
            return SERVER_QUOTA
        if pause.total_seconds() > MAX_PAUSE_SECONDS:
            return RETRY_AFTER
        if self.is_on_trial and self.was_closed_because in RETRY_INTERVALS:
            return self.was_closed_because
        if self.throttle_count >= MAX_429S_IN_A_ROW or self.throttled_seconds > MAX_429_SECONDS:
            return SHARED_KEY
        return PAUSE


class RateLimiter:
    """The rate and the weekly quota of one API, used by one source. Thread-safe."""

    def __init__(
        self,
        database: Database,
        *,
        requests_per_second: float,
        requests_per_week: int,
        source: str,
        name: str = "clari",
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`requests_per_second` 0 switches the rate off; requests are still counted against the quota."""
        self._database = database
        self._interval_seconds = SPACING / requests_per_second if requests_per_second > 0 else 0.0
        self._requests_per_week = requests_per_week
        self._source = source
        self._name = name
        self._sleep = sleep
        self._monotonic = monotonic
        self._block_lock = threading.Lock()
        self._block_left = 0
        self._block_throttles = 0  # how often a 429 had been received when the block was counted
        self._throttles = 0
        self._quota_left = 0

    def acquire(self, units: int = 1) -> None:
        """Wait for the next free slot. Raises `QuotaExhausted` if the quota is used up."""
        if not self._interval_seconds:
            self._count_in_blocks(units)
            return
        counted_in: date | None = None
        while True:
            slot = self._reserve(units, counted_in)
            counted_in = slot.week
            if slot.wait_seconds <= 0:
                return
            slot_at = self._monotonic() + slot.wait_seconds
            self._sleep(slot.wait_seconds)
            if self._monotonic() - slot_at <= MAX_LATENESS_SECONDS:
                return

    def _count_in_blocks(self, units: int) -> None:
        """Count requests in advance, one by one near the end of the quota. A crash leaves a few that are not sent."""
        with self._block_lock:
            throttles = self._throttles
            if self._block_throttles != throttles:  # so that this request reads the pause from the database
                self._block_left = 0
            if self._block_left < units:
                block = max(units, min(COUNTED_BLOCK, self._quota_left // 100))
                slot = self._reserve(block, None)
                self._sleep(slot.wait_seconds)
                self._quota_left = self._requests_per_week - slot.used
                self._block_left += block
                self._block_throttles = throttles
            self._block_left -= units

    def _reserve(self, units: int, counted_in: date | None) -> _Slot:
        """Return the next free slot. A request that was counted in another week is counted again."""
        counted = units if counted_in is None else 0
        while True:
            slot = self._next_slot(units, counted)
            if not slot.is_granted:
                if slot.because != PAUSE:
                    raise quota_exhausted(slot.because, slot.opens_at, used=slot.used, limit=self._requests_per_week)
                self._sleep(slot.wait_seconds)
            elif counted_in not in (None, slot.week):
                counted, counted_in = units, None
            else:
                return slot

    def _next_slot(self, units: int, counted: int) -> _Slot:
        values = {
            "name": self._name,
            "source": self._source,
            "units": units,
            "counted": counted,
            "interval_seconds": self._interval_seconds,
            "requests_per_week": self._requests_per_week,
            "quiet": QUIET_AT_RESET,
        }
        with self._database.connection() as connection, connection.cursor(row_factory=class_row(_Slot)) as cursor:
            slot = cursor.execute(_SQL["acquire_slot"], values).fetchone()
        assert slot is not None  # the function returns one row
        return slot

    def on_throttled(self, retry_after_seconds: float | None, code: str | None) -> None:
        """Make all processes pause after a 429.

        Raises `QuotaExhausted` and closes the limiter if the server reports that the quota is used up, requests a long
        wait, or refuses repeatedly although the rate is within the limit. It opens again after an hour at most; if the
        next request is refused, it closes again.
        """
        pause = timedelta(seconds=retry_after_seconds or PAUSE_AFTER_429_SECONDS)
        values: dict[str, Any] = {
            "name": self._name,
            "in_a_row_seconds": IN_A_ROW_SECONDS,
            "trial_requests": TRIAL_REQUESTS,
        }
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(_Throttled)) as cursor:
            connection.execute(_SQL["add_limit"], values)
            throttled = cursor.execute(_SQL["count_429"], values).fetchone()
            assert throttled is not None
            because = throttled.reason(pause, code)
            until = throttled.now_at + max(pause, RETRY_INTERVALS.get(because, pause))
            if because == SERVER_QUOTA:
                until = min(until, week_of(throttled.now_at)[1])
            connection.execute(_SQL["close"], {"name": self._name, "until": until, "because": because})
        self._throttles += 1  # after the commit, so that no block of an earlier state is used from now on
        if because != PAUSE:
            raise quota_exhausted(because, until, used=0, limit=self._requests_per_week)

    def confirm_open(self) -> None:
        """Record that a request succeeded after the limiter had been closed."""
        with self._database.connection() as connection:
            connection.execute(_SQL["confirm_open"], {"name": self._name})

    def quota(self) -> WeeklyQuota:
        """Return the use of the current week, by the clock of the database, which all processes share."""
        values = {"name": self._name, "trial_requests": TRIAL_REQUESTS}
        with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            counts = cursor.execute(_SQL["count_by_source"], values).fetchall()
            closed = cursor.execute(_SQL["closed"], values).fetchone() or {}
        starts_on, resets_at = week_of(counts[0]["now_at"])
        by_source = {count["source"]: int(count["requests"]) for count in counts if count["source"] is not None}
        used = sum(by_source.values())
        return WeeklyQuota(starts_on, resets_at, used, self._requests_per_week, by_source, **closed)
