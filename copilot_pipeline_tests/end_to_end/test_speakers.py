"""Names of speakers cause no paid run: late, renamed and merged users, on the sandbox."""

from __future__ import annotations

import os
import time
from typing import Any

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline

WITHOUT_USERS = (
    "--assets",
    "raw_call_details,calls,participants,transcripts,utterances,semarize_runs,semarize_scores,evidence",
)


def _paid(pipeline: Pipeline) -> int:
    return int(pipeline.sandbox.stats()["runs_created"])


def _speakers(pipeline: Pipeline) -> set[str]:
    rows = pipeline.query("SELECT DISTINCT speaker FROM copilot.utterances WHERE side = 'rep'")
    return {row["speaker"] for row in rows}


def _user_requests(pipeline: Pipeline) -> int:
    return int(pipeline.sandbox.stats()["clari_requests"].get("rest /users", 0))


def _delete_users(pipeline: Pipeline) -> None:
    """Make the snapshot older than the setting."""
    two_days_ago = time.time() - 48 * 3600
    os.utime(pipeline.home / "lake" / "users" / "part.parquet", (two_days_ago, two_days_ago))


def test_names_are_there_without_the_asset_users(make_pipeline: MakePipeline) -> None:
    """The selection of the README: the extraction reads the users once, and again when they are old."""
    pipeline = make_pipeline(days=2)
    pipeline.run(*WITHOUT_USERS)
    names = {user["name"] for user in pipeline.sandbox.reference()["users"]}
    assert _speakers(pipeline) <= names
    assert _user_requests(pipeline) == 1
    pipeline.run(*WITHOUT_USERS)
    assert _user_requests(pipeline) == 1
    _delete_users(pipeline)
    pipeline.run(*WITHOUT_USERS)
    assert _user_requests(pipeline) == 2
    sources = pipeline.query("SELECT DISTINCT source FROM copilot_ops.request_counts")
    assert sources == [{"source": "manual"}]


def test_late_renamed_and_merged_users_cost_nothing(make_pipeline: MakePipeline) -> None:
    """Three ways in which labels change; an edit of words afterwards costs its own runs and no others."""
    pipeline = make_pipeline(days=2)
    users: list[dict[str, Any]] = pipeline.sandbox.reference()["users"]
    pipeline.sandbox.set_users([])
    pipeline.run(*WITHOUT_USERS)
    paid = _paid(pipeline)
    nameless = _speakers(pipeline)
    assert paid
    assert all("@" in name for name in nameless)

    merged = [{**users[0], "name": "Robin Roe"}, *({**user, "email": users[0]["email"]} for user in users[1:])]
    for present in (users, [{**user, "name": f"{user['name']}-Roe"} for user in users], merged, users):
        pipeline.sandbox.set_users(present)
        _delete_users(pipeline)
        pipeline.run()
        assert _speakers(pipeline) <= {user["name"] for user in present}
        assert _paid(pipeline) == paid
    runs = pipeline.query(
        """SELECT count(*) AS runs, count(*) FILTER (WHERE runs.transcript_hash <> texts.transcript_hash) AS relabelled,
          count(*) FILTER (WHERE runs.speech_hash <> texts.speech_hash) AS other,
          count(*) FILTER (WHERE old.text IS NULL) AS without_text
        FROM copilot.semarize_runs AS runs JOIN copilot.transcripts AS texts USING (call_id)
        LEFT JOIN copilot.scored_transcripts AS old ON old.transcript_hash = runs.transcript_hash
        WHERE runs.status = 'succeeded'"""
    )
    assert runs == [{"runs": paid, "relabelled": paid, "other": 0, "without_text": 0}]


def test_a_failed_refresh_is_a_warning_if_there_is_a_snapshot(make_pipeline: MakePipeline) -> None:
    """The stored users are used, and the run reports it."""
    pipeline = make_pipeline(days=1, calls_per_day=6)
    pipeline.run()
    speakers = _speakers(pipeline)
    _delete_users(pipeline)
    pipeline.sandbox.set_faults(users_status=503)
    done = pipeline.run(*WITHOUT_USERS)
    assert done["complete"] is True
    assert _speakers(pipeline) == speakers
    assert "the users could not be read" in pipeline.error_output
