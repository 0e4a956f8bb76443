"""Runs against an HTTP server that fails in many ways: each run is paid for once."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from copilot_pipeline.clients.http import RetryPolicy
from copilot_pipeline.clients.semarize import Kit, SemarizeClient, make_client
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import TRANSCRIPTS
from copilot_pipeline.postgres import Database
from copilot_pipeline.score.day_progress import ScoredPartition
from copilot_pipeline.score.run_requests import SemarizeRunSettings
from copilot_pipeline.score.runs import SemarizeRunner
from copilot_pipeline.state import AdvisoryLocks, SemarizeRunStore
from copilot_pipeline.state.locks import SCORING
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving
from copilot_pipeline_tests.load.warehouse.rows import arrow

DAY = date(2026, 11, 3)
KITS = (Kit("deal", code="A1B2C3D4"), Kit("coaching", code="C0AC4123"))
Answer = Callable[[ReceivedRequest], Reply | None]


@dataclass
class Server:
    """Semarize with idempotency keys.

    `first` may respond instead of it; `stuck` runs stay queued forever.
    """

    first: Answer = lambda received: None
    stuck: bool = False
    retry_after: str | None = None
    created: dict[str, bytes] = field(default_factory=dict)  # key -> body
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, received: ReceivedRequest) -> Reply:
        with self.lock:
            result = self.first(received)
            if received.method == "POST" and (result is None or result.is_split):
                body = self.created.setdefault(received.headers["idempotency-key"], received.body)
                assert body == received.body
            return result or self._answer(received)

    def _answer(self, received: ReceivedRequest) -> Reply:
        if received.method == "POST":
            run_id = f"run_{list(self.created).index(received.headers['idempotency-key'])}"
            return reply({"run_id": run_id, "status": "queued"}, 202, **self._advice())
        if self.stuck:
            return reply({"run_id": "r", "status": "queued"}, 200, **self._advice())
        return reply(
            {
                "run_id": received.path.rpartition("/")[2],
                "status": "succeeded",
                "output": {"bricks": {"a": {"value": 1}}},
            }
        )

    def _advice(self) -> dict[str, str]:
        return {"Retry_After": self.retry_after} if self.retry_after else {}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with four transcripts of one day."""
    made = Lake(str(tmp_path / "lake"))
    rows = [
        {
            "call_id": f"c-{number}",
            "call_date": DAY,
            "text": f"Dana: So it begins. {number}",
            "words": 4,
            "utterances": 1,
            "transcript_hash": hashlib.sha256(f"Dana: So it begins. {number}".encode()).hexdigest(),
        }
        for number in range(4)
    ]
    with made.writer(TRANSCRIPTS, DAY) as writer:
        writer.append(arrow(TRANSCRIPTS, rows))
    return made


@contextmanager
def scoring(
    url: str, database: Database, lake: Lake, settings: SemarizeRunSettings | None = None
) -> Iterator[SemarizeRunner]:
    """A runner with one attempt per request, as in production."""
    caller = make_client(url, "smz_test_0123456789", policy=RetryPolicy(attempts=1))
    with AdvisoryLocks(database.url, SCORING) as locks:
        yield SemarizeRunner(
            SemarizeClient(caller), SemarizeRunStore(database), lake, KITS, settings or SemarizeRunSettings(), locks
        )
    caller.close()


def score(
    server: Server, database: Database, lake: Lake, settings: SemarizeRunSettings | None = None
) -> ScoredPartition:
    """Score the day and return its report."""
    with serving(server) as service, scoring(service.url, database, lake, settings) as step:
        (day,) = step.run([DAY])
    return day


def statuses(database: Database) -> list[str]:
    """The statuses of all runs, each once."""
    with database.connection() as connection:
        return [
            row[0] for row in connection.execute("SELECT DISTINCT status FROM copilot_ops.semarize_runs").fetchall()
        ]


def test_retries_temporary_failures_and_pays_once(database: Database, lake: Lake) -> None:
    """Lost responses, a 500, a key in use, and a 429.

    All runs end, each was created once, and no request was sent before the `retry_after_seconds` of the 429.
    """
    responses = [
        Reply(500, is_split=True),
        reply({"error": "run_request_failed"}, 500),
        reply({"error": "request_in_progress"}, 409),
        reply({"error": "rate_limited", "retry_after_seconds": 1.5}, 429, Retry_After="9"),
        Reply(202, is_split=True),
    ]
    throttled_at: list[float] = []
    early: list[float] = []

    def fail_first(received: ReceivedRequest) -> Reply | None:
        now = time.monotonic()
        # Requests that were in flight when the 429 was sent may still arrive.
        if throttled_at and 0.5 < now - throttled_at[-1] < 1.4:
            early.append(now)
        result = responses.pop(0) if responses else None
        if result is not None and result.status == 429:
            throttled_at.append(now)
        return result

    server = Server(first=fail_first)
    day = score(server, database, lake)
    assert (day.problems, statuses(database)) == ([], ["succeeded"])
    assert len(server.created) == len(KITS) * 4
    assert throttled_at
    assert not early


def test_garbled_responses_are_read_again_and_never_paid_again(database: Database, lake: Lake) -> None:
    """HTML, an empty body and half of the JSON, in responses to requests for new runs and for existing ones."""
    garbled = [b"<html>", b"", b'{"run_id": "run_1", "sta'] * 3

    def garble(received: ReceivedRequest) -> Reply | None:
        if not garbled or (received.method == "POST" and len(garbled) > 6):
            return None
        return Reply(200, garbled.pop())

    server = Server(first=garble)
    day = score(server, database, lake)
    assert (day.problems, statuses(database), garbled) == ([], ["succeeded"], [])
    assert len(server.created) == len(KITS) * 4


def test_quarantines_what_stays_garbled(database: Database, lake: Lake) -> None:
    """When a run is given up for now, its last response is kept, and a later runner reads the run that exists."""
    server = Server(first=lambda received: Reply(200, b"<html>") if received.method == "GET" else None)
    day = score(server, database, lake, SemarizeRunSettings(give_up_after_seconds=2.5))
    assert len(day.problems) == len(KITS) * 4
    assert all("HTML" in problem and "not paid twice" in problem for problem in day.problems)
    with database.connection() as connection:
        rows = connection.execute("SELECT DISTINCT origin, body FROM copilot_ops.quarantine").fetchall()
        connection.execute("UPDATE copilot_ops.semarize_runs SET requested_at = requested_at - interval '1 hour'")
    assert rows == [("semarize run", b"<html>")]
    created = len(server.created)
    server.first = lambda received: None
    assert score(server, database, lake).problems == []
    assert len(server.created) == created == len(KITS) * 4


def test_reads_a_run_immediately_when_a_webhook_reports_its_end(database: Database, lake: Lake) -> None:
    """The server requests to poll after two minutes, and the runs are read before."""
    server = Server(retry_after="120")

    def report_end(received: ReceivedRequest) -> Reply | None:
        if received.method == "POST":
            with database.connection() as connection:
                connection.execute(
                    "INSERT INTO copilot_ops.inbox (kind, external_id, endpoint) VALUES ('run', %s, 'semarize')",
                    (f"run_{len(server.created)}",),
                )
        return None

    server.first = report_end
    started = time.monotonic()
    assert score(server, database, lake).is_complete
    assert time.monotonic() - started < 60


def test_collects_a_run_that_timed_out_without_creating_it_again(database: Database, lake: Lake) -> None:
    """A timeout is a problem of the day; a later runner reads the same run."""
    server = Server(stuck=True)
    day = score(server, database, lake, SemarizeRunSettings(give_up_after_seconds=1.5))
    assert len(day.problems) == len(KITS) * 4
    assert "not paid twice" in day.problems[0]
    server.stuck, created = False, dict(server.created)
    assert score(server, database, lake).is_complete
    assert server.created == created


def test_repeats_the_same_body_after_the_mode_was_changed(database: Database, lake: Lake) -> None:
    """A run whose response was lost is requested with the original body and key."""
    lost = Server(first=lambda received: Reply(202, is_split=True))
    assert not score(lost, database, lake, SemarizeRunSettings(give_up_after_seconds=0.2)).is_complete
    server = Server(created=dict(lost.created))
    assert score(server, database, lake, SemarizeRunSettings(mode="sync", run_type="sandbox")).is_complete
    assert server.created == lost.created
    assert {json.loads(body)["mode"] for body in server.created.values()} == {"async"}
