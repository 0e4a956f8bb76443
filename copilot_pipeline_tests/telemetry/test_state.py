"""Metrics of the state, compared with rows that a test writes, and the plans of their statements."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster_postgres import DagsterPostgresStorage

from copilot_pipeline.defs.automation.schedules import SCHEDULES
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.telemetry.metrics import FROM_STATE, METRICS
from copilot_pipeline.telemetry.state import SCHEDULE_JOBS, QuotaSettings, StateReader
from copilot_pipeline_tests.query_plans import migrated_database, scanned_tables
from copilot_pipeline_tests.telemetry.test_recorder import exported

CALLS = 20_000
# Of each thousand calls five are unfinished: to fetch, deferred, quarantined, not ready, to store.
FILL = f"""
SET synchronous_commit = on; -- otherwise a vacuum right after it cannot mark the rows as visible to all
INSERT INTO copilot_ops.calls (call_id, call_date, started_at, readiness, version, content_hash, listed_at, seen_at,
  fetched_version, is_dirty, quarantine_reason, next_attempt_at, source)
SELECT 'call-' || number, date '2026-01-01' + number / 400, now(),
  CASE number % 1000 WHEN 3 THEN 'pending' ELSE 'ready' END,
  '1', '', now() - make_interval(secs => number), now(), CASE WHEN number % 1000 NOT IN (0, 1, 2, 3) THEN '1' END,
  number % 1000 = 4, CASE WHEN number % 1000 = 2 THEN 'not JSON' END,
  CASE WHEN number % 1000 IN (1, 2) THEN now() + interval '1 hour' END, 'backfill'
FROM generate_series(1, {CALLS}) AS number;
INSERT INTO copilot_ops.partitions (call_date, calls, is_stale, stored_at, loaded_at)
SELECT call_date, count(*), false, now(), now() FROM copilot_ops.calls GROUP BY call_date;
INSERT INTO copilot_ops.partitions (call_date, calls, is_stale, stored_at, loaded_at) VALUES
  ('2020-01-01', 7, false, now(), NULL), ('2020-01-02', 8, false, now(), now() - interval '1 day');
INSERT INTO copilot_ops.pending_calls (call_date, call_id) VALUES ('2020-01-01', 'call-1'), ('2020-01-03', 'call-2');
INSERT INTO copilot_ops.semarize_runs (call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status,
  run_id, answer, speech_hash)
SELECT 'call-' || number, CASE WHEN number % 2 = 0 THEN 'meddicc' ELSE 'coaching' END, 'A', '', '2026-01-01', '',
  CASE WHEN number % 200 = 0 THEN 'pending' WHEN number % 200 = 2 THEN 'failed' ELSE 'succeeded' END,
  CASE WHEN number % 200 <> 0 THEN 'run-' || number END, convert_to(repeat('x', 300), 'UTF8'), ''
FROM generate_series(1, {CALLS}) AS number;
INSERT INTO copilot_ops.outbox (route, sink, kind, call_id, version, target, message_id, call_started_at, scored_at,
  payload, state, created_at, next_attempt_at)
SELECT 'Risk', 'slack', 'slack', 'call-' || number, '1', '', 'msg_' || number, now(), now(),
  jsonb_build_object('text', repeat('x', 300)), CASE WHEN number % 200 = 0 THEN 'queued' ELSE 'sent' END,
  now() - interval '1 hour', now()
FROM generate_series(1, {CALLS}) AS number;
INSERT INTO copilot_ops.request_counts (name, week_start, source, requests) VALUES
  ('clari', copilot_ops.week_of(now()), 'backfill', 700), ('clari', copilot_ops.week_of(now()), 'poll', 250),
  ('clari', '2020-01-05', 'backfill', 99);
"""
# Vacuumed as autovacuum does it: the totals read indexes, without the table where all rows are visible.
VACUUM = ("calls", "semarize_runs", "outbox", "partitions")
# Few rows by their nature: one per day, week, sink, incident and limit.
SMALL = {"partitions", "request_counts", "rate_limits", "sinks", "incidents", "key_values", "pending_calls", "inbox",
         "quarantine", "replaced_runs", "pg_class", "pg_namespace"}  # fmt: skip
STATEMENTS = [
    (file, name)
    for file in ("state.sql", "totals.sql")
    for name in load_queries("copilot_pipeline.telemetry.sql", file)
]


@pytest.fixture(scope="module")
def filled(server_url: str) -> Iterator[Database]:
    """A database with 20,000 calls, runs and deliveries."""
    with migrated_database(server_url, "filled_metrics") as database:
        with database.connection() as connection:
            connection.execute(FILL)
            for table in VACUUM:
                connection.execute(f"VACUUM ANALYZE copilot_ops.{table}".encode())
        yield database


@pytest.mark.parametrize(("file", "name"), STATEMENTS, ids=lambda value: value)
def test_statements_do_not_scan_large_tables(filled: Database, file: str, name: str) -> None:
    """A scrape costs what is unfinished, and for totals entries of small indexes."""
    statement = load_queries("copilot_pipeline.telemetry.sql", file)[name]
    scanned = scanned_tables(filled, statement, {"requests_per_week": 1000, "reserve": 0.1})
    assert scanned - SMALL == set()


def test_metrics_equal_the_rows(filled: Database) -> None:
    """Calls, runs, deliveries and the quota, by their labels."""
    values = exported(filled)

    def of(name: str, **labels: str) -> float:
        return values[f"copilot_pipeline_{name}", tuple(sorted(labels.items()))]

    states = ("to_fetch", "deferred", "quarantined", "not_ready", "to_store", "to_load")
    assert {state: of("calls", state=state) for state in states} == {**dict.fromkeys(states, 20), "to_load": 16}
    assert of("calls", state="stored") == CALLS + 15
    assert of("calls_oldest_age_seconds", state="to_fetch") == pytest.approx(CALLS, rel=0.05)
    run_states = ("queued", "failed", "succeeded", "paid")
    runs = {state: of("semarize_runs", kit="meddicc", state=state) for state in run_states}
    assert runs == {"queued": 100, "failed": 100, "succeeded": 9_800, "paid": 9_900}
    assert of("semarize_runs", kit="coaching", state="succeeded") == 10_000
    deliveries = [of("outbox_deliveries", sink="slack", state=state) for state in ("queued", "sent")]
    assert deliveries == [100, 19_900]
    assert of("outbox_oldest_age_seconds", sink="slack", state="queued") == pytest.approx(3600, rel=0.2)
    assert (of("quota_used_requests", source="backfill"), of("quota_used_requests", source="poll")) == (700, 250)
    assert (of("quota_left_requests", **{"for": "all"}), of("quota_left_requests", **{"for": "backfills"})) == (50, 0)
    assert of("database_bytes", schema="copilot_ops") > 5_000_000


def test_a_failed_run_that_is_started_again_is_no_failure(database: Database) -> None:
    """Such as one whose process was killed: what counts is the run that Dagster starts in its place."""
    storage = DagsterPostgresStorage(postgres_url=database.url, should_autocreate_tables=True)
    for will_retry in ("true", "false"):
        run = dg.DagsterRun("poll", status=dg.DagsterRunStatus.FAILURE, tags={"dagster/will_retry": will_retry})
        storage.run_storage.add_run(run)
    with database.connection() as connection:
        samples = StateReader(QuotaSettings(1000, 0.3)).current(connection)
    failed = {one.labels["job"]: one.value for one in samples if one.metric.endswith("_dagster_failed_runs_last_day")}
    assert failed == {"poll": 1}


def test_statements_name_only_described_metrics() -> None:
    """Every metric of a statement is in the list, and every metric of the list that is not recorded has a statement."""
    text = "".join(
        statement
        for file in ("state.sql", "totals.sql", "dagster.sql")
        for statement in load_queries("copilot_pipeline.telemetry.sql", file).values()
    )
    named = {part.split("'")[0] for part in text.split("'copilot_pipeline_")[1:]}
    assert {f"copilot_pipeline_{name}" for name in named} == {metric.name for metric in FROM_STATE}
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_schedules_are_those_of_the_definitions() -> None:
    """The metrics do not import Dagster, so the names of schedules and jobs are repeated there."""
    assert {
        schedule.name: schedule.job_name for schedule in SCHEDULES if isinstance(schedule, dg.ScheduleDefinition)
    } == SCHEDULE_JOBS
