"""A database of the last release keeps its rows under the new names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from copilot_pipeline.postgres.migrate import run_migrations

RELEASED = "0011"
TIME = datetime(2026, 11, 3, tzinfo=UTC)
NEW_STATES = {
    "waiting": "queued",
    "sending": "sending",
    "delivered": "sent",
    "refused": "failed",
    "uncertain": "uncertain",
    "superseded": "superseded",
    "silenced": "suppressed",
    "cancelled": "cancelled",
}
ROWS = """
INSERT INTO copilot_ops.outbox (route, sink, kind, call_id, version, target, message_id, call_started_at, scored_at,
  payload, sent, state, created_at, next_attempt_at, claim, settled_at)
SELECT 'Risk', 'alerts', 'slack', state, '1', '', state, '2026-11-03 UTC', '2026-11-03 UTC', '{}', '{"x": 1}', state,
  '2026-11-03 UTC', '2026-11-03 UTC', 7, '2026-11-03 UTC'
FROM unnest(ARRAY['waiting', 'sending', 'delivered', 'refused', 'uncertain', 'superseded', 'silenced', 'cancelled'])
  AS state;
INSERT INTO copilot_ops.sinks (name, failures, next_try_at, trouble, last_problem) VALUES
  ('down', 1, '2026-11-03 UTC', 'down', 'answered 503'), ('busy', 1, '2026-11-03 UTC', 'busy', 'answered 429'),
  ('key', 1, '2026-11-03 UTC', 'credentials', 'answered 401');
INSERT INTO copilot_ops.routes VALUES ('Risk', '2026-11-03 UTC');
INSERT INTO copilot_ops.unlinked_calls VALUES ('Risk', 'c1', 'no deal', 'HUBSPOT', NULL, '2026-11-03 UTC');
INSERT INTO copilot_ops.incidents VALUES ('run', '2026-11-03 UTC', NULL, '2026-11-03 UTC', 2, 'It failed.', 'Look.');
"""

Connection = psycopg.Connection[dict[str, Any]]


@pytest.fixture(scope="module")
def migrated(server_url: str) -> Iterator[Connection]:
    """A database of the released schema with rows, migrated to the newest."""
    name = "deliveries_from_the_last_release"
    url = server_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    run_migrations(url, RELEASED)
    with psycopg.connect(url) as connection:
        connection.execute(ROWS)
    run_migrations(url)
    with psycopg.connect(url, row_factory=dict_row, options="-c timezone=UTC") as opened:
        yield opened


def test_stored_states_are_renamed(migrated: Connection) -> None:
    """Every old state becomes its new one, and the other columns keep their values."""
    rows = migrated.execute("SELECT call_id, state, lease_id, sent_fields, completed_at FROM copilot_ops.outbox")
    result = {row.pop("call_id"): row for row in rows}
    assert {name: row["state"] for name, row in result.items()} == NEW_STATES
    assert all(
        (row["lease_id"], row["sent_fields"], row["completed_at"]) == (7, {"x": 1}, TIME) for row in result.values()
    )


def test_former_states_are_rejected(migrated: Connection) -> None:
    """The constraint lists the new states only."""
    with pytest.raises(psycopg.errors.CheckViolation), migrated.transaction():
        migrated.execute("UPDATE copilot_ops.outbox SET state = 'delivered'")


def test_problems_of_sinks_are_renamed(migrated: Connection) -> None:
    """A sink that only occurs in the outbox gets a row as well."""
    rows = migrated.execute(
        """SELECT name, problem, last_error, nullif(next_attempt_at, '-infinity') AS next_attempt_at
        FROM copilot_ops.sinks ORDER BY name"""
    ).fetchall()
    assert [(row["name"], row["problem"]) for row in rows] == [
        ("alerts", None),
        ("busy", "throttled"),
        ("down", "unavailable"),
        ("key", "credentials"),
    ]
    assert rows[1]["last_error"] == "answered 429"
    assert rows[1]["next_attempt_at"] == TIME


def test_routes_unlinked_calls_and_incidents_are_kept(migrated: Connection) -> None:
    """Only their columns are renamed."""
    assert migrated.execute("SELECT name, active_since FROM copilot_ops.routes").fetchall() == [
        {"name": "Risk", "active_since": TIME}
    ]
    assert migrated.execute("SELECT call_id, reason, detected_at FROM copilot_ops.unlinked_calls").fetchall() == [
        {"call_id": "c1", "reason": "no deal", "detected_at": TIME}
    ]
    assert migrated.execute(
        "SELECT resolved_at, last_notified_at, notifications, description, next_step FROM copilot_ops.incidents"
    ).fetchall() == [
        {
            "resolved_at": None,
            "last_notified_at": TIME,
            "notifications": 2,
            "description": "It failed.",
            "next_step": "Look.",
        }
    ]


def test_every_table_and_column_of_delivery_has_a_comment(migrated: Connection) -> None:
    """People who query `copilot_ops` find the meaning of a column in the database."""
    missing = migrated.execute(
        """SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'copilot_ops'::regnamespace AND attnum > 0 AND NOT attisdropped
          AND relname IN ('outbox', 'sinks', 'routes', 'unlinked_calls', 'incidents')
          AND (col_description(pg_class.oid, attnum) IS NULL OR obj_description(pg_class.oid) IS NULL)"""
    ).fetchall()
    assert missing == []
