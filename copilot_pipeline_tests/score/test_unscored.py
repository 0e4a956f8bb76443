"""The view `calls_without_scores`."""

from __future__ import annotations

from typing import Any

from copilot_pipeline.load.tables import CALLS, SEMARIZE_RUNS
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.load.warehouse.rows import DAY, call, load


def run(call_id: str, status: str, bricks: int = 0, **fields: Any) -> dict[str, Any]:
    """A row of `semarize_runs`."""
    known = {"kit": "deal", "call_date": DAY, "kit_reference": "A1B2C3D4", "transcript_hash": "hash"}
    return {"call_id": call_id, "status": status, "bricks": bricks, **known, **fields}


def test_lists_each_call_without_a_score_with_the_reason(database: Database) -> None:
    """Failed, skipped, open, without bricks, not transcribed.

    Calls with a score are not listed.
    """
    load(
        database,
        {
            CALLS: [*(call(f"c-{number}") for number in range(6)), call("c-6", has_transcript=False, status="pending")],
            SEMARIZE_RUNS: [
                run("c-0", "succeeded", 4),
                run("c-1", "failed", error_code="boom", error_message="The model gave no answer."),
                run("c-2", "skipped", error_message="3 words: the kit requires 10 or more"),
                run("c-3", "queued"),
                run("c-4", "succeeded"),
                run("c-5", "succeeded", error_message="*: the run has no output"),
            ],
        },
    )
    with database.connection() as connection:
        rows = connection.execute("SELECT call_id, why FROM copilot.calls_without_scores ORDER BY call_id").fetchall()
    assert rows == [
        ("c-1", "The model gave no answer."),
        ("c-2", "3 words: the kit requires 10 or more"),
        ("c-3", "Semarize has not finished it yet"),
        ("c-4", "the answer has no bricks"),
        ("c-5", "*: the run has no output"),
        ("c-6", "the vendor is still working on it"),
    ]
