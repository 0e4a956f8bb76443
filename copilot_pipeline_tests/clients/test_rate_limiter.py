"""One pace for all processes, and a weekly budget that is counted in the same place."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest

from copilot_pipeline.clients.rate_limiter import RateLimiter, week_of
from copilot_pipeline.errors import QuotaExhausted
from copilot_pipeline.postgres import Database

pytestmark = pytest.mark.alone

# Sends the moments at which requests would leave, measured on the clock all processes share.
_WORKER = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from copilot_pipeline.postgres import Database
from copilot_pipeline.clients.rate_limiter import RateLimiter
url, rate, until = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
gate = RateLimiter(Database(url), requests_per_second=rate, requests_per_week=100_000, source="test")
def work(_):
    sent = []
    while time.time() < until:
        gate.enter(1)
        sent.append(time.time())
    return sent
gate.enter(1)
with ThreadPoolExecutor(3) as pool:
    for sent in pool.map(work, range(3)):
        print(*sent)
"""


def gate(database: Database, *, rate: float = 0, week: int = 100_000, source: str = "test") -> RateLimiter:
    """A gate."""
    return RateLimiter(database, requests_per_second=rate, requests_per_week=week, source=source)


def test_four_processes_share_one_pace(database: Database) -> None:
    """Four processes together never exceed the rate in any second, and use at least 97 % of it."""
    rate = 20
    until = time.time() + 9
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, database.url, str(rate), str(until)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outputs = [worker.communicate(timeout=60)[0] for worker in workers]
    sent = sorted(float(moment) for output in outputs for moment in output.split())
    # The first two seconds belong to processes still starting, the last one to those that saw the end.
    steady = [moment for moment in sent if until - 6 <= moment < until - 1]
    busiest = max(sum(start <= moment < start + 1 for moment in sent) for start in sent)
    assert busiest <= rate
    assert len(steady) >= 0.97 * rate * 5


def test_each_request_is_counted_by_its_door(database: Database) -> None:
    """The week knows how many requests went through which source."""
    for _ in range(3):
        gate(database, source="run").enter(1)
    gate(database, source="schedule").enter(2)
    week = gate(database).week()
    assert week.by_source == {"run": 3, "schedule": 2}
    assert week.used == 5


def test_the_budget_is_never_exceeded(database: Database) -> None:
    """The request that would exceed the week is not sent, and the error says when it resets."""
    tight = gate(database, week=3)
    for _ in range(3):
        tight.enter(1)
    with pytest.raises(QuotaExhausted) as caught:
        tight.enter(1)
    assert caught.value.resets_at == week_of(datetime.now(UTC))[1]
    assert tight.week().used == 3


def test_the_servers_word_closes_the_week_for_all(database: Database) -> None:
    """After one answer that the week is spent no process sends another request."""
    with pytest.raises(QuotaExhausted):
        gate(database).throttled(None, "Limit Exceeded")
    with pytest.raises(QuotaExhausted):
        gate(database, source="other").enter(1)


class Clock:
    """The database's clock, which a test sets: a function of the same name that the database finds before its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._opened: list[Database] = []
        with database.connection() as connection:
            row = connection.execute("SELECT current_database()").fetchone()
            assert row is not None
            connection.execute(
                """CREATE SCHEMA test_clock;
                CREATE TABLE test_clock.is_ahead (by interval);
                INSERT INTO test_clock.is_ahead VALUES ('0');
                CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
                $$ SELECT pg_catalog.clock_timestamp() + by FROM test_clock.is_ahead $$"""
            )
            connection.execute(f"ALTER DATABASE {row[0]} SET search_path = test_clock, pg_catalog, public")

    def set(self, moment: datetime) -> Database:
        """It is this moment for everybody who connects from now on."""
        with self._database.connection() as connection:
            connection.execute(
                "UPDATE test_clock.is_ahead SET by = %s - pg_catalog.clock_timestamp()",
                (moment,),
            )
        self._opened.append(Database(self._database.url))
        return self._opened[-1]

    def close(self) -> None:
        """Closes what was opened."""
        for opened in self._opened:
            opened.close()


@pytest.fixture
def clock(database: Database) -> Iterator[Clock]:
    """The database's clock."""
    made = Clock(database)
    yield made
    made.close()


TURN = datetime(2026, 11, 29, tzinfo=UTC)  # a Sunday


@pytest.mark.parametrize(
    ("seconds", "waits", "week"),
    [(-11, 0, -7), (-9, 19, 0), (0, 10, 0), (9, 1, 0), (11, 0, 0)],
)
def test_nobody_sends_at_the_turn_of_the_week(clock: Clock, seconds: int, waits: int, week: int) -> None:
    """Ten seconds on either side a request waits, and is counted in the week in which it is sent."""
    there = clock.set(TURN + timedelta(seconds=seconds))
    slept: list[float] = []
    shared = RateLimiter(
        there,
        requests_per_second=9,
        requests_per_week=5,
        source="test",
        sleep=slept.append,
        monotonic=lambda: 0.0,
    )
    shared.enter(1)
    assert sum(slept) == pytest.approx(waits, abs=0.9)
    with there.connection() as connection:
        counted = connection.execute("SELECT week_start, requests FROM copilot_ops.request_counts").fetchall()
    assert counted == [(TURN.date() + timedelta(days=week), 1)]


def test_a_new_week_is_a_new_budget(clock: Clock) -> None:
    """What was spent on Saturday is there again on Sunday, by the clock of the database."""
    saturday = gate(clock.set(TURN - timedelta(hours=1)), week=1)
    saturday.enter(1)
    with pytest.raises(QuotaExhausted) as caught:
        saturday.enter(1)
    assert caught.value.resets_at == TURN
    sunday = gate(clock.set(TURN + timedelta(minutes=1)), week=1)
    assert (sunday.week().used, sunday.week().starts_on) == (0, TURN.date())
    sunday.enter(1)


def test_what_waited_for_a_pause_is_counted_and_paced(database: Database) -> None:
    """Many that wait for the same pause go on one after the other, each counted."""
    paced = gate(database, rate=20)
    paced.throttled(0.3, None)
    began = time.monotonic()

    def send(_: int) -> float:
        paced.enter(1)
        return time.monotonic() - began

    with ThreadPoolExecutor(8) as pool:
        sent = sorted(pool.map(send, range(8)))
    assert sent[0] >= 0.29
    assert sent[-1] - sent[0] >= 7 * 0.05
    assert paced.week().used == 8


def test_one_refusal_does_not_stop_it_for_a_week(clock: Clock) -> None:
    """An hour after the server said that the week is spent, one request tries again: refused, the gate closes for
    another hour, whatever the words; answered, it is open."""
    now = TURN + timedelta(days=3)
    with pytest.raises(QuotaExhausted, match="uses the same key"):
        gate(clock.set(now)).throttled(None, "Limit Exceeded")
    with pytest.raises(QuotaExhausted):
        gate(clock.set(now + timedelta(minutes=59))).enter(1)
    later = gate(clock.set(now + timedelta(minutes=61)))
    assert later.week().is_in_doubt
    later.enter(1)
    with pytest.raises(QuotaExhausted):
        later.throttled(None, "Too Many Requests")
    much_later = gate(clock.set(now + timedelta(minutes=130)))
    much_later.enter(1)
    much_later.trust()
    assert not much_later.week().is_in_doubt
    much_later.throttled(None, "Too Many Requests")
    assert much_later.week().closed_until is None


def test_the_server_is_never_believed_beyond_the_turn(clock: Clock) -> None:
    """A server whose clock is behind says on Sunday what was so on Saturday: nobody waits for a week, nor longer than
    until the turn."""
    with pytest.raises(QuotaExhausted) as caught:
        gate(clock.set(TURN - timedelta(minutes=5))).throttled(None, "Limit Exceeded")
    assert caught.value.resets_at == TURN


def test_refusals_that_do_not_end_are_somebody_elses(database: Database) -> None:
    """One after the other, without an answer between: the gate closes and says that somebody else uses the key."""
    alone = gate(database)
    for _ in range(11):
        alone.throttled(0.01, "Too Many Requests")
    with pytest.raises(QuotaExhausted, match="somebody else uses the same key"):
        alone.throttled(0.01, "Too Many Requests")
    assert alone.week().closed_because == "foreign"


def test_a_long_wait_is_not_slept_through(database: Database) -> None:
    """A server that asks for an hour gets it, with everybody in the queue and none asleep in a run."""
    with pytest.raises(QuotaExhausted, match="asks not to be asked"):
        gate(database).throttled(3600, None)
    with pytest.raises(QuotaExhausted):
        gate(database, source="other").enter(1)


def test_a_429_makes_everybody_pause(database: Database) -> None:
    """After a 429 with a wait, the next request of any process leaves no earlier than that."""
    gate(database).throttled(0.4, None)
    began = time.monotonic()
    gate(database, source="other").enter(1)
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
