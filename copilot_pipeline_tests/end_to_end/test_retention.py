"""The nightly removal is killed again and again, and the next one finishes it."""

from __future__ import annotations

import psycopg
import pytest

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.kills import kill_repeatedly
from copilot_pipeline_tests.end_to_end.pipeline import KITS, Pipeline
from copilot_pipeline_tests.end_to_end.planted_person import trace_all

KILLS = 4
_REMOVAL = """
import dagster as dg
from copilot_pipeline.definitions import build_definitions
with dg.DagsterInstance.ephemeral() as instance:
    assert build_definitions().resolve_job_def("removal").execute_in_process(instance=instance).success
"""
# What the removal has marked so far: days, and rows that its erasure has changed.
_PROGRESS = """SELECT (SELECT count(raw_removed_at) + count(texts_removed_at) + count(lake_texts_removed_at)
    FROM copilot_ops.partitions) + (SELECT coalesce(sum(1 + value::bigint), 0)::bigint
    FROM copilot_ops.erasures LEFT JOIN LATERAL jsonb_each_text(removed) ON true)"""


def _remove_and_kill(pipeline: Pipeline) -> None:
    """Run the removal and kill it when it has done something more, several times; then let it finish."""
    environment = pipeline.environment(COPILOT_PIPELINE_PRIVACY_KEY="0123456789abcdef")
    removal = kill_repeatedly(
        pipeline.database_url,
        lambda: pipeline.commands.start_code(_REMOVAL, folder=pipeline.home, environment=environment),
        tables=["copilot_ops.erasures", "copilot_ops.partitions"],
        progress=_PROGRESS,
        times=KILLS,
    )
    output = removal.communicate()
    assert removal.wait() == 0, output


@pytest.mark.faults
def test_a_killed_removal_is_finished_by_the_next_one(make_pipeline: MakePipeline) -> None:
    """No sentence is left in any place, nor a call that the vendor has removed, also after the days are run again
    while the list shows the call again. Nothing is scored a second time."""
    pipeline = make_pipeline(days=4, calls_per_day=4, segments=6, traps=False)
    pipeline.environment()
    limits = "privacy: {retention: {transcripts: 30d, removed_calls: erase_after 1d}}\n"
    (pipeline.home / "pipeline.yaml").write_text(KITS + limits)
    assert pipeline.run()["complete"] is True
    said = {row["text"] for row in pipeline.query("SELECT text FROM copilot.utterances WHERE length(text) > 60")}
    call_id = pipeline.query("SELECT min(call_id) AS call_id FROM copilot.calls")[0]["call_id"]
    with psycopg.connect(pipeline.database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE copilot_ops.calls SET removed_at = now() - interval '2 days' WHERE call_id = %s", [call_id]
        )
    wanted = {call_id, *sorted(said)[::10]}
    assert set().union(*trace_all(pipeline, wanted).values()) == wanted
    runs = pipeline.sandbox.stats()["runs_created"]
    _remove_and_kill(pipeline)
    assert trace_all(pipeline, wanted) == {}
    pipeline.execute(
        "run", "--from", pipeline.days()[0], "--to", pipeline.days()[1], COPILOT_PIPELINE_PRIVACY_KEY="0123456789abcdef"
    )
    assert trace_all(pipeline, wanted) == {}
    assert pipeline.sandbox.stats()["runs_created"] == runs
    audit = pipeline.query(
        "SELECT requested_by, calls, plan, finished_at IS NOT NULL AS is_so FROM copilot_ops.erasures"
    )
    assert [tuple(row.values()) for row in audit] == [("retention", 1, None, True)]
