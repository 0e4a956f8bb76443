"""`status`, and what `backfill` says without a daemon."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import psycopg

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import Backfills
from copilot_pipeline_tests.cli.conftest import Command

HEARTBEATS = """
CREATE TABLE public.daemon_heartbeats (id bigserial, daemon_type varchar, timestamp timestamp, body text);
CREATE TABLE public.runs (id bigserial, run_id varchar, pipeline_name text, status varchar, end_time float8,
  update_timestamp timestamp);
CREATE TABLE public.run_tags (id bigserial, run_id varchar, key text, value text);
INSERT INTO public.daemon_heartbeats (daemon_type, timestamp) VALUES ('SCHEDULER', %s);
"""


def _heartbeat(address: str, age: timedelta) -> None:
    """Write Dagster's table of heartbeats, as its daemon does: times in UTC without a zone."""
    at = (datetime.now(UTC) - age).replace(tzinfo=None)
    with psycopg.connect(address) as connection:
        connection.execute(HEARTBEATS.replace("%s", f"'{at.isoformat()}'").encode())


def test_says_what_to_do(command: Command, database: Database, database_address: str) -> None:
    """Without a daemon the next step is named; with one, everything works. JSON has the same."""
    shown = command("status")
    assert shown.code == 0
    assert "no Dagster daemon has run" in shown.out
    assert "copilot-pipeline dev" in shown.out
    _heartbeat(database_address, timedelta(seconds=20))
    assert "Everything works." in command("status").out
    facts = json.loads(command("status", "--json").out)
    assert (facts["daemon_is_alive"], facts["is_ok"], facts["quota_used"], facts["advice"]) == (True, True, 0, [])
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO copilot_ops.incidents
              (name, opened_at, last_notified_at, notifications, description, next_step)
            VALUES ('run poll', now(), now(), 1, 'It failed.', 'Look.')"""
        )
    assert [one["problem"] for one in json.loads(command("status", "--json").out)["advice"]] == ["1 incident(s) open"]


def test_backfill_status_names_a_missing_daemon(command: Command, database: Database, database_address: str) -> None:
    """A registered backfill whose runs nothing starts is not shown as if it were about to begin."""
    day = datetime(2026, 1, 2, tzinfo=UTC).date()
    Backfills(database).register(day, day, calls=1, requests=2)
    assert "No Dagster daemon" in command("backfill", "status").out
    _heartbeat(database_address, timedelta(seconds=20))
    assert "No Dagster daemon" not in command("backfill", "status").out
