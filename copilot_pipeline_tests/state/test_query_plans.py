"""Statements that run in sensors or per batch read a database of 100,000 calls by index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline_tests.query_plans import blocks_read, scanned_in

SQL = Path(load_queries.__code__.co_filename).parents[1] / "state" / "sql"
FILLED = (Path(__file__).parent / "filled_database.sql").read_text(encoding="utf-8")
BIG_TABLES = {"bodies", "calls", "inbox", "replaced_transcripts", "seen_webhooks", "semarize_runs", "transcripts"}
DAY = date(2026, 11, 18)
DAYS = [DAY - timedelta(days=back) for back in range(14)]
NOW = datetime(2026, 11, 20, tzinfo=UTC)
IDS = [f"call-{number}" for number in range(550, 582)]
CURSOR_KEY = {"source": "poll", "basis": "modified", "after": NOW, "before": NOW}
RUN_KEY = {"call_id": "call-7", "kit": "deal", "kit_reference": "A1", "transcript_hash": "h", "rescore_id": None}
INTENTS = {
    "call_id": IDS,
    "kit": ["deal"] * len(IDS),
    "kit_reference": ["A1"] * len(IDS),
    "transcript_hash": ["h"] * len(IDS),
    "call_date": [DAY] * len(IDS),
    "idempotency_key": IDS,
    "speech_hash": ["words:sides"] * len(IDS),
}
LEASE = {"kind": None, "lease_seconds": 240.0, "max_leases": 15}
SOURCES = {"sources": ["poll", "webhook", "recheck"]}
BODY_KEYS = {"call_ids": IDS, "parts": ["details"] * len(IDS), "received_at": [NOW] * len(IDS)}
FINGERPRINTS = [bytes([number]) * 32 for number in range(20)]

# Statements of the hot paths with parameters as a run passes them.
HOT: dict[str, dict[str, Any]] = {
    "backfills.complete_days": {"first": DAYS[-1], "last": DAY, "since": NOW, "are_scored": True},
    "backfills.fetch_progress": {"first": DAYS[-1], "last": DAY},
    "calls.to_fetch": {"days": DAYS, "with_quarantined": True},
    "calls.to_fetch_among": {"days": DAYS, "call_ids": IDS, "with_quarantined": True},
    "calls.to_fetch_from": {**SOURCES, "limit": 100},
    "calls.deferred": {"days": DAYS},
    "calls.unfinished_days": SOURCES,
    "calls.days_to_store": SOURCES,
    "calls.record_failure": {"call_id": "call-7", "problem": "404", "immediate_retries": 0, "backoff_hours": [1, 5]},
    "calls.quarantine_details": {"call_id": "call-7", "reason": "empty", "backoff_hours": [1, 5]},
    "calls.find": {"call_id": "call-7"},
    "calls.due_for_retry": {"max_attempts": 20, "limit": 20},
    "calls.seen_before": {"call_ids": IDS, "age": timedelta(hours=1)},
    "calls.mark_removed": {"call_ids": IDS},
    "inbox.put": {
        "fingerprints": FINGERPRINTS,
        "expires_at": [NOW] * 20,
        "kinds": ["call"] * 20,
        "ids": IDS[:20],
        "endpoints": ["clari-copilot"] * 20,
        "signature_hashes": FINGERPRINTS,
        "message_hashes": [None] * 20,
    },
    "inbox.backlog": LEASE,
    "inbox.lease": {**LEASE, "limit": 40},
    "inbox.ack": {"ids": [31], "leased_at": [NOW]},
    "inbox.release": {"ids": [31, 32], "leased_at": [NOW, NOW]},
    "inbox.purge_fingerprints": {},
    "inbox.purge_items": {"days": 7000},
    "list_cursors.mark_seen": {"call_ids": IDS},
    "list_cursors.mark_removed": {"days": DAYS, "listing_started_at": NOW, "after": NOW, "before": NOW},
    "list_cursors.days_listed": {"days": DAYS, "since": NOW},
    "partitions.lock_calls": {"call_ids": IDS},
    "partitions.needs_storing": {"day": DAY},
    "partitions.moved_calls": {"day": DAY},
    "partitions.moved_away": {"day": DAY, "except_ids": IDS},
    "partitions.detach_calls": {"day": DAY, "call_ids": IDS},
    "partitions.calls_of": {"day": DAY},
    "partitions.call_ids_of": {"day": DAY},
    "partitions.number_of_calls": {"days": DAYS},
    "partitions.unstored_bodies": {"call_ids": IDS},
    "partitions.moved_meanwhile": {"day": DAY, "call_ids": IDS},
    "partitions.delete_bodies": BODY_KEYS,
    "partitions.mark_calls_stored": {
        "day": DAY,
        "call_ids": IDS,
        "listed_at": [NOW] * len(IDS),
        "fetched_at": [NOW] * len(IDS),
        "removed_at": [None] * len(IDS),
    },
    "partitions.stored_calls": {"days": DAYS},
    "partitions.lost_calls": {"days": DAYS},
    "partitions.mark_lost": {"day": DAY, "call_ids": IDS},
    "pending_calls.complete": {"day": DAY, "call_ids": IDS},
    "pending_calls.with_open_runs": {"kits": ["deal"], "references": ["A1"], "grace_minutes": 20, "max_days": 1},
    "quarantine.count_quarantined": {"days": DAYS},
    "quarantine.delete": {"origins": ["row of calls"], "day": DAY},
    "semarize_runs.add_missing": INTENTS,
    "semarize_runs.update_known": INTENTS,
    "semarize_runs.add_sides": INTENTS,
    "semarize_runs.open_runs": INTENTS,
    "semarize_runs.scored_texts": {"call_ids": IDS, "hashes": ["h"]},
    "semarize_runs.find": RUN_KEY,
    "semarize_runs.find_by_run_id": {"run_id": "run-call-7"},
    "semarize_runs.runs_for": {
        "kit": "deal", "kit_reference": "A1", "call_ids": IDS, "transcript_hashes": ["h"] * len(IDS),
        "speech_hashes": ["words:sides"] * len(IDS),
    },
    "semarize_runs.results_of_other_references": {
        "kit": "deal", "kit_reference": "A2", "call_ids": IDS, "transcript_hashes": ["h"] * len(IDS),
        "speech_hashes": ["words:sides"] * len(IDS),
    },
    "semarize_runs.completed_by_webhook": {"run_ids": IDS},
    "semarize_runs.schedule_retry": RUN_KEY,
    "semarize_runs.mark_created": {**RUN_KEY, "run_id": "r", "status": "queued"},
    "semarize_runs.mark_finished": {
        **RUN_KEY, "run_id": "r", "status": "succeeded", "kit_version_id": "v", "duration_ms": 1, "error_code": None,
        "error_message": None, "packed_answer": b"",
    },
    "semarize_runs.mark_refused": {**RUN_KEY, "error_code": "c", "error_message": "m"},
    "semarize_runs.to_archive": {"day": DAY},
    "semarize_runs.archive_transcripts": {"call_ids": IDS, "hashes": ["h"], "only_redaction": None},
    "table_versions.runs_version": {"day": DAY},
}  # fmt: skip

# These read only small tables (a row per day or fewer), read
# no table, insert rows, or run once in a command; `record` and `store_details` are tested below.
NOT_PLANNED = {
    *(f"backfills.{name}" for name in ("lock", "find_active", "insert", "all", "active", "get", "cancel", "finish")),
    *(f"calls.{name}" for name in ("now", "record", "store_details")),
    *(f"list_cursors.{name}" for name in ("delete_older", "start", "find", "advance", "mark_split", "mark_listed")),
    *(f"list_cursors.{name}" for name in ("finish", "start_command", "finish_command")),
    *(f"locks.{name}" for name in ("acquire", "release", "wait_for")),
    *(f"page_size.{name}" for name in ("load", "save")),
    *(f"partitions.{name}" for name in ("return_bodies", "mark_stale", "begin_storing", "mark_stored")),
    *(f"partitions.{name}" for name in ("lock_day", "try_lock_day", "confirm_lock", "stale_days")),
    "partitions.days_with_outdated_scores",
    "written_files.remember",
    *(f"partitions.{name}" for name in ("mark_loaded", "mark_scored", "is_loaded")),
    *(f"partitions.{name}" for name in ("days_without_raw", "has_texts")),
    *(f"partitions.{name}" for name in ("stored_days", "days_with_calls")),
    *(f"installation.{name}" for name in ("lock", "unlock", "values", "save", "delete", "calls_on_other_days")),
    *(f"installation.{name}" for name in ("loss", "mark_all_lost", "mark_all_unstored")),
    *(f"pending_calls.{name}" for name in ("add", "claim", "unfinished_days")),
    *(f"rescores.{name}" for name in ("unfinished", "count_runs", "add", "lock", "replace_runs", "finish")),
    *(f"rescores.{name}" for name in ("count_results_of_other_redaction", "count_texts_of_other_redaction")),
    "quarantine.quarantine",
    "erased.forget",
    "semarize_runs.lock_registration",
    "semarize_runs.postpone",
    *(f"table_versions.{name}" for name in ("find", "record", "forget", "raw_version", "call_tables_version")),
    *(f"table_versions.{name}" for name in ("contents", "hold_contents")),
    *(f"table_versions.{name}" for name in ("mark_loading", "snapshot_time", "confirm_snapshot", "confirm_marts")),
    # Once per mart that is built; they read all days.
    *(f"table_versions.{name}" for name in ("versions_of_tables", "upcoming_calls")),
    *(f"table_versions.unversioned_days_of_{tables}" for tables in ("calls", "scores")),
}


def statements() -> dict[str, str]:
    """Every statement of the state store, by file and name."""
    return {
        f"{path.stem}.{name}": statement
        for path in sorted(SQL.glob("*.sql"))
        for name, statement in load_queries("copilot_pipeline.state.sql", path.name).items()
    }


@pytest.fixture(scope="module")
def filled(server_url: str, template: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a database with a year of calls, whose changes are rolled back after each test."""
    name = "filled_for_query_plans"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    with psycopg.connect(server_url.replace("/postgres?", f"/{name}?")) as opened:
        opened.execute(FILLED)
        opened.commit()
        yield opened
        opened.rollback()


@pytest.fixture
def connection(filled: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """The filled database, with what a test changed rolled back."""
    yield filled
    filled.rollback()


@pytest.mark.parametrize("name", HOT)
def test_hot_statement_does_not_scan_a_big_table(name: str, connection: psycopg.Connection[Any]) -> None:
    """The plan has no sequential scan of a table that grows with the number of calls."""
    row = connection.execute(f"EXPLAIN (FORMAT JSON) {statements()[name]}", HOT[name]).fetchone()
    assert row is not None
    assert scanned_in(row[0][0]["Plan"]) & BIG_TABLES == set()


def test_the_backlog_of_calls_is_counted_without_a_scan(connection: psycopg.Connection[Any]) -> None:
    """Each batch of deliveries counts the calls to fetch; the index has only calls with work."""
    statement = load_queries("copilot_pipeline.delivery.sql", "incidents.sql")["count_calls_to_fetch"]
    row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchone()
    assert row is not None
    assert scanned_in(row[0][0]["Plan"]) == set()


def test_every_statement_is_classified() -> None:
    """A new statement is either planned by these tests or listed with those that need no plan."""
    assert set(statements()) == set(HOT) | NOT_PLANNED
    assert set(HOT) & NOT_PLANNED == set()


# What the sensors execute every few seconds, without the statements of Dagster.
SENSORS: dict[str, dict[str, Any]] = {
    "inbox.backlog": LEASE,
    "calls.unfinished_days": SOURCES,
    "calls.due_for_retry": {"max_attempts": 20, "limit": 100},
    "pending_calls.unfinished_days": {"minutes": 15},
    "pending_calls.with_open_runs": HOT["pending_calls.with_open_runs"],
    "backfills.active": {},
    "rate_limiter.count_by_source": {"name": "clari"},
    "rate_limiter.closed": {"name": "clari", "trial_requests": 16},
    "leases.next_message_at": {"sink": "slack"},
    "leases.next_record_at": {"sink": "salesforce"},
    "leases.is_abandoned": {"sink": "slack"},
}
MOST_BLOCKS = 500  # 4 MB; the table of calls alone has six times as many


@pytest.mark.parametrize("name", SENSORS)
def test_statement_of_a_sensor_reads_only_what_is_unfinished(name: str, connection: psycopg.Connection[Any]) -> None:
    """Of 100,000 calls, as many deliveries and webhooks, it reads the blocks of the few hundred that need something."""
    packages = {"rate_limiter": "copilot_pipeline.clients", "leases": "copilot_pipeline.delivery.sql"}
    file, _, statement = name.partition(".")
    queries = load_queries(packages.get(file, "copilot_pipeline.state.sql"), f"{file}.sql")
    assert blocks_read(connection, queries[statement], SENSORS[name]) < MOST_BLOCKS


def sequential_scans(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Sequential scans of the big tables that this connection has not reported yet."""
    rows = connection.execute(
        """SELECT relname, seq_scan FROM pg_stat_xact_user_tables
        WHERE schemaname = 'copilot_ops' AND relname = ANY(%s) AND seq_scan > 0""",
        (sorted(BIG_TABLES),),
    ).fetchall()
    return dict(rows)


def test_storing_details_does_not_scan_a_big_table(connection: psycopg.Connection[Any]) -> None:
    """The statements inside the function use indexes as well."""
    values = {
        "call_ids": IDS,
        "versions": ["v2"] * len(IDS),
        "bodies": [b"x"] * len(IDS),
        "problems": [None] * len(IDS),
        "backoff_hours": [1],
    }
    before = sequential_scans(connection)
    connection.execute(statements()["calls.store_details"], values)
    assert sequential_scans(connection) == before
    changed = connection.execute("SELECT count(*) FROM copilot_ops.calls WHERE fetched_version = 'v2'").fetchone()
    assert changed == (len(IDS),)


def test_recording_a_page_does_not_scan_a_big_table(connection: psycopg.Connection[Any]) -> None:
    """A page of known and of new calls is written by index."""
    ids = [*IDS[:16], *(f"new-{number}" for number in range(16))]
    values = {
        "call_ids": ids,
        "call_dates": [DAY] * len(ids),
        "started_at": [NOW] * len(ids),
        "modified_at": [NOW] * len(ids),
        "statuses": ["READY"] * len(ids),
        "readiness": ["ready"] * len(ids),
        "versions": ["v2"] * len(ids),
        "content_hashes": ["changed"] * len(ids),
        "items": [b"x"] * len(ids),
        "has_details": [False] * len(ids),
        "first_retry_hours": 1,
        "source": "poll",
    }
    before = sequential_scans(connection)
    connection.execute(statements()["calls.record"], values)
    assert sequential_scans(connection) == before
