"""The Dagster UI and daemon as `dev` starts them: backfills, the weekly quota, webhooks."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import psycopg
import pytest

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.interface import TABLES, running_dev
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

_SECRET = "a-secret-for-this-test"
_TIMEOUT_SECONDS = 120


def _wait_for(pipeline: Pipeline, query: str, *values: object) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not pipeline.query(query, *values)[0]["is_so"]:
        assert time.monotonic() < deadline, f"never so: {query}"
        time.sleep(0.2)


def _start_new_week(pipeline: Pipeline) -> None:
    """Start a new week, for the server and for our own count."""
    pipeline.sandbox.reset_stats()
    with psycopg.connect(pipeline.database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM copilot_ops.request_counts")
        connection.execute("UPDATE copilot_ops.rate_limits SET week_requests = 0, closed_until = '-infinity'")


def _command(pipeline: Pipeline, *arguments: str) -> Any:
    return json.loads(pipeline.execute(*arguments).stdout)


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
        _wait_for(pipeline, f"{shut} AS is_so")
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


def test_all_sources_fill_the_same_tables(make_pipeline: MakePipeline) -> None:
    """The page opens. A backfill of one day, launched over GraphQL, materializes every table of it. Meanwhile a call of
    another day, named by a webhook, is fetched, loaded and scored without listing its day. A registered backfill then
    loads the rest. Nothing is fetched twice, and stopping `dev` stops everything it started."""
    pipeline = make_pipeline(days=2, calls_per_day=10)
    first, last = pipeline.days()
    ready = [call for call in pipeline.sandbox.truth() if is_transcribed(call) and call["details"]["transcript"]]
    announced = next(call["call_id"] for call in ready if call["day"] == first)
    with running_dev(pipeline, COPILOT_PIPELINE_WEBHOOK_SECRET=_SECRET) as interface:
        page = httpx.get(interface.url)
        assert page.status_code == 200
        assert "<!DOCTYPE html>" in page.text
        launched = interface.launch(TABLES, [last])
        answer = httpx.post(interface.webhook_url, json={"call_id": announced}, headers={"X-Webhook-Secret": _SECRET})
        assert answer.is_success, answer.text
        scored = "SELECT count(*) > 0 AS is_so FROM copilot.semarize_scores WHERE call_id = %s"
        _wait_for(pipeline, scored, announced)
        known = pipeline.query("SELECT count(*) AS calls FROM copilot_ops.calls WHERE call_date = %s", first)
        assert known == [{"calls": 1}]
        plan = _command(pipeline, "backfill", "plan", "--from", first, "--to", first, "--json")
        assert (plan["fetched"], plan["weeks"]) == (1, 1)
        _command(pipeline, "backfill", "start", "--from", first, "--to", first, "--json")
        _wait_for(pipeline, "SELECT bool_and(finished_at IS NOT NULL) AS is_so FROM copilot_ops.backfills")
        backfill = interface.wait_for_backfill(launched)
        assert backfill["status"] == "COMPLETED_SUCCESS"
        counts = {
            one["assetKey"]["path"][0]: (one["numPartitionsMaterialized"], one["numPartitionsFailed"])
            for one in backfill["assetBackfillData"]["assetBackfillStatuses"]
        }
        assert counts == dict.fromkeys(TABLES, (1, 0))
    transcribed = {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")}
    assert transcribed == {call["call_id"] for call in pipeline.sandbox.truth() if is_transcribed(call)}
    assert pipeline.sandbox.stats()["details_most_for_one_call"] == 1
    budget = _command(pipeline, "budget", "--json")
    assert {"webhook", "backfill", "manual"} <= set(budget["by_source"])
    with pytest.raises(httpx.TransportError):
        httpx.get(interface.url)
