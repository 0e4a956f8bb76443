"""The incremental run, on the sandbox and a real database, without the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

# Private: Dagster compares a check with the newest materialization only through its loaders, and exports no context.
from dagster._core.loader import LoadingContextForTest

from copilot_pipeline.definitions import build_definitions
from copilot_pipeline.defs.automation import incremental_run
from copilot_pipeline.defs.automation.incremental_run import IncrementalRun
from copilot_pipeline.defs.calls.assets import call_tables, raw_call_details
from copilot_pipeline.defs.checks import CHECKS
from copilot_pipeline.defs.resources.configured import configured_resources
from copilot_pipeline.load.tables import CALL_TABLES, RAW_CALL_DETAILS, SCORE_TABLES
from copilot_pipeline.state import AdvisoryLocks
from copilot_pipeline.state.inbox import InboundWebhook
from copilot_pipeline_tests.defs.opened import Opened
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline, resources_of
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

KITS = 2
SCORED = "SELECT DISTINCT call_id FROM copilot.semarize_scores"
ON_THEIR_WAY = "SELECT call_id FROM copilot_ops.pending_calls"


def _announce(opened: Opened, *ids: str, kind: Any = "call") -> None:
    opened.inbox.put([InboundWebhook(kind, ids, "test", datetime.now(UTC) + timedelta(hours=1))])


def _run(opened: Opened) -> IncrementalRun:
    with opened.incremental_run() as incremental:
        list(incremental.run())
    return incremental


def _ids(pipeline: Pipeline, query: str) -> set[str]:
    return {row["call_id"] for row in pipeline.query(query)}


def _transcribed(pipeline: Pipeline) -> list[str]:
    """Ready calls with at least one utterance."""
    result = [call for call in pipeline.sandbox.truth() if is_transcribed(call) and call["details"]["transcript"]]
    return [call["call_id"] for call in result]


def test_processes_a_webhook_while_other_calls_are_scored(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call announced while the runs of an earlier one are open is fetched, loaded and given its runs by the same run,
    without waiting for the earlier ones."""
    pipeline = make_pipeline(days=1, calls_per_day=20, semarize_seconds=6)
    first, second = _transcribed(pipeline)[:2]
    with resources_of(pipeline, monkeypatch) as opened:
        _announce(opened, first)
        with opened.incremental_run() as incremental:
            for loaded in incremental.run():
                created = pipeline.sandbox.stats()["runs_created"]
                if loaded.tables[0].name == "semarize_runs":
                    if created == KITS:
                        _announce(opened, second)
                    elif not _ids(pipeline, SCORED):
                        assert created == 2 * KITS
                        assert _ids(pipeline, "SELECT call_id FROM copilot.transcripts") == {first, second}
    assert _ids(pipeline, SCORED) == {first, second}
    assert _ids(pipeline, ON_THEIR_WAY) == set()
    assert pipeline.sandbox.stats()["details_by_call"] == {first: 1, second: 1}


def test_does_not_fetch_a_call_that_a_backfill_is_fetching(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The webhook stays in the inbox until then. Afterwards the call is loaded and scored without a second request for
    its details, and without the other calls of the day, which are the backfill's."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    call_id = _transcribed(pipeline)[0]
    with resources_of(pipeline, monkeypatch) as opened:
        _announce(opened, call_id)
        with AdvisoryLocks(opened.postgres.database.url) as backfill, opened.webhook_processor() as processor:
            assert backfill.acquire([call_id]) == {call_id}
            assert processor.process_batch().calls == {}
        assert opened.inbox.backlog().count == 1
        assert pipeline.sandbox.stats()["details_by_call"] == {}
        pipeline.run("--assets", "raw_call_details")
        fetched = pipeline.sandbox.stats()["details_by_call"]
        assert fetched[call_id] == 1
        _run(opened)
    assert pipeline.sandbox.stats()["details_by_call"] == fetched
    assert _ids(pipeline, SCORED) == {call_id}


def test_fetches_a_known_call_again_only_if_its_version_changed(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second webhook for a scored call costs one list request. If the status has changed since, the call is fetched
    again; an unchanged transcript is not paid for again."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    call_id = _transcribed(pipeline)[0]
    with resources_of(pipeline, monkeypatch) as opened:
        _announce(opened, call_id)
        _run(opened)
        before = pipeline.sandbox.stats()
        _announce(opened, call_id)
        _run(opened)
        after = pipeline.sandbox.stats()
        assert after["details_by_call"] == {call_id: 1}
        assert after["clari_total"] == before["clari_total"] + 1
        pipeline.sandbox.edit(call_id, status="PROCESSED")
        _announce(opened, call_id)
        _run(opened)
    assert pipeline.sandbox.stats()["details_by_call"] == {call_id: 2}
    assert pipeline.sandbox.stats()["runs_created"] == KITS
    (row,) = pipeline.query("SELECT status_raw FROM copilot.calls WHERE call_id = %s", call_id)
    assert row == {"status_raw": "PROCESSED"}


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_continues_with_what_an_interrupted_run_left(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """If a run ends after the details, after the raw file or after the tables, the next one completes the rest."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    call_id = _transcribed(pipeline)[0]
    with resources_of(pipeline, monkeypatch) as opened:
        _announce(opened, call_id)
        if steps:
            with opened.incremental_run() as incremental:
                interrupted = incremental.run()
                assert isinstance(interrupted, Generator)
                for _ in range(steps):
                    next(interrupted)
                interrupted.close()
        else:
            with opened.webhook_processor() as processor:
                processor.process_batch()
        assert _ids(pipeline, ON_THEIR_WAY) - {""} == {call_id}
        _run(opened)
    assert _ids(pipeline, SCORED) == {call_id}
    assert _ids(pipeline, ON_THEIR_WAY) == set()
    assert pipeline.sandbox.stats()["details_by_call"] == {call_id: 1}
    assert pipeline.sandbox.stats()["runs_created"] == KITS


def test_tries_a_failing_call_once_and_completes_the_others(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what a poll found, all but the call that the server does not return is scored; the run names it at its end."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    good, bad = _transcribed(pipeline)[:2]
    with resources_of(pipeline, monkeypatch) as opened:
        opened.poll()
        pipeline.sandbox.edit(good, status="PROCESSED")
        pipeline.sandbox.edit(bad, status="PROCESSED")
        assert opened.poll() == 2
        pipeline.sandbox.set_faults(detail_status={bad: 400})
        incremental = _run(opened)
    assert [bad in problem for problem in incremental.problems] == [True]
    assert _ids(pipeline, SCORED) == {good}
    assert pipeline.sandbox.stats()["details_by_call"] == {good: 1, bad: 1}


def test_ends_without_a_failure_when_the_quota_is_used_up(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was fetched before is scored; the other webhooks stay in the inbox. A lone call costs two requests."""
    pipeline = make_pipeline(days=1, calls_per_day=20, requests_per_week=2)
    monkeypatch.setenv("COPILOT_PIPELINE_REQUESTS_PER_WEEK", "2")
    calls = _transcribed(pipeline)[:3]
    with resources_of(pipeline, monkeypatch) as opened:
        _announce(opened, calls[0])
        _run(opened)
        _announce(opened, *calls[1:])
        incremental = _run(opened)
        assert incremental.quota_exhausted is not None
        assert incremental.problems == []
        assert opened.inbox.backlog().count == 2
    assert _ids(pipeline, SCORED) == {calls[0]}
    assert pipeline.sandbox.stats()["refused_for_the_week"] == 0


def test_collects_a_run_that_semarize_reports_as_ended(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that another process created and no longer waits for is collected when its webhook is received: one
    request, no second run."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    call_id = _transcribed(pipeline)[0]
    with resources_of(pipeline, monkeypatch) as opened:
        pipeline.sandbox.set_faults(semarize_stuck=True)
        _announce(opened, call_id)
        with opened.incremental_run() as incremental:
            interrupted = incremental.run()
            assert isinstance(interrupted, Generator)
            while not _ids(pipeline, "SELECT call_id FROM copilot_ops.semarize_runs WHERE run_id IS NOT NULL"):
                next(interrupted)
            interrupted.close()
        opened.pending.complete(opened.calls.find(call_id).call_date, [call_id])  # type: ignore[union-attr]
        pipeline.sandbox.set_faults()
        for row in pipeline.query("SELECT run_id FROM copilot_ops.semarize_runs WHERE run_id IS NOT NULL"):
            _announce(opened, row["run_id"], kind="run")
        _announce(opened, "run_of_somebody_else", kind="run")
        _run(opened)
    assert _ids(pipeline, SCORED) == {call_id}
    assert pipeline.sandbox.stats()["runs_created"] == KITS


def test_evaluates_the_checks_of_the_tables_that_it_materializes(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed call leaves no check without a result for the newest materialization; a failed one stays visible."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    call_id = _transcribed(pipeline)[0]
    monkeypatch.setattr(incremental_run, "LINGER_SECONDS", 0.0)
    with resources_of(pipeline, monkeypatch) as opened, dg.DagsterInstance.ephemeral() as instance:
        for status in ("PROCESSED", "COMPLETED"):
            with opened.postgres.database.connection() as connection:
                connection.execute(
                    """INSERT INTO copilot_ops.quarantine (call_id, call_date, origin, reason, body, body_hash)
                    VALUES ('broken', current_date, 'call-details', 'HTML', %s, 'hash') ON CONFLICT DO NOTHING""",
                    (b"<html>",),
                )
            pipeline.sandbox.edit(call_id, status=status)
            _announce(opened, call_id)
            job = build_definitions().resolve_job_def("incremental_run")
            assert job.execute_in_process(instance=instance).success
            tables = {dg.AssetKey(table.name) for table in (RAW_CALL_DETAILS, *CALL_TABLES, *SCORE_TABLES)}
            keys = [check.check_key for check in CHECKS if check.check_key.asset_key in tables]
            latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
            for key in keys:
                assert asyncio.run(latest[key].targets_latest_materialization(LoadingContextForTest(instance))), key
            evaluations = {key.name: latest[key].evaluation for key in keys}
            passed = {name: one.passed for name, one in evaluations.items() if one is not None}
            assert passed["nothing_in_quarantine"] is False
            assert passed["no_duplicate_calls"] is True


@pytest.mark.parametrize("with_tables", [True, False])
def test_loads_complete_days_of_a_run_that_used_up_the_quota(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch, with_tables: bool
) -> None:
    """Their tables and scores do not wait for the reset, though Dagster skips what is downstream of a failed step. Of a
    run of the raw layer alone nothing is loaded, because nothing was requested."""
    pipeline = make_pipeline(days=3, calls_per_day=8)
    first, last = pipeline.days()
    monkeypatch.setenv("COPILOT_PIPELINE_REQUESTS_PER_WEEK", "18")  # one of them reads the users
    with resources_of(pipeline, monkeypatch) as opened, dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [raw_call_details, *([call_tables] if with_tables else [])],
            instance=instance,
            resources=configured_resources(),
            tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
            raise_on_error=False,
        )
        assert not result.success
        assert pipeline.query("SELECT call_id FROM copilot.calls") == []
        _run(opened)
    complete = pipeline.query(
        """SELECT call_date FROM copilot_ops.calls GROUP BY 1
        HAVING bool_and(readiness <> 'ready' OR fetched_version IS NOT DISTINCT FROM version) ORDER BY 1"""
    )
    made = pipeline.query(
        "SELECT DISTINCT call_date FROM copilot.calls JOIN copilot.semarize_runs USING (call_date) ORDER BY 1"
    )
    assert 0 < len(complete) < 3
    assert made == (complete if with_tables else [])
    assert pipeline.sandbox.stats()["refused_for_the_week"] == 0
