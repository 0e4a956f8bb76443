"""A database of the last release keeps its rows under the new names, and the schema describes itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError, error_chain, is_connection_loss
from copilot_pipeline.postgres import Database, open_database
from copilot_pipeline.postgres.migrate import HEAD, run_migrations

RELEASED = "0011"
DELIVERY_TABLES = ("outbox", "sinks", "routes", "incidents", "unlinked_calls")
ROWS = (Path(__file__).parent / "rows_of_0011.sql").read_text(encoding="utf-8")
NOVEMBER_3, NOVEMBER_4, NOVEMBER_5 = (datetime(2026, 11, day, tzinfo=UTC) for day in (3, 4, 5))


Connection = psycopg.Connection[dict[str, Any]]


@pytest.fixture(scope="module")
def migrated(server_url: str) -> Iterator[Connection]:
    """A database of the released schema with rows in every table of the state store, migrated to the newest schema."""
    name = "migrated_from_the_last_release"
    url = server_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    run_migrations(url, RELEASED)
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        connection.execute(ROWS)
    run_migrations(url)
    with psycopg.connect(url, row_factory=dict_row, options="-c timezone=UTC") as opened:
        yield opened


def rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    """The rows of a query."""
    return connection.execute(query).fetchall()


def test_calls_keep_their_state(migrated: Connection) -> None:
    """Columns are renamed, and sources are those of the glossary; an unknown source stays unknown."""
    assert rows(
        migrated,
        """SELECT removed_at, fetched_version, attempts, next_attempt_at FROM copilot_ops.calls
        WHERE call_id = 'polled'""",
    ) == [
        {
            "removed_at": NOVEMBER_4,
            "fetched_version": "v1",
            "attempts": 2,
            "next_attempt_at": NOVEMBER_5,
        }
    ]
    result = {row["call_id"]: row["source"] for row in rows(migrated, "SELECT call_id, source FROM copilot_ops.calls")}
    assert result == {"polled": "poll", "looked": "recheck", "from the UI": "manual", "unknown": None}
    unfetched = rows(migrated, "SELECT call_id FROM copilot_ops.unfetched_calls ORDER BY call_id")
    assert [row["call_id"] for row in unfetched] == ["from the UI", "looked", "unknown"]
    assert rows(migrated, "SELECT count(*) AS bodies FROM copilot_ops.bodies") == [{"bodies": 1}]
    assert rows(migrated, "SELECT quarantined_at FROM copilot_ops.quarantine") == [{"quarantined_at": NOVEMBER_3}]


def test_request_counts_of_merged_sources_are_summed(migrated: Connection) -> None:
    """Several old sources become one, week by week; no request is lost or counted twice."""
    assert rows(
        migrated, "SELECT week_start, source, requests FROM copilot_ops.request_counts ORDER BY week_start, source"
    ) == [
        {"week_start": date(2026, 10, 25), "source": "manual", "requests": 1},
        {"week_start": date(2026, 11, 1), "source": "backfill", "requests": 8},
        {"week_start": date(2026, 11, 1), "source": "manual", "requests": 12},
        {"week_start": date(2026, 11, 1), "source": "poll", "requests": 10},
        {"week_start": date(2026, 11, 1), "source": "schedule", "requests": 13},
    ]
    assert rows(
        migrated, "SELECT name, week_requests, closed_because, throttle_count FROM copilot_ops.rate_limits"
    ) == [{"name": "clari", "week_requests": 35, "closed_because": "shared_key", "throttle_count": 12}]


def test_one_cursor_per_window_and_source_remains(migrated: Connection) -> None:
    """If two old sources listed the same window, the newer cursor stays."""
    assert rows(
        migrated, "SELECT source, basis, skip, started_at, is_split FROM copilot_ops.list_cursors ORDER BY source"
    ) == [
        {
            "source": "manual",
            "basis": "started",
            "skip": 200,
            "started_at": datetime(2026, 11, 3, 11, tzinfo=UTC),
            "is_split": True,
        },
        {
            "source": "poll",
            "basis": "modified",
            "skip": 300,
            "started_at": datetime(2026, 11, 3, 10, tzinfo=UTC),
            "is_split": False,
        },
    ]


def test_partitions_and_pending_calls_keep_their_times(migrated: Connection) -> None:
    """Days become partitions, arrivals become pending calls."""
    assert rows(migrated, "SELECT call_date, stored_at, calls, loaded_at, is_stale FROM copilot_ops.partitions") == [
        {
            "call_date": date(2026, 11, 3),
            "stored_at": NOVEMBER_4,
            "calls": 3,
            "loaded_at": NOVEMBER_5,
            "is_stale": True,
        }
    ]
    assert rows(migrated, "SELECT call_date, call_id, added_at, claimed_at FROM copilot_ops.pending_calls") == [
        {
            "call_date": date(2026, 11, 3),
            "call_id": "polled",
            "added_at": NOVEMBER_3,
            "claimed_at": NOVEMBER_4,
        }
    ]


def test_runs_that_were_wanted_are_pending(migrated: Connection) -> None:
    """They stay open, so that they are created; replaced runs and texts are kept."""
    assert rows(migrated, "SELECT call_id, status, next_attempt_at FROM copilot_ops.open_semarize_runs") == [
        {"call_id": "polled", "status": "pending", "next_attempt_at": NOVEMBER_5}
    ]
    assert rows(migrated, "SELECT call_id, status FROM copilot_ops.replaced_runs") == [
        {"call_id": "looked", "status": "failed"}
    ]
    assert rows(migrated, "SELECT text FROM copilot_ops.replaced_transcripts") == [{"text": "Hello"}]
    assert rows(migrated, "SELECT transcript_hash, is_current FROM copilot.scored_transcripts") == [
        {"transcript_hash": "h", "is_current": False}
    ]
    assert rows(migrated, "SELECT name, started_at FROM copilot_ops.rescores") == [
        {"name": "2026-11-03 deal", "started_at": NOVEMBER_4}
    ]


def test_the_inbox_keeps_its_items(migrated: Connection) -> None:
    """Subjects become external ids, takes become leases; fingerprints are still known."""
    assert rows(
        migrated,
        """SELECT kind, external_id, endpoint, webhooks, leased_at, attempts, acked_at FROM copilot_ops.inbox
        ORDER BY id""",
    ) == [
        {
            "kind": "call",
            "external_id": "polled",
            "endpoint": "clari",
            "webhooks": 3,
            "leased_at": datetime(2026, 11, 3, 12, tzinfo=UTC),
            "attempts": 2,
            "acked_at": datetime(2026, 11, 3, 12, 1, tzinfo=UTC),
        },
        {
            "kind": "run",
            "external_id": "run_1",
            "endpoint": "semarize",
            "webhooks": 1,
            "leased_at": None,
            "attempts": 0,
            "acked_at": None,
        },
    ]
    assert rows(migrated, "SELECT fingerprint, expires_at FROM copilot_ops.seen_webhooks") == [
        {"fingerprint": b"\x01", "expires_at": NOVEMBER_4}
    ]


def test_single_values_and_samples_are_kept(migrated: Connection) -> None:
    """Notes become key values, and an unfinished command is found under its new name."""
    assert rows(migrated, "SELECT name, value FROM copilot_ops.key_values ORDER BY name") == [
        {"name": "clari page size", "value": "50 2026-11-03 00:00:00+00"},
        {"name": "command 2026-11-03 2026-11-04", "value": "2026-11-04 00:00:00+00"},
    ]
    assert rows(migrated, "SELECT name, sampled_at, items FROM copilot_ops.backlog_samples") == [
        {"name": "calls to fetch", "sampled_at": NOVEMBER_3, "items": 12}
    ]
    for table in ("backfills", "deals", "accounts"):
        assert rows(migrated, f"SELECT count(*) AS rows FROM copilot_ops.{table}") == [{"rows": 1}]


def test_every_table_of_the_state_store_had_rows(database_address: str) -> None:
    """A table that is added to the released schema's list is also filled by these tests."""
    run_migrations(database_address, RELEASED)
    with psycopg.connect(database_address) as connection:
        connection.execute(ROWS)
        tables = connection.execute(
            """SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'copilot_ops'::regnamespace
            AND relname <> ALL(%s)""",
            (["alembic_version", *DELIVERY_TABLES],),
        ).fetchall()
        empty = [
            name for (name,) in tables
            if connection.execute(f"SELECT NOT EXISTS (SELECT 1 FROM copilot_ops.{name})").fetchone() == (True,)
        ]  # fmt: skip
    assert empty == []


def test_every_table_and_column_of_the_state_store_has_a_comment(database: Database) -> None:
    """Tables with their columns and views of copilot_ops describe themselves, as those of copilot do."""
    with database.connection() as connection:
        undescribed = connection.execute(
            """SELECT relname, attname FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
            WHERE relnamespace = 'copilot_ops'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0
              AND NOT attisdropped AND relname <> 'alembic_version'
              AND (obj_description(c.oid) IS NULL OR relkind = 'r' AND col_description(c.oid, attnum) IS NULL)
            ORDER BY 1, 2"""
        ).fetchall()
    assert undescribed == []


def test_the_newest_schema_is_recorded(database: Database) -> None:
    """Start-up finds the schema up to date."""
    with database.connection() as connection:
        assert connection.execute("SELECT version_num FROM copilot_ops.alembic_version").fetchone() == (HEAD,)


def test_a_failing_migration_is_one_sentence(database_address: str) -> None:
    """It names the versions and the reason, and the schema stays as it was."""
    run_migrations(database_address, RELEASED)
    with psycopg.connect(database_address, autocommit=True) as connection:
        connection.execute("CREATE TABLE copilot_ops.pending_calls (x int)")
        environment = Environment(copilot_pipeline_database_url=database_address, _env_file=None)  # type: ignore[call-arg]
        with pytest.raises(ConfigurationError) as caught:
            open_database(environment)
        version = connection.execute("SELECT version_num FROM copilot_ops.alembic_version").fetchone()
    assert str(caught.value).startswith(f"the schema of the database cannot be migrated from {RELEASED} to {HEAD}: ")
    assert "pending_calls" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert version == (RELEASED,)


def test_the_cause_of_a_failing_migration_is_no_ring(database_address: str) -> None:
    """A search along the causes of the error ends."""
    run_migrations(database_address, RELEASED)
    with psycopg.connect(database_address, autocommit=True) as connection:
        connection.execute("CREATE TABLE copilot_ops.pending_calls (x int)")
    with pytest.raises(psycopg.Error) as caught:
        run_migrations(database_address)
    assert len(list(error_chain(caught.value))) < 5
    assert not is_connection_loss(caught.value)


def test_a_schema_of_a_newer_release_is_refused(database_address: str) -> None:
    """An older release changes nothing, and its error names the release to install."""
    run_migrations(database_address)
    with psycopg.connect(database_address, autocommit=True) as connection:
        connection.execute("UPDATE copilot_ops.alembic_version SET version_num = '9999'")
    environment = Environment(copilot_pipeline_database_url=database_address, _env_file=None)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="newer release"):
        open_database(environment)
