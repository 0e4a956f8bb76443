"""What is older than `privacy.retention` allows is removed, and what it protects stays."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.config.retention import RetentionSettings
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.call_tables import CallTables
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import CALL_TABLES, RAW_CALL_DETAILS, TRANSCRIPTS, UTTERANCES, Table
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.privacy.removed_calls import RemovedCalls
from copilot_pipeline.privacy.retention import Retention
from copilot_pipeline.privacy.search import Stores
from copilot_pipeline.score.score_tables import ScoreTables
from copilot_pipeline.state import SemarizeRunStore
from copilot_pipeline.state.semarize_runs import RunIntent
from copilot_pipeline.transform.transcripts import UserDirectory
from copilot_pipeline_tests.delivery.examples import DAY as CALL_DAY
from copilot_pipeline_tests.delivery.examples import DEAL, OPPORTUNITY, RISK, Clock, Crm, add_call, make_dispatcher
from copilot_pipeline_tests.delivery.examples import NOW as SENT_AT
from copilot_pipeline_tests.delivery.examples import rules as rules_of
from copilot_pipeline_tests.extract.test_details import DAYS, Setup
from copilot_pipeline_tests.http_servers import reply, serving

UTC_ZONE = ZoneInfo("UTC")
OLD, RECENT = DAYS
NOW = datetime.combine(RECENT + timedelta(days=10), datetime.min.time(), UTC)
SAID = "What does it cost?"


class Stored(Setup):
    """Two days of calls, fetched and loaded."""

    def __post_init__(self) -> None:
        super().__post_init__()
        del self.server.calls[3:-3]
        self.extract()

    def extract(self) -> list[str]:
        """Extract both days and load their tables; return the problems."""
        reports = list(self.run())
        problems = [problem for report in reports for problem in report.problems]
        problems += [loaded.problem for loaded in self.tables.build(DAYS) if loaded.problem]
        return problems + [loaded.problem for loaded in self.scores.build(DAYS) if loaded.problem]

    @property
    def runs(self) -> SemarizeRunStore:
        return SemarizeRunStore(self.database)

    @property
    def tables(self) -> CallTables:
        return CallTables(self.lake, self.database, self.calls, self.runs, UserDirectory())

    @property
    def scores(self) -> ScoreTables:
        return ScoreTables(self.lake, self.database, self.runs, self.calls, [])

    def retention(self, limits: dict[str, str], *, now: datetime = NOW) -> Retention:
        erased = RemovedCalls(
            load_settings(), Stores(self.database, self.lake, Path(self.lake.url).with_name("of the pipeline"))
        )
        settings = RetentionSettings.model_validate(limits)
        return Retention(settings, self.database, self.lake, UTC_ZONE, erased, now=now)

    def lake_rows(self, table: Table, day: date) -> list[dict[str, Any]]:
        return [row for batch in self.lake.batches(table, day) for row in batch.to_pylist()]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.database.connection() as connection:
            return connection.execute(statement.encode()).fetchall()

    def content(self, day: date) -> dict[str, Any]:
        """The call tables of a day in both stores."""
        rows = {table.name: self.lake_rows(table, day) for table in CALL_TABLES}
        return {
            **rows,
            **{
                f"{name} in the warehouse": self.query(
                    f"SELECT * FROM copilot.{name} WHERE call_date = '{day}' ORDER BY 1, 2, 3"
                )
                for name in rows
            },
        }


@pytest.fixture
def stored(database: Database, home: Path) -> Stored:
    """Two days of three calls each."""
    return Stored(database, Lake(str(home)))


def test_a_day_without_its_raw_file_keeps_its_tables_and_is_not_fetched_again(stored: Stored) -> None:
    """Neither by another extraction, although a call of it has changed, nor when its tables are built again. With a
    longer limit it is fetched again."""
    before, requests = stored.content(OLD), len(stored.server.requests)
    assert dict(stored.retention({"raw": "10d"}).remove())["days of raw files"] == 1
    assert not stored.lake.exists(RAW_CALL_DETAILS, OLD)
    assert stored.lake.exists(RAW_CALL_DETAILS, RECENT)
    stored.server.calls[0]["status"] = "PROCESSED"
    assert stored.extract() == []
    paths = [request.url.path for request in stored.server.requests[requests:]]
    assert "/call-details" not in paths
    assert stored.content(OLD) == before
    assert not stored.lake.exists(RAW_CALL_DETAILS, OLD)

    list(stored.retention({"raw": "2w"}).remove())
    stored.extract()
    assert len(stored.lake_rows(RAW_CALL_DETAILS, OLD)) == 3


def test_removes_what_was_said_and_pays_for_nothing_twice(stored: Stored) -> None:
    """No table of the day has a word of it any more, also after it was built again. Calls, people and runs stay, and a
    run of the same transcript is not requested again."""
    transcripts = f"SELECT call_id, transcript_hash FROM copilot.transcripts WHERE call_date = '{OLD}'"
    call_id, text_hash = stored.query(transcripts)[0]
    intent = RunIntent(call_id, "kit", "K1", text_hash, OLD, "key")
    (run,) = stored.runs.register([intent])
    stored.query(
        f"UPDATE copilot_ops.semarize_runs SET status = 'succeeded', finished_at = now(), "
        f"answer = convert_to('{SAID}', 'UTF8') RETURNING 1"
    )
    people = stored.lake_rows(CALL_TABLES[1], OLD)
    removed = dict(stored.retention({"transcripts": "10d"}).remove())
    assert removed["days of transcripts"] == 1
    for _ in range(2):
        content = json.dumps(stored.content(OLD), default=str)
        assert SAID not in content
        assert [len(stored.lake_rows(table, OLD)) for table in CALL_TABLES] == [3, len(people), 0, 0, 0, 0]
        assert stored.extract() == []
    assert SAID in json.dumps(stored.content(RECENT), default=str)
    assert stored.query("SELECT answer FROM copilot_ops.semarize_runs") == [(None,)]
    assert stored.runs.register([intent]) == []
    assert run.is_open
    assert stored.retention({"transcripts": "10d"}).overdue() == {}


@pytest.mark.parametrize(
    "statements", [["mark_raw_removed"], ["mark_raw_removed", "mark_texts_removed", "delete_texts"]]
)
def test_the_next_run_finishes_what_a_killed_one_left(stored: Stored, statements: list[str]) -> None:
    """Whether it was killed before it removed the raw file, or before it removed the texts from the lake."""
    queries = load_queries("copilot_pipeline.privacy", "retention.sql")
    with stored.database.transaction() as connection:
        for name in statements:
            connection.execute(queries[name], {"day": OLD})
    limits = {"transcripts": "10d"} if len(statements) > 1 else {"raw": "10d"}
    assert stored.retention(limits, now=NOW + timedelta(days=2)).overdue() != {}
    list(stored.retention(limits).remove())
    assert not stored.lake.exists(RAW_CALL_DETAILS, OLD)
    if len(statements) > 1:
        assert stored.lake_rows(TRANSCRIPTS, OLD) == stored.lake_rows(UTTERANCES, OLD) == []
    assert stored.retention(limits).overdue() == {}


def test_erases_removed_calls_after_their_time(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that the list has not shown for a month is in no table or file any more; the others of its day are. It
    is not stored again when the list shows it again, nor scored from what is left. Without the key nothing is
    erased."""
    call, limits = stored.server.calls.pop(0), {"removed_calls": "erase_after 30d"}
    gone = call["id"]
    stored.extract()
    with pytest.raises(ConfigurationError, match="COPILOT_PIPELINE_PRIVACY_KEY is not set"):
        dict(stored.retention(limits).remove())
    monkeypatch.setenv("COPILOT_PIPELINE_PRIVACY_KEY", "0123456789abcdef")
    assert dict(stored.retention(limits, now=datetime.now(UTC) + timedelta(days=29)).remove())["removed calls"] == 0
    later = stored.retention(limits, now=datetime.now(UTC) + timedelta(days=31))
    assert later.overdue() == {}
    assert dict(later.remove())["removed calls"] == 1
    assert gone not in json.dumps(stored.content(OLD), default=str)
    assert {row["call_id"] for row in stored.lake_rows(RAW_CALL_DETAILS, OLD)} == {"call-2-001", "call-2-002"}
    assert stored.query(f"SELECT 1 FROM copilot_ops.calls WHERE call_id = '{gone}'") == []
    assert dict(later.remove())["removed calls"] == 0
    audit = "SELECT subject, requested_by, calls, plan FROM copilot_ops.erasures WHERE finished_at IS NOT NULL"
    assert stored.query(audit) == [("call", "retention", 1, None)]
    stored.server.calls.insert(0, call)
    assert stored.extract() == []
    assert gone not in json.dumps(stored.content(OLD), default=str)


def test_a_fault_of_the_list_erases_nothing(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day whose list suddenly lacks most calls is left until a number near theirs confirms it; the list that shows
    them again lets them stay. Few calls of a day are erased without it."""
    monkeypatch.setenv("COPILOT_PIPELINE_PRIVACY_KEY", "0123456789abcdef")
    add = """INSERT INTO copilot_ops.calls (call_id, call_date, started_at, readiness, version, content_hash, source,
        listed_at, seen_at, removed_at)
      SELECT 'more-' || n, call_date, started_at, readiness, version, content_hash, source, listed_at, seen_at,
        CASE WHEN n <= {removed} THEN now() END
      FROM (SELECT * FROM copilot_ops.calls WHERE call_date = '{day}' LIMIT 1) AS one, generate_series(1, 20) AS n
      RETURNING 1"""
    stored.query(add.format(day=OLD, removed=18))
    later = stored.retention({"removed_calls": "erase_after 30d"}, now=datetime.now(UTC) + timedelta(days=31))
    assert dict(later.remove())["removed calls"] == 0
    due = later.removals()
    assert len(due.calls) == 18
    assert "18 of the 23 calls of 2026-03-02" in str(due.problem)
    assert f"run --from {OLD} --to {OLD} --assets raw_call_details" in str(due.problem)
    assert "privacy erase-removed --more-than 17" in str(due.problem)
    erased = RemovedCalls(load_settings(), Stores(stored.database, stored.lake, Path(stored.lake.url)))
    before = datetime.now(UTC) + timedelta(days=1)
    for wrong in (None, 2, 18, 400):
        with pytest.raises(ConfigurationError, match="are not erased"):
            erased.erase_confirmed(before, wrong)
    stored.query("UPDATE copilot_ops.calls SET removed_at = NULL WHERE call_id < 'more-2' RETURNING 1")
    assert dict(later.remove())["removed calls"] == 8
    assert later.removals().calls == []


def test_sends_nothing_twice_after_the_contents_of_deliveries_were_removed(database: Database, home: Path) -> None:
    """A sent message is not enqueued again, and a late older call does not overwrite the record of a newer one."""
    crm, clock = Crm(), Clock()
    add_call(database, "newer", {"deal_confidence": 9, "risk_flag": True})
    retention = Retention(RetentionSettings(), database, Lake(str(home)), UTC_ZONE, now=SENT_AT + timedelta(days=31))
    with serving(crm) as server, serving(lambda _: reply("ok")) as slack:
        record_dispatcher = make_dispatcher(database, server.url, rules_of(OPPORTUNITY), clock)
        message_dispatcher = make_dispatcher(database, slack.url, rules_of(RISK), clock)
        for dispatcher in (record_dispatcher, message_dispatcher):
            dispatcher.enqueue([CALL_DAY])
            dispatcher.send()
        assert dict(retention.remove())["outbox"] == 2
        with database.connection() as connection:
            kept = connection.execute("SELECT payload::text, sent_fields::text FROM copilot_ops.outbox").fetchall()
        assert "Northwind" not in str(kept)
        assert "9" not in str([fields for _, fields in kept])
        messages, writes = len(slack.requests), len(crm.writes)
        add_call(database, "older", {"deal_confidence": 5}, started_at=SENT_AT - timedelta(hours=2))
        for dispatcher in (record_dispatcher, message_dispatcher):
            dispatcher.enqueue([CALL_DAY])
            dispatcher.send()
        assert crm.records[DEAL] == {"Confidence__c": 9, "Risk__c": True}
        assert (len(slack.requests), len(crm.writes)) == (messages, writes)
    assert retention.overdue() == {}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("outbox", "30", "number of days or weeks such as 30d"),
        ("outbox", 30, "number of days or weeks"),
        ("raw", "0d", "from 1d to"),
        ("raw", "for ever", "or unlimited"),
        ("inbox", "unlimited", "number of days"),
        ("removed_calls", "erase", "erase_after 30d"),
        ("removed_calls", "erase_after 3m", "number of days"),
    ],
)
def test_refuses_limits_that_are_unclear(key: str, value: object, message: str) -> None:
    """The error says what is expected."""
    with pytest.raises(ValueError, match=message):
        RetentionSettings.model_validate({key: value})
