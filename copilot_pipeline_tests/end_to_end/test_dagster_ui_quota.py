"""A backfill in the Dagster UI and daemon as `dev` starts them, while the weekly quota is used up."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.interface import running_dev
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

_TIMEOUT_SECONDS = 120


def _start_new_week(pipeline: Pipeline) -> None:
    """Start a new week, for the server and for our own count."""
    pipeline.sandbox.reset_stats()
    with psycopg.connect(pipeline.database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM copilot_ops.request_counts")
        connection.execute("UPDATE copilot_ops.rate_limits SET week_requests = 0, closed_until = '-infinity'")


def test_a_backfill_waits_in_the_queue_while_the_quota_is_used_up(make_pipeline: MakePipeline) -> None:
    """With a quota that is too small, the server never refuses a request for the week: the rest of the backfill waits
    in the queue with the limit of its pool at 0, and continues after the reset. Nothing is fetched twice."""
    cap = 20
    pipeline = make_pipeline(days=2, calls_per_day=20, requests_per_week=cap)
    with running_dev(pipeline, COPILOT_PIPELINE_REQUESTS_PER_WEEK=str(cap)) as interface:
        identity = interface.launch(["raw_call_details"], list(pipeline.days()))
        shut = (
            "SELECT EXISTS (SELECT 1 FROM concurrency_limits WHERE concurrency_key = 'clari_copilot' AND \"limit\" = 0)"
        )
        pipeline.wait_for(f"{shut} AS is_so")
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while "QUEUED" not in interface.run_statuses():
            assert time.monotonic() < deadline, interface.run_statuses()
            time.sleep(0.5)
        counted = pipeline.sandbox.stats()
        assert counted["refused_for_the_week"] == 0
        assert 0 < counted["clari_total"] <= cap
        assert counted["details_most_for_one_call"] == 1
        deadline = time.monotonic() + 4 * _TIMEOUT_SECONDS
        backfill: dict[str, Any] = {"status": "REQUESTED"}
        while backfill["status"] != "COMPLETED_SUCCESS" and time.monotonic() < deadline:
            _start_new_week(pipeline)
            backfill = interface.wait_for_backfill(identity, seconds=45)
        assert backfill["status"] == "COMPLETED_SUCCESS"
    rows = pipeline.query("SELECT count(*) FILTER (WHERE fetched_version = version) AS fetched FROM copilot_ops.calls")
    assert rows[0]["fetched"] == sum(map(is_transcribed, pipeline.sandbox.truth()))
    assert pipeline.sandbox.stats()["refused_for_the_week"] == 0
