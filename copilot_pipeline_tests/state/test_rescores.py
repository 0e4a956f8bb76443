"""A rescore replaces each finished run once, keeps its result, and continues after an interruption."""

from __future__ import annotations

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import RunIntent, SemarizeRunStore
from copilot_pipeline.state.rescores import RescoreRequest, Rescores
from copilot_pipeline_tests.state.examples import DAY, NEXT_DAY

REQUEST = RescoreRequest(DAY, NEXT_DAY, [("deal", "A1")])
ONLY_FAILED = RescoreRequest(DAY, NEXT_DAY, [("deal", "A1")], only_failed=True)


@pytest.fixture
def rescores(database: Database) -> Rescores:
    """All rescores, of calls with a succeeded, a failed and an open run."""
    runs = SemarizeRunStore(database)
    with database.connection() as connection:
        connection.cursor().executemany(
            """INSERT INTO copilot.transcripts (call_id, call_date, text, words, utterances, transcript_hash)
            VALUES (%s, %s, 'Hello', 1, 1, 'hash')""",
            [("succeeded", DAY), ("failed", DAY), ("running", DAY)],
        )
    for run in runs.register(
        [RunIntent(call_id, "deal", "A1", "hash", DAY, call_id) for call_id in ("succeeded", "failed", "running")]
    ):
        if run.call_id == "running":
            runs.mark_created(run, "run_running", "running")
        else:
            runs.mark_finished(
                run,
                run_id=f"run_{run.call_id}",
                status=run.call_id,
                kit_version_id="v1",
                duration_ms=1,
                error_code=None,
                error_message=None,
                answer=b"{}",
            )
    return Rescores(database)


def statuses(database: Database) -> dict[str, str]:
    """Return the status of the current run by call."""
    with database.connection() as connection:
        return dict(connection.execute("SELECT call_id, status FROM copilot_ops.semarize_runs").fetchall())


def test_replaces_finished_runs_and_keeps_their_results(rescores: Rescores, database: Database) -> None:
    """The open run stays; the replaced ones are pending without a key, and their results are kept."""
    assert rescores.cost(REQUEST) == {"deal": 2}
    rescore_id = rescores.start(REQUEST, REQUEST.name)
    assert statuses(database) == {"succeeded": "pending", "failed": "pending", "running": "running"}
    with database.connection() as connection:
        replaced = connection.execute(
            "SELECT call_id, run_id, idempotency_key FROM copilot_ops.replaced_runs ORDER BY call_id"
        ).fetchall()
        pending = connection.execute(
            """SELECT DISTINCT rescore_id, run_id, idempotency_key, answer FROM copilot_ops.semarize_runs
            WHERE status = 'pending'"""
        ).fetchall()
    assert replaced == [("failed", "run_failed", "failed"), ("succeeded", "run_succeeded", "succeeded")]
    assert pending == [(rescore_id, None, "", None)]


def test_an_interrupted_rescore_replaces_no_run_twice(rescores: Rescores, database: Database) -> None:
    """Started again under its name, it has the same id, and runs that it has replaced cost nothing more."""
    rescore_id = rescores.start(REQUEST, REQUEST.name)
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.semarize_runs SET status = 'succeeded' WHERE call_id = 'failed'")
    assert rescores.unfinished(REQUEST.name) == rescore_id
    assert rescores.cost(REQUEST, rescore_id) == {}
    assert rescores.start(REQUEST, REQUEST.name) == rescore_id
    assert statuses(database)["failed"] == "succeeded"
    rescores.finish(rescore_id)
    assert rescores.unfinished(REQUEST.name) is None
    assert rescores.cost(REQUEST) == {"deal": 1}


def test_replaces_only_failed_runs_on_request(rescores: Rescores, database: Database) -> None:
    """A run that has not finished for a day counts as failed."""
    assert rescores.cost(ONLY_FAILED) == {"deal": 1}
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.semarize_runs SET created_at = now() - interval '2 days'")
    assert rescores.cost(ONLY_FAILED) == {"deal": 2}
    rescores.start(ONLY_FAILED, ONLY_FAILED.name)
    assert statuses(database) == {"succeeded": "succeeded", "failed": "pending", "running": "pending"}


def test_ignores_other_days_and_kits(rescores: Rescores) -> None:
    """Only runs of these days, kits and versions are replaced."""
    assert rescores.cost(RescoreRequest(NEXT_DAY, NEXT_DAY, [("deal", "A1")])) == {}
    assert rescores.cost(RescoreRequest(DAY, DAY, [("deal", "B2"), ("other", "A1")])) == {}
