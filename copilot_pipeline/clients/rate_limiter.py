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

from copilot_pipeline.errors import QuotaExhausted, TemporaryFailure
from copilot_pipeline.postgres import Database

# Slots are a little further apart than the rate asks for: requests reach the server with some jitter, and without room
# for it the eleventh request of a window would now and then arrive within the second. 1.5 % is 15 ms in 10 requests.
SPACING = 1.015
# A worker that wakes this much later than its slot gives the slot up and takes a new one: sent late, it would crowd
# the requests behind it.
LATENESS_TOLERATED_SECONDS = 0.012
# Ten seconds on either side of the turn of the week nobody sends anything: whose clock is a little off does not matter.
QUIET_AT_THE_TURN = timedelta(seconds=10)
# After a 429 with no Retry-After everybody pauses this long; the gateway's own bucket refills within a second.
PAUSE_AFTER_429_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0  # who is asked to wait longer does so in the queue
MOST_COUNTED_AHEAD = 25  # with the pace off; near the end of the week each request is counted by itself
WEEK_IS_SPENT = "Limit Exceeded"  # the gateway's words for the weekly quota, as against "Too Many Requests"

# Refusals that follow each other are not our doing: our own pace gives no cause for them.
REFUSALS_THAT_ARE_NOT_OURS = 12
REFUSED_FOR_SECONDS = 60.0
CLOSE_TOGETHER_SECONDS = 5.0  # from the end of one pause to the next refusal
# The server may be wrong about the week, and who else uses the key may stop: then one request tries again.
TRIED_AGAIN_AFTER = {"server": timedelta(hours=1), "foreign": timedelta(minutes=10)}
SENT_WHEN_TRYING = 16  # a refusal among the first requests after the gate opened closes it again
_IN_A_FEW_WORDS = {
    "server": "the server says the week is spent",
    "foreign": "somebody else uses the key",
    "asked": "the server asks not to be asked",
}
_WHY_CLOSED = {
    "server": "the server says that the week's requests are used up, which is so until {resets:%Y-%m-%d %H:%M} UTC at "
    "the latest; it is asked again at {opens:%Y-%m-%d %H:%M} UTC. If our own count is lower (copilot-pipeline budget), "
    "somebody else uses the same key.",
    "foreign": "the server goes on refusing requests though the pace is kept: somebody else uses the same key. The "
    "pipeline waits until {opens:%Y-%m-%d %H:%M} UTC and tries again; ask who shares the key, or lower "
    "COPILOT_PIPELINE_REQUESTS_PER_SECOND.",
    "asked": "the server asks not to be asked before {opens:%Y-%m-%d %H:%M} UTC.",
}


@dataclass(frozen=True, slots=True)
class WeeklyQuota:
    """The budget of the running week."""

    starts_on: date
    resets_at: datetime
    used: int
    limit: int
    by_source: dict[str, int]
    closed_until: datetime | None = None  # nobody sends anything before that
    # "server": it says the week is spent; "foreign": it refuses what is not ours; "asked": it wants to be left alone.
    closed_because: str | None = None

    @property
    def why_closed(self) -> str | None:
        """In a few words; None where it is open."""
        return None if self.closed_until is None else _IN_A_FEW_WORDS.get(self.closed_because or "", "closed")

    @property
    def is_in_doubt(self) -> bool:
        """The gate was closed and is open again: whether the server still refuses, one request will tell."""
        return self.closed_until is None and self.closed_because is not None


def week_of(moment: datetime) -> tuple[date, datetime]:
    """The Sunday a moment's week began on, and when the next one begins (UTC)."""
    today = moment.astimezone(UTC).date()
    start = today - timedelta(days=(today.weekday() + 1) % 7)
    return start, datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=7)


@dataclass(frozen=True, slots=True)
class _Slot:
    """A reservation: how long until it, and the week it is counted in."""

    wait_seconds: float
    week: date


@dataclass(slots=True)
class _CountedAhead:
    """Requests that are counted already and may be sent without asking."""

    requests: int = 0
    left: int = 0  # of the week, when last asked
    lock: threading.Lock = field(default_factory=threading.Lock)


class RateLimiter:
    """The pace and the budget of one API, as seen through one source. Thread-safe."""

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
        self._database = database
        self._interval = SPACING / requests_per_second if requests_per_second > 0 else 0.0
        self._limit = requests_per_week
        self._source = source
        self._name = name
        self._sleep = sleep
        self._monotonic = monotonic
        self._ahead = _CountedAhead()

    def enter(self, units: int) -> None:
        """Waits for the next free slot. Raises `QuotaExhausted` when the week has none left."""
        if not self._interval:
            self._count(units)
            return
        counted_in: date | None = None
        while True:
            slot = self._take(units, 0 if counted_in else units, counted_in)
            counted_in = slot.week
            due = self._monotonic() + slot.wait_seconds
            if slot.wait_seconds <= 0:
                return
            self._sleep(slot.wait_seconds)
            if self._monotonic() - due <= LATENESS_TOLERATED_SECONDS:
                return

    def _count(self, units: int) -> None:
        """With the pace off, requests are counted some ahead, so that counting does not set a pace of its own.

        A process that dies leaves the few it counted and did not send: the count is never too low.
        """
        with self._ahead.lock:
            if self._ahead.requests < units:
                bulk = max(units, min(MOST_COUNTED_AHEAD, self._ahead.left // 100))
                self._sleep(self._take(bulk, bulk, None).wait_seconds)
                self._ahead.requests += bulk
            self._ahead.requests -= units

    def _take(self, units: int, counted: int, counted_in: date | None) -> _Slot:
        """The next free slot, as soon as there is one. What was counted in another week is counted in this one too."""
        while True:
            with self._database.connection() as connection:
                row = connection.execute(
                    "SELECT wait_seconds, is_granted, week, used, opens_at, because"
                    " FROM copilot_ops.acquire_slot(%s, %s, %s, %s, %s, %s, %s)",
                    (self._name, self._source, units, counted, self._interval, self._limit, QUIET_AT_THE_TURN),
                ).fetchone()
            if row is None:
                raise TemporaryFailure("the pace could not be read from the database")
            wait, is_granted, week, used, opens_at, because = row
            self._ahead.left = self._limit - used
            if is_granted:
                if counted_in not in (None, week):
                    counted, counted_in = units, None
                    continue
                return _Slot(float(wait), week)
            if because != "pause":
                raise self._closed(because, opens_at, used)
            self._sleep(float(wait))

    def _closed(self, because: str, opens_at: datetime, used: int) -> QuotaExhausted:
        if because in _WHY_CLOSED:
            _, resets_at = week_of(opens_at - timedelta(seconds=1))  # it may open at the turn itself
            return QuotaExhausted(_WHY_CLOSED[because].format(opens=opens_at, resets=resets_at), resets_at=opens_at)
        return QuotaExhausted(
            f"the week's budget of {self._limit:,} requests is spent ({used:,} used): "
            f"it resets at {opens_at:%Y-%m-%d %H:%M} UTC; run the same command again then",
            resets_at=opens_at,
        )

    def throttled(self, retry_after_seconds: float | None, code: str | None) -> None:
        """Everybody pauses after a 429.

        Where the server says that the week is spent, where it goes on refusing though we keep the pace (somebody else
        uses the same key), and where it asks for a long wait, the gate closes and says why. One refusal alone never
        closes it for long: after an hour at most a request tries again, and if it is refused the gate closes again.
        """
        with self._database.transaction() as connection:
            self._ahead.requests = 0  # the next request asks the database again, and hears of the pause there
            connection.execute(
                "INSERT INTO copilot_ops.rate_limits (name) VALUES (%s) ON CONFLICT DO NOTHING", (self._name,)
            )
            row = connection.execute(
                """UPDATE copilot_ops.rate_limits SET
                  refusals = CASE WHEN follows THEN refusals + 1 ELSE 1 END,
                  refused_since = CASE WHEN follows THEN refused_since ELSE now_at END
                FROM (SELECT clock_timestamp() AS now_at, closed_because AS was_closed,
                        clock_timestamp() < closed_until + make_interval(secs => %s) AS follows,
                        closed_until < clock_timestamp()
                          AND week_requests BETWEEN requests_when_closed AND requests_when_closed + %s AS is_trying
                      FROM copilot_ops.rate_limits WHERE name = %s FOR UPDATE) AS before
                WHERE name = %s
                RETURNING refusals, extract(epoch FROM now_at - refused_since), now_at, was_closed, is_trying""",
                (CLOSE_TOGETHER_SECONDS, SENT_WHEN_TRYING, self._name, self._name),
            ).fetchone()
            assert row is not None
            refusals, refused_for, now, was_closed, is_trying = row
            pause = timedelta(seconds=retry_after_seconds or PAUSE_AFTER_429_SECONDS)
            _, resets_at = week_of(now)
            if code == WEEK_IS_SPENT:
                because = "server"
            elif pause.total_seconds() > LONGEST_PAUSE_SECONDS:
                because = "asked"
            elif is_trying and was_closed in TRIED_AGAIN_AFTER:
                because = was_closed
            elif refusals >= REFUSALS_THAT_ARE_NOT_OURS or refused_for > REFUSED_FOR_SECONDS:
                because = "foreign"
            else:
                because = "pause"
            until = now + max(pause, TRIED_AGAIN_AFTER.get(because, pause))
            if because == "server":
                until = min(until, resets_at)
            connection.execute(
                """UPDATE copilot_ops.rate_limits SET
                  closed_because = CASE WHEN closed_until < %(until)s THEN %(because)s ELSE closed_because END,
                  requests_when_closed = CASE WHEN %(because)s = 'pause' THEN requests_when_closed
                                              ELSE week_requests END,
                  closed_until = greatest(closed_until, %(until)s)
                WHERE name = %(name)s""",
                {"name": self._name, "until": until, "because": because},
            )
        if because != "pause":
            raise self._closed(because, until, 0)

    def trust(self) -> None:
        """A request was answered after the gate had been closed: it is open without a doubt."""
        with self._database.connection() as connection:
            connection.execute(
                """UPDATE copilot_ops.rate_limits SET closed_because = NULL
                WHERE name = %s AND closed_until <= clock_timestamp()""",
                (self._name,),
            )

    def week(self) -> WeeklyQuota:
        """How much of the running week is used, by source. The week is that of the database, whose clock all share."""
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT now_at, source, requests FROM (SELECT clock_timestamp() AS now_at) AS clock
                LEFT JOIN copilot_ops.request_counts
                  ON name = %s AND week_start = copilot_ops.week_of(now_at) ORDER BY source""",
                (self._name,),
            ).fetchall()
            closed = connection.execute(
                """SELECT CASE WHEN closed_until > clock_timestamp() THEN closed_until END, closed_because
                FROM copilot_ops.rate_limits WHERE name = %s AND closed_because <> 'pause'
                  AND (closed_until > clock_timestamp()
                    OR week_requests BETWEEN requests_when_closed AND requests_when_closed + %s)""",
                (self._name, SENT_WHEN_TRYING),
            ).fetchone()
        start, resets_at = week_of(rows[0][0])
        by_source = {str(source): int(requests) for _, source, requests in rows if source is not None}
        return WeeklyQuota(start, resets_at, sum(by_source.values()), self._limit, by_source, *(closed or (None, None)))
