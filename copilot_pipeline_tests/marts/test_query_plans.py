"""Statements that read scored calls for deliveries use indexes, on 100,000 calls with 200,000 scores."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from copilot_pipeline.marts.reader import CALLS_PER_READ
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline_tests.query_plans import migrated_database, scanned_tables

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
OF_MARTS = [f"c-{number}" for number in range(1000, 1000 + CALLS_PER_READ)]


@pytest.fixture(scope="module")
def filled(server_url: str) -> Iterator[Database]:
    """A database with many scored calls."""
    with migrated_database(server_url, "filled_scores") as database:
        with database.connection() as connection:
            connection.execute(FILL)
        yield database


@pytest.mark.parametrize(
    "name", ["calls_with_runs", "runs", "scores", "values", "quotes", "first_quotes", "prospects", "team", "details"]
)
def test_statements_per_batch_use_indexes(filled: Database, name: str) -> None:
    """A sequential scan would read every score of every call, for each batch of calls that a mart reads."""
    statement = load_queries("copilot_pipeline.marts.sql", "scored_calls.sql")[name]
    parameters = {**PARAMETERS, "call_ids": PARAMETERS["call_ids"] if name == "calls_with_runs" else OF_MARTS}
    if name == "details":
        parameters |= {"kits": ["deal"] * len(OF_MARTS), "bricks": ["risk"] * len(OF_MARTS)}
    assert scanned_tables(filled, statement, parameters) == set()
