"""The rate and the weekly quota that all processes share."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from threading import Event

import pytest

from copilot_pipeline.clients.rate_limiter import RateLimiter
from copilot_pipeline.clients.weekly_quota import week_of
from copilot_pipeline.errors import QuotaExhausted
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.session import SESSION_SETTINGS
from copilot_pipeline_tests.processes import running_process

pytestmark = [pytest.mark.alone, pytest.mark.e2e]

# Prints the times at which requests would be sent, by the clock that all processes share.
_WORKER = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from copilot_pipeline.postgres import Database
from copilot_pipeline.clients.rate_limiter import RateLimiter
url, rate = sys.argv[1], float(sys.argv[2])
limiter = RateLimiter(Database(url), requests_per_second=rate, requests_per_week=100_000, source="test")
def work(_):
    sent = []
    while time.time() < until:
        limiter.acquire(1)
        sent.append(time.time())
    return sent
with ThreadPoolExecutor(3) as pool:
    list(pool.map(limiter.acquire, [1] * 3))  # opens the connections
    print("started", flush=True)
    until = float(sys.stdin.readline())
    for sent in pool.map(work, range(3)):
        print(*sent)
"""


def limiter(database: Database, *, rate: float = 0, per_week: int = 100_000, source: str = "test") -> RateLimiter:
    """A rate limiter, without a rate by default."""
    return RateLimiter(database, requests_per_second=rate, requests_per_week=per_week, source=source)


def test_four_processes_share_one_rate(database: Database) -> None:
    """Four processes together never exceed the rate in any second, and use at least 97 % of it."""
    rate = 20
    command = [sys.executable, "-c", _WORKER, database.url, str(rate)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with ExitStack() as stack:
        workers = [stack.enter_context(running_process(command, **pipes)) for _ in range(4)]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "started\n"
        until = time.time() + 7
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write(f"{until}\n")
            worker.stdin.flush()
        outputs = [worker.communicate(timeout=60)[0] for worker in workers]
    sent = sorted(float(moment) for output in outputs for moment in output.split())
    # Not the first second, in which some have not read when to end, and not the last one, in which some have ended.
    steady = [moment for moment in sent if until - 6 <= moment < until - 1]
    busiest = max(sum(start <= moment < start + 1 for moment in sent) for start in sent)
    assert busiest <= rate
    assert len(steady) >= 0.97 * rate * 5


def test_counts_requests_by_source(database: Database) -> None:
    """The quota shows how many requests each source has sent."""
    for _ in range(3):
        limiter(database, source="manual").acquire(1)
    limiter(database, source="schedule").acquire(2)
    quota = limiter(database).quota()
    assert quota.by_source == {"manual": 3, "schedule": 2}
    assert quota.used == 5


def test_never_exceeds_the_quota(database: Database) -> None:
    """The request that would exceed the quota is refused, and the error states when the quota resets."""
    tight = limiter(database, per_week=3)
    for _ in range(3):
        tight.acquire(1)
    with pytest.raises(QuotaExhausted) as caught:
        tight.acquire(1)
    assert caught.value.resets_at == week_of(datetime.now(UTC))[1]
    assert tight.quota().used == 3


def test_closes_for_all_processes_when_the_server_reports_the_quota(database: Database) -> None:
    """After one response that the quota is used up, no source sends another request."""
    with pytest.raises(QuotaExhausted):
        limiter(database).on_throttled(None, "Limit Exceeded")
    with pytest.raises(QuotaExhausted):
        limiter(database, source="other").acquire(1)


class Clock:
    """A clock that the test sets: a function of the same name that the database finds before its own."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self._database = database
        self._opened: list[Database] = []
        with database.connection() as connection:
            connection.execute(
                """CREATE SCHEMA test_clock;
                CREATE TABLE test_clock.is_ahead (by interval);
                INSERT INTO test_clock.is_ahead VALUES ('0');
                CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
                $$ SELECT pg_catalog.clock_timestamp() + by FROM test_clock.is_ahead $$"""
            )
        monkeypatch.setitem(SESSION_SETTINGS, "search_path", "test_clock, pg_catalog, public")

    def set(self, moment: datetime) -> Database:
        """Set the time for new connections, and return a database with such connections."""
        with self._database.connection() as connection:
            connection.execute(
                "UPDATE test_clock.is_ahead SET by = %s - pg_catalog.clock_timestamp()",
                (moment,),
            )
        self._opened.append(Database(self._database.url))
        return self._opened[-1]

    def close(self) -> None:
        """Close the databases."""
        for opened in self._opened:
            opened.close()


@pytest.fixture
def clock(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The clock of the database."""
    made = Clock(database, monkeypatch)
    yield made
    made.close()


RESET = datetime(2026, 11, 29, tzinfo=UTC)  # a Sunday


@pytest.mark.parametrize(
    ("seconds", "waits", "week"),
    [(-11, 0, -7), (-9, 19, 0), (0, 10, 0), (9, 1, 0), (11, 0, 0)],
)
def test_sends_no_request_around_the_weekly_reset(clock: Clock, seconds: int, waits: int, week: int) -> None:
    """Within ten seconds of the reset a request waits, and is counted in the week in which it is sent."""
    there = clock.set(RESET + timedelta(seconds=seconds))
    slept: list[float] = []
    shared = RateLimiter(
        there,
        requests_per_second=9,
        requests_per_week=5,
        source="test",
        sleep=slept.append,
        monotonic=lambda: 0.0,
    )
    shared.acquire(1)
    assert sum(slept) == pytest.approx(waits, abs=0.9)
    with there.connection() as connection:
        counted = connection.execute("SELECT week_start, requests FROM copilot_ops.request_counts").fetchall()
    assert counted == [(RESET.date() + timedelta(days=week), 1)]


def test_the_quota_resets_on_sunday(clock: Clock) -> None:
    """A quota that was used up on Saturday is available again on Sunday, by the clock of the database."""
    saturday = limiter(clock.set(RESET - timedelta(hours=1)), per_week=1)
    saturday.acquire(1)
    with pytest.raises(QuotaExhausted) as caught:
        saturday.acquire(1)
    assert caught.value.resets_at == RESET
    sunday = limiter(clock.set(RESET + timedelta(minutes=1)), per_week=1)
    assert (sunday.quota().used, sunday.quota().starts_on) == (0, RESET.date())
    sunday.acquire(1)


def test_requests_after_a_pause_are_counted_and_spaced(database: Database) -> None:
    """Requests that waited for the same pause continue one slot after the other, each counted."""
    spaced = limiter(database, rate=20)
    began = time.monotonic()  # before the pause, which then ends 0.3 s later or more
    spaced.on_throttled(0.3, None)

    def send(_: int) -> float:
        spaced.acquire(1)
        return time.monotonic() - began

    with ThreadPoolExecutor(8) as pool:
        sent = sorted(pool.map(send, range(8)))
    assert sent[0] >= 0.29
    assert sent[-1] - sent[0] >= 7 * 0.05
    assert spaced.quota().used == 8


def test_tries_again_one_hour_after_the_server_reported_the_quota(clock: Clock) -> None:
    """One request is sent an hour later. If it is refused, for whatever reason, the limiter closes for another hour; if
    it succeeds, the limiter is open."""
    now = RESET + timedelta(days=3)
    with pytest.raises(QuotaExhausted, match="uses the same key"):
        limiter(clock.set(now)).on_throttled(None, "Limit Exceeded")
    with pytest.raises(QuotaExhausted):
        limiter(clock.set(now + timedelta(minutes=59))).acquire(1)
    later = limiter(clock.set(now + timedelta(minutes=61)))
    assert later.quota().is_unconfirmed
    later.acquire(1)
    with pytest.raises(QuotaExhausted):
        later.on_throttled(None, "Too Many Requests")
    much_later = limiter(clock.set(now + timedelta(minutes=130)))
    much_later.acquire(1)
    much_later.confirm_open()
    assert not much_later.quota().is_unconfirmed
    much_later.on_throttled(None, "Too Many Requests")
    assert much_later.quota().closed_until is None


def test_never_closes_beyond_the_weekly_reset(clock: Clock) -> None:
    """If the server reports the quota shortly before the reset, the limiter opens at the reset."""
    with pytest.raises(QuotaExhausted) as caught:
        limiter(clock.set(RESET - timedelta(minutes=5))).on_throttled(None, "Limit Exceeded")
    assert caught.value.resets_at == RESET


def test_repeated_429s_mean_that_another_client_uses_the_key(database: Database) -> None:
    """Without a success between them, they close the limiter with that reason."""
    alone = limiter(database)
    for _ in range(11):
        alone.on_throttled(0.01, "Too Many Requests")
    with pytest.raises(QuotaExhausted, match="another client uses the same key"):
        alone.on_throttled(0.01, "Too Many Requests")
    assert alone.quota().closed_because == "shared_key"


def test_closes_instead_of_sleeping_through_a_long_wait(database: Database) -> None:
    """If the server requests an hour, requests of all sources raise an error instead of sleeping."""
    with pytest.raises(QuotaExhausted, match="asked for no requests before"):
        limiter(database).on_throttled(3600, None)
    with pytest.raises(QuotaExhausted):
        limiter(database, source="other").acquire(1)


def test_requests_that_were_counted_in_advance_are_not_sent_after_a_429(database: Database) -> None:
    """Also if another thread receives the 429 while they are counted."""
    refused = Event()

    def receive_429(_: float) -> None:
        if refused.is_set():
            with pytest.raises(QuotaExhausted):
                shared.on_throttled(86_400, None)

    shared = RateLimiter(database, requests_per_second=0, requests_per_week=100_000, source="test", sleep=receive_429)
    shared.acquire()  # reads the use of the quota
    refused.set()
    shared.acquire()  # counts many requests; the limiter closes before they are used
    with pytest.raises(QuotaExhausted):
        shared.acquire()


def test_a_429_pauses_all_sources(database: Database) -> None:
    """After a 429 with a wait, no source sends a request before the wait is over."""
    began = time.monotonic()  # before the pause, which then ends 0.4 s later or more
    limiter(database).on_throttled(0.4, None)
    limiter(database, source="other").acquire(1)
    assert time.monotonic() - began >= 0.35


@pytest.mark.parametrize(
    ("moment", "start"),
    [
        (datetime(2026, 11, 22, 0, 0, tzinfo=UTC), date(2026, 11, 22)),
        (datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC), date(2026, 11, 15)),
        (datetime(2026, 11, 28, 12, 0, tzinfo=UTC), date(2026, 11, 22)),
    ],
)
def test_the_week_begins_on_sunday(moment: datetime, start: date) -> None:
    """The vendor's week begins on Sunday 00:00 UTC."""
    assert week_of(moment)[0] == start
