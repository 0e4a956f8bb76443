"""One pace for all processes, and a weekly budget that is counted in the same place."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, date, datetime

import pytest

from copilot_pipeline.database import Database
from copilot_pipeline.errors import BudgetSpent
from copilot_pipeline.pacing import SharedGate, week_of

# Sends the moments at which requests would leave, measured on the clock all processes share.
_WORKER = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from copilot_pipeline.database import Database
from copilot_pipeline.pacing import SharedGate
url, rate, until = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
gate = SharedGate(Database(url), requests_per_second=rate, requests_per_week=100_000, door="test")
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


def gate(database: Database, *, rate: float = 0, week: int = 100_000, door: str = "test") -> SharedGate:
    """A gate."""
    return SharedGate(database, requests_per_second=rate, requests_per_week=week, door=door)


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
    """The week knows how many requests went through which door."""
    for _ in range(3):
        gate(database, door="run").enter(1)
    gate(database, door="schedule").enter(2)
    week = gate(database).week()
    assert week.by_door == {"run": 3, "schedule": 2}
    assert week.used == 5


def test_the_budget_is_never_exceeded(database: Database) -> None:
    """The request that would exceed the week is not sent, and the error says when it resets."""
    tight = gate(database, week=3)
    for _ in range(3):
        tight.enter(1)
    with pytest.raises(BudgetSpent) as caught:
        tight.enter(1)
    assert caught.value.resets_at == week_of(datetime.now(UTC))[1]
    assert tight.week().used == 3


def test_the_servers_word_closes_the_week_for_all(database: Database) -> None:
    """After one answer that the week is spent no process sends another request."""
    with pytest.raises(BudgetSpent):
        gate(database).throttled(None, "Limit Exceeded")
    with pytest.raises(BudgetSpent):
        gate(database, door="other").enter(1)


def test_a_429_makes_everybody_pause(database: Database) -> None:
    """After a 429 with a wait, the next request of any process leaves no earlier than that."""
    gate(database).throttled(0.4, None)
    began = time.monotonic()
    gate(database, door="other").enter(1)
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
