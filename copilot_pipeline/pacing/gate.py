"""The gate every Clari Copilot request passes: a reserved slot of the shared pace, counted against the week.

The vendor allows 10 requests a second and 100,000 a week from Sunday 00:00 UTC, for the workspace as a whole. So the
state is a row in PostgreSQL that every process on every machine draws from. A reservation is one statement: GCRA with
no burst, whose whole state is the time of the next free slot.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from copilot_pipeline.database import Database
from copilot_pipeline.errors import BudgetSpent, TemporaryFailure

# Slots are a little further apart than the rate asks for: requests reach the server with some jitter, and without room
# for it the eleventh request of a window would now and then arrive within the second. 1.5 % is 15 ms in 10 requests.
SPACING = 1.015
# A worker that wakes this much later than its slot gives the slot up and takes a new one: sent late, it would crowd
# the requests behind it.
LATENESS_TOLERATED_SECONDS = 0.012
# After a 429 with no Retry-After everybody pauses this long; the gateway's own bucket refills within a second.
PAUSE_AFTER_429_SECONDS = 1.0
MOST_COUNTED_AHEAD = 25  # with the pace off; near the end of the week each request is counted by itself
WEEK_IS_SPENT = "Limit Exceeded"  # the gateway's words for the weekly quota, as against "Too Many Requests"


REFUSALS_THAT_ARE_NOT_OURS = 12  # in a minute; our own pace gives cause for none
FOREIGN_PAUSE_SECONDS = 600.0
_WHY_CLOSED = {
    "server": "the server says that the week's requests are used up; they reset at {:%Y-%m-%d %H:%M} UTC. If our own "
    "count is lower (copilot-pipeline budget), somebody else uses the same key.",
    "foreign": "the server goes on refusing requests though the pace is kept: somebody else uses the same key. The "
    "pipeline waits until {:%Y-%m-%d %H:%M} UTC and tries again; ask who shares the key, or lower "
    "COPILOT_PIPELINE_REQUESTS_PER_SECOND.",
}


@dataclass(frozen=True, slots=True)
class Week:
    """The budget of the running week."""

    starts_on: date
    resets_at: datetime
    used: int
    limit: int
    by_door: dict[str, int]
    closed_until: datetime | None = None  # nobody sends anything before that
    closed_because: str | None = None  # "server": it says the week is spent; "foreign": it refuses what is not ours


def week_of(moment: datetime) -> tuple[date, datetime]:
    """The Sunday a moment's week began on, and when the next one begins (UTC)."""
    today = moment.astimezone(UTC).date()
    start = today - timedelta(days=(today.weekday() + 1) % 7)
    return start, datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=7)


@dataclass(slots=True)
class _CountedAhead:
    """Requests that are counted already and may be sent without asking."""

    requests: int = 0
    left: int = 0  # of the week, when last asked
    lock: threading.Lock = field(default_factory=threading.Lock)


class SharedGate:
    """The pace and the budget of one API, as seen through one door. Thread-safe."""

    def __init__(
        self,
        database: Database,
        *,
        requests_per_second: float,
        requests_per_week: int,
        door: str,
        name: str = "clari",
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._interval = SPACING / requests_per_second if requests_per_second > 0 else 0.0
        self._limit = requests_per_week
        self._door = door
        self._name = name
        self._sleep = sleep
        self._monotonic = monotonic
        self._ahead = _CountedAhead()

    def enter(self, units: int) -> None:
        """Waits for the next free slot. Raises `BudgetSpent` when the week has none left."""
        if not self._interval:
            self._count(units)
            return
        counted = units
        while True:
            wait = self._take(units, counted)
            if wait <= 0:
                return
            due = self._monotonic() + wait
            self._sleep(wait)
            if self._monotonic() - due <= LATENESS_TOLERATED_SECONDS:
                return
            counted = 0

    def _count(self, units: int) -> None:
        """With the pace off, requests are counted some ahead, so that counting does not set a pace of its own.

        A process that dies leaves the few it counted and did not send: the count is never too low.
        """
        with self._ahead.lock:
            if self._ahead.requests < units:
                bulk = max(units, min(MOST_COUNTED_AHEAD, self._ahead.left // 100))
                while (wait := self._take(bulk, bulk)) > 0:
                    self._sleep(wait)
                self._ahead.requests += bulk
            self._ahead.requests -= units

    def _take(self, units: int, counted: int) -> float:
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT wait_seconds, is_granted, used, opens_at, because"
                " FROM copilot_ops.take_slot(%s, %s, %s, %s, %s, %s)",
                (self._name, self._door, units, counted, self._interval, self._limit),
            ).fetchone()
        if row is None:
            raise TemporaryFailure("the pace could not be read from the database")
        wait, granted, used, opens_at, because = row
        self._ahead.left = self._limit - used
        if granted:
            return float(wait)
        if because == "pause":
            return max(0.05, float((opens_at - datetime.now(UTC)).total_seconds()))
        if because in _WHY_CLOSED:
            raise BudgetSpent(_WHY_CLOSED[because].format(opens_at), resets_at=opens_at)
        raise BudgetSpent(
            f"the week's budget of {self._limit:,} requests is spent ({used:,} used): "
            f"it resets at {opens_at:%Y-%m-%d %H:%M} UTC; run the same command again then",
            resets_at=opens_at,
        )

    def throttled(self, retry_after_seconds: float | None, code: str | None) -> None:
        """Everybody pauses after a 429.

        Where the server says that the week is spent, the gate closes until the reset. Where it goes on refusing though
        we keep the pace, somebody else uses the same key: the gate closes for a while and says so.
        """
        self._ahead.requests = 0  # the next request asks the database again, and hears of the pause there
        now = datetime.now(UTC)
        _, resets_at = week_of(now)
        pause = timedelta(seconds=retry_after_seconds or PAUSE_AFTER_429_SECONDS)
        if code == WEEK_IS_SPENT:
            until, because = resets_at, "server"
        elif self._count_refusal() >= REFUSALS_THAT_ARE_NOT_OURS:
            until, because = now + max(pause, timedelta(seconds=FOREIGN_PAUSE_SECONDS)), "foreign"
        else:
            until, because = now + pause, "pause"
        with self._database.connection() as connection:
            connection.execute(
                """INSERT INTO copilot_ops.pace AS pace (name, closed_until, closed_because) VALUES (%s, %s, %s)
                ON CONFLICT (name) DO UPDATE SET
                  closed_because = CASE WHEN excluded.closed_until > pace.closed_until
                                        THEN excluded.closed_because ELSE pace.closed_because END,
                  closed_until = greatest(pace.closed_until, excluded.closed_until)""",
                (self._name, until, because),
            )
        if because != "pause":
            raise BudgetSpent(_WHY_CLOSED[because].format(until), resets_at=until)

    def _count_refusal(self) -> int:
        """Answers of 429 within a minute, this one included."""
        with self._database.connection() as connection:
            row = connection.execute(
                """INSERT INTO copilot_ops.pace AS pace (name, refused_since, refusals) VALUES (%s, now(), 1)
                ON CONFLICT (name) DO UPDATE SET
                  refusals = CASE WHEN pace.refused_since > now() - interval '1 minute'
                                  THEN pace.refusals + 1 ELSE 1 END,
                  refused_since = CASE WHEN pace.refused_since > now() - interval '1 minute'
                                       THEN pace.refused_since ELSE now() END
                RETURNING refusals""",
                (self._name,),
            ).fetchone()
        return int(row[0]) if row else 1

    def week(self) -> Week:
        """How much of the running week is used, by door."""
        start, resets_at = week_of(datetime.now(UTC))
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT door, requests FROM copilot_ops.request_counts"
                " WHERE name = %s AND week_start = %s ORDER BY door",
                (self._name, start),
            ).fetchall()
            closed = connection.execute(
                """SELECT closed_until, closed_because FROM copilot_ops.pace
                WHERE name = %s AND closed_until > now() AND closed_because <> 'pause'""",
                (self._name,),
            ).fetchone()
        by_door = {str(door): int(requests) for door, requests in rows}
        return Week(start, resets_at, sum(by_door.values()), self._limit, by_door, *(closed or (None, None)))
