"""Statements that read scored calls for deliveries use indexes, on 100,000 calls with 200,000 scores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.migrate import run_migrations
from copilot_pipeline.postgres.queries import load_queries

CALLS = 100_000
FILL = f"""
INSERT INTO copilot.calls (call_id, call_date, title, started_at, status, review_url, has_crm_link, has_transcript)
SELECT 'c-' || number, date '2026-01-01' + number / 200, 'Call', timestamptz '2026-01-01 UTC', 'ready', 'u', false, true
FROM generate_series(1, {CALLS}) AS number;
INSERT INTO copilot.semarize_runs (call_id, kit, call_date, run_id, status, kit_reference, transcript_hash, bricks)
SELECT call_id, 'kit', call_date, call_id, 'succeeded', 'KIT', 'hash', 2 FROM copilot.calls;
INSERT INTO copilot.semarize_scores (call_id, kit, brick, call_date, value_kind, value_num, transcript_hash)
SELECT call_id, 'kit', 'brick-' || brick, call_date, 'num', brick, 'hash'
FROM copilot.calls CROSS JOIN generate_series(1, 2) AS brick;
INSERT INTO copilot.evidence (call_id, kit, brick, position, call_date, quote, match, match_score)
SELECT call_id, kit, brick, 0, call_date, 'q', 'not found', 0 FROM copilot.semarize_scores;
ANALYZE copilot.calls;
ANALYZE copilot.semarize_runs;
ANALYZE copilot.semarize_scores;
ANALYZE copilot.evidence;
"""
PARAMETERS: dict[str, Any] = {
    "days": [date(2026, 1, 5)], "call_ids": [f"c-{number}" for number in range(1000, 1200)], "kits": None,
    "bricks": None, "with_evidence": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(server_url: str) -> Iterator[Database]:
    """A database with many scored calls."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE filled_scores")
    url = server_url.replace("/postgres?", "/filled_scores?")
    run_migrations(url)
    database = Database(url)
    with database.connection() as connection:
        connection.execute(FILL)
    yield database
    database.close()


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


@pytest.mark.parametrize("name", ["calls_with_runs", "runs", "scores", "quotes"])
def test_statements_per_batch_use_indexes(filled: Database, name: str) -> None:
    """A sequential scan would read every score of every call."""
    statement = load_queries("copilot_pipeline.marts.sql", "scored_calls.sql")[name]
    with filled.connection() as connection:
        row = connection.execute(f"EXPLAIN (FORMAT json) {statement}".encode(), PARAMETERS).fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    scanned = [node["Relation Name"] for node in _nodes(plan[0]["Plan"]) if node["Node Type"] == "Seq Scan"]
    assert scanned == []
