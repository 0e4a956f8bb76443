"""The three flows of the guide, with the unchanged files of `examples/`: the scores of the sandbox are delivered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"
FIELDS = {
    "Deal_Confidence__c": "deal_confidence",
    "Risk_Flag__c": "risk_flag",
    "Champion_Identified__c": "champion_identified",
}


def recent(make_pipeline: MakePipeline, calls_per_day: int) -> Pipeline:
    """The last two days, so that risks are recent enough to be sent."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    return make_pipeline(first_day=yesterday - timedelta(days=1), days=2, calls_per_day=calls_per_day, segments=6)


def follow(pipeline: Pipeline, example: str) -> None:
    """Run the example's file as a user does: first the first day, then the others."""
    first, last = pipeline.days()
    config = str(EXAMPLES / example / "pipeline.yaml")
    for day in (first, last):
        pipeline.execute("run", "--from", day, "--to", day, COPILOT_PIPELINE_CONFIG=config)


def computed(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """The bricks that the sandbox computed, by call."""
    bricks = {run["run_id"]: run["bricks"] for run in pipeline.sandbox.outputs()}
    rows = pipeline.query("SELECT call_id, run_id FROM copilot.semarize_runs WHERE status = 'succeeded'")
    return {row["call_id"]: bricks[row["run_id"]] for row in rows}


def opportunities(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """The expected value of each opportunity: that of its newest call with a value of the brick."""
    result: dict[str, dict[str, Any]] = {}
    scores = computed(pipeline)
    for call in sorted(pipeline.sandbox.truth(), key=lambda call: call["item"]["time"]):
        deal_id = (call["item"].get("crm_info") or {}).get("deal_id")
        for field, brick in FIELDS.items() if deal_id and call["call_id"] in scores else ():
            value = scores[call["call_id"]][brick]["value"]
            if value is not None:
                result.setdefault(str(deal_id), {})[field] = value
    return result


def check_opportunities(pipeline: Pipeline) -> None:
    """Each opportunity of the emulated CRM has the expected values, and no other has any."""
    written = pipeline.sandbox.deliveries()["salesforce"]["opportunities"]
    expected = opportunities(pipeline)
    assert len(expected) > 5
    assert {deal_id: fields for deal_id, fields in written.items() if fields} == expected


def test_every_opportunity_has_the_newest_scores(make_pipeline: MakePipeline) -> None:
    """Zapier's flow: scores of new calls are written to the CRM record."""
    pipeline = recent(make_pipeline, calls_per_day=15)
    follow(pipeline, "zapier-crm")
    check_opportunities(pipeline)


def test_each_risk_is_sent_once(make_pipeline: MakePipeline) -> None:
    """The first branch of the flow in Make: of the calls scored after the route was added, those with a risk, and no
    others. The second branch is Zapier's flow."""
    pipeline = recent(make_pipeline, calls_per_day=40)  # enough for some risks
    follow(pipeline, "make-router")
    check_opportunities(pipeline)
    follow(pipeline, "make-router")
    check_opportunities(pipeline)
    last = pipeline.days()[1]
    new = {call["call_id"] for call in pipeline.sandbox.truth() if call["day"] == last}
    risky = {call for call, bricks in computed(pipeline).items() if call in new and bricks["risk_flag"]["value"]}
    titles = {call["call_id"]: call["item"]["title"] for call in pipeline.sandbox.truth()}
    messages = [json.dumps(message, ensure_ascii=False) for message in pipeline.sandbox.deliveries()["slack"]]
    assert risky
    assert len(messages) == len(risky)
    assert all(any(titles[call] in message for message in messages) for call in risky)
    others = {titles[call] for call in new - risky} - {titles[call] for call in risky}
    assert not [title for title in others for message in messages if title in message]


def test_the_database_has_one_row_per_call(make_pipeline: MakePipeline) -> None:
    """The flow in n8n: upsert by call_id, however often it runs; nothing is sent."""
    pipeline = recent(make_pipeline, calls_per_day=10)
    follow(pipeline, "n8n-database")
    follow(pipeline, "n8n-database")
    rows = pipeline.query(
        "SELECT call_id, deal_confidence, risk_flag, champion_identified FROM copilot.scores_deal_signals"
    )
    assert len({row["call_id"] for row in rows}) == len(rows)
    assert {row["call_id"]: {name: row[name] for name in FIELDS.values()} for row in rows} == {
        call: {name: bricks[name]["value"] for name in FIELDS.values()} for call, bricks in computed(pipeline).items()
    }
    assert pipeline.sandbox.deliveries()["slack"] == []
