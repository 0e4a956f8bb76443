"""The Dagster UI and daemon as `dev` starts them: the page, backfills, webhooks."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.interface import TABLES, running_dev
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

_SECRET = "a-secret-for-this-test"


def _command(pipeline: Pipeline, *arguments: str) -> Any:
    return json.loads(pipeline.execute(*arguments).stdout)


@pytest.mark.usefixtures("empty_database")
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
        pipeline.wait_for(scored, announced)
        listed = pipeline.query("SELECT count(*) AS calls FROM copilot_ops.calls WHERE call_date = %s", first)
        assert listed == [{"calls": 1}]
        plan = _command(pipeline, "backfill", "plan", "--from", first, "--to", first, "--json")
        assert (plan["fetched"], plan["weeks"]) == (1, 1)
        _command(pipeline, "backfill", "start", "--from", first, "--to", first, "--json")
        pipeline.wait_for("SELECT bool_and(finished_at IS NOT NULL) AS is_so FROM copilot_ops.backfills")
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
