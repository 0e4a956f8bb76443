"""Runs brought to their end on a real server that misbehaves, with a real ledger: each is paid for once."""

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
from copilot_pipeline.score.run_requests import SemarizeRunSettings
from copilot_pipeline.score.runs import ScoredPartition, SemarizeRunner
from copilot_pipeline.state import AdvisoryLocks, SemarizeRunStore
from copilot_pipeline.state.locks import SCORING
from copilot_pipeline_tests.http_servers import Asked, Reply, reply, serving
from copilot_pipeline_tests.load.warehouse.rows import arrow

DAY = date(2026, 11, 3)
KITS = (Kit("deal", code="A1B2C3D4"), Kit("coaching", code="C0AC4123"))
Answer = Callable[[Asked], Reply | None]


@dataclass
class Server:
    """Semarize, with its idempotency keys. `first` may answer in its stead; `stuck` runs never leave the queue."""

    first: Answer = lambda asked: None
    stuck: bool = False
    retry_after: str | None = None
    created: dict[str, bytes] = field(default_factory=dict)  # key -> body
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, asked: Asked) -> Reply:
        with self.lock:
            found = self.first(asked)
            if asked.method == "POST" and (found is None or found.is_split):
                body = self.created.setdefault(asked.headers["idempotency-key"], asked.body)
                assert body == asked.body
            return found or self._answer(asked)

    def _answer(self, asked: Asked) -> Reply:
        if asked.method == "POST":
            run_id = f"run_{list(self.created).index(asked.headers['idempotency-key'])}"
            return reply({"run_id": run_id, "status": "queued"}, 202, **self._advice())
        if self.stuck:
            return reply({"run_id": "r", "status": "queued"}, 200, **self._advice())
        return reply(
            {"run_id": asked.path.rpartition("/")[2], "status": "succeeded", "output": {"bricks": {"a": {"value": 1}}}}
        )

    def _advice(self) -> dict[str, str]:
        return {"Retry_After": self.retry_after} if self.retry_after else {}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with a day of four transcripts."""
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
    url: str, database: Database, lake: Lake, rules: SemarizeRunSettings | None = None
) -> Iterator[SemarizeRunner]:
    """The step, as the runtime makes it."""
    caller = make_client(url, "smz_test_0123456789", policy=RetryPolicy(attempts=1))
    with AdvisoryLocks(database.url, SCORING) as claims:
        yield SemarizeRunner(
            SemarizeClient(caller), SemarizeRunStore(database), lake, KITS, rules or SemarizeRunSettings(), claims
        )
    caller.close()


def score(server: Server, database: Database, lake: Lake, rules: SemarizeRunSettings | None = None) -> ScoredPartition:
    """The day, scored."""
    with serving(server) as service, scoring(service.url, database, lake, rules) as step:
        (day,) = step.run([DAY])
    return day


def statuses(database: Database) -> list[str]:
    """Of all runs."""
    with database.connection() as connection:
        return [
            row[0] for row in connection.execute("SELECT DISTINCT status FROM copilot_ops.semarize_runs").fetchall()
        ]


def test_what_fails_for_a_moment_is_asked_again_in_the_same_run(database: Database, lake: Lake) -> None:
    """Answers that are lost, 500s, a key that is in use, and two 429s: the day is whole at the end, each run was paid
    for once, and nobody asked before the moment the server wished."""
    troubles = [
        Reply(500, is_split=True),
        reply({"error": "run_request_failed"}, 500),
        reply({"error": "request_in_progress"}, 409),
        reply({"error": "rate_limited", "retry_after_seconds": 1.5}, 429, Retry_After="9"),
        Reply(202, is_split=True),
    ]
    refused_at: list[float] = []
    early: list[float] = []

    def trouble(asked: Asked) -> Reply | None:
        now = time.monotonic()
        # Those under way when the refusal was sent may still arrive.
        if refused_at and 0.5 < now - refused_at[-1] < 1.4:
            early.append(now)
        found = troubles.pop(0) if troubles else None
        if found is not None and found.status == 429:
            refused_at.append(now)
        return found

    server = Server(first=trouble)
    day = score(server, database, lake)
    assert (day.problems, statuses(database)) == ([], ["succeeded"])
    assert len(server.created) == len(KITS) * 4
    assert refused_at
    assert not early


def test_a_webhook_ends_the_polling(database: Database, lake: Lake) -> None:
    """The server says to come back in minutes; announced, the runs are read at once."""
    server = Server(retry_after="120")

    def announce(asked: Asked) -> Reply | None:
        if asked.method == "POST":
            with database.connection() as connection:
                connection.execute(
                    "INSERT INTO copilot_ops.inbox (kind, external_id, endpoint) VALUES ('run', %s, 'semarize')",
                    (f"run_{len(server.created)}",),
                )
        return None

    server.first = announce
    began = time.monotonic()
    assert score(server, database, lake).is_complete
    assert time.monotonic() - began < 60


def test_a_run_that_stays_queued_is_collected_later(database: Database, lake: Lake) -> None:
    """Given up on, it is a problem of the day and nothing more; later it is read, and not created again."""
    server = Server(stuck=True)
    day = score(server, database, lake, SemarizeRunSettings(give_up_after_seconds=1.5))
    assert len(day.problems) == len(KITS) * 4
    assert "not paid twice" in day.problems[0]
    server.stuck, created = False, dict(server.created)
    assert score(server, database, lake).is_complete
    assert server.created == created


def test_another_mode_sends_what_was_sent(database: Database, lake: Lake) -> None:
    """A run whose answer was lost is asked for again as it was first, though the mode was changed in between."""
    lost = Server(first=lambda asked: Reply(202, is_split=True))
    assert not score(lost, database, lake, SemarizeRunSettings(give_up_after_seconds=0.2)).is_complete
    server = Server(created=dict(lost.created))
    assert score(server, database, lake, SemarizeRunSettings(mode="sync", run_type="sandbox")).is_complete
    assert server.created == lost.created
    assert {json.loads(body)["mode"] for body in server.created.values()} == {"async"}
