"""Statements of sensors and batches use indexes on 100,000 deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from copilot_pipeline.delivery import regression_alerts
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline_tests.delivery.examples import NOW
from copilot_pipeline_tests.query_plans import migrated_database, scanned_tables

DELIVERIES = 100_000
ROUTE, RECORD = "Opportunity", "006000000000042AAA"

# Nine of ten deliveries are sent; 200 messages and 200 writes to records are queued, 20 uncertain, 1 abandoned.
FILL = f"""
INSERT INTO copilot_ops.outbox (route, sink, kind, call_id, version, target, message_id, call_started_at, scored_at,
  payload, sent_fields, state, attempts, created_at, next_attempt_at, lease_id, superseded_by, completed_at)
SELECT route, kind, kind, 'call-' || number, '1', target, 'msg_' || number, created, created,
  jsonb_build_object('text', repeat('x', 200)), '{{"x": 1}}',
  CASE WHEN number > {DELIVERIES} - 400 THEN 'queued' WHEN number % 5000 = 0 THEN 'uncertain'
    WHEN number = 501 THEN 'sending' WHEN number % 10 = 3 THEN 'superseded' WHEN number % 20 = 4 THEN 'suppressed'
    ELSE 'sent' END,
  1, created, created, CASE WHEN number = 501 THEN 1 END, CASE WHEN number % 10 = 3 THEN number + 2 END, created
FROM (
  SELECT number, CASE WHEN number % 2 = 0 THEN 'Risk' ELSE '{ROUTE}' END AS route,
    CASE WHEN number % 2 = 0 THEN 'slack' ELSE 'salesforce' END AS kind,
    CASE WHEN number % 2 = 0 THEN '' ELSE '006' || lpad((number / 20)::text, 12, '0') || 'AAA' END AS target,
    timestamptz '2026-03-10 UTC' - make_interval(mins => {DELIVERIES} - number) AS created
  FROM generate_series(1, {DELIVERIES}) AS number) AS made;
INSERT INTO copilot_ops.sinks (name, failures, failing_since) VALUES
  ('slack', 1, '2026-03-01 UTC'), ('salesforce', 0, NULL);
ANALYZE copilot_ops.outbox;
ANALYZE copilot_ops.sinks;
"""
PARAMETERS: dict[str, Any] = {
    "sink": "salesforce", "now": NOW, "limit": 200, "ignore_backoff": False, "may_repeat": True, "id": 4711,
    "target": RECORD, "call_id": "call-841", "reason": "moved", "lease_id": 7, "state": "sent",
    "next_attempt_at": NOW, "sent_fields": None, "risk_every": 6, "routes": [ROUTE], "call_ids": ["call-841"],
    "ids": [4711, 4713], "by": 4715, "versions": ["u-1:objections"], "first_call_ats": [NOW - timedelta(days=1)],
    "recovered_ats": [None],
}  # fmt: skip
STATEMENTS = {
    "leases.sql": "recover_abandoned is_abandoned due_messages due_records next_message_at next_record_at lease "
    "attempts complete queue_superseded has_new_uncertain_messages",
    "crm_merge.sql": "record_history supersede cancel_unsent cancel_sent queue_newest_remaining current_target",
    "outbox.sql": "sink_states calls_with_records alerted_regressions",
}


@pytest.fixture(scope="module")
def filled(server_url: str) -> Iterator[Database]:
    """A database whose outbox holds 100,000 deliveries."""
    with migrated_database(server_url, "filled_outbox") as database:
        with database.connection() as connection:
            connection.execute(FILL)
        yield database


@pytest.mark.parametrize(
    ("file", "name"), [(file, name) for file, names in STATEMENTS.items() for name in names.split()]
)
def test_does_not_scan_the_outbox(filled: Database, file: str, name: str) -> None:
    """No sequential scan of the outbox in the plan."""
    statement = load_queries("copilot_pipeline.delivery.sql", file)[name]
    route = regression_alerts.ROUTE if name == "alerted_regressions" else ROUTE
    assert "outbox" not in scanned_tables(filled, statement, {**PARAMETERS, "route": route})
