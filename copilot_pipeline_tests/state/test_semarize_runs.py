"""One paid run per call, kit and transcript, whatever happens in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import RunIntent, SemarizeRun, SemarizeRunStore
from copilot_pipeline.state.semarize_runs import OPEN_STATUSES

INTENT = RunIntent("c-1", "deal", "A1B2C3D4", "hash", date(2026, 11, 3), "clari:c-1:A1B2C3D4:0123")


@pytest.fixture
def runs(database: Database) -> SemarizeRunStore:
    """All runs."""
    return SemarizeRunStore(database)


def find(runs: SemarizeRunStore, transcript_hash: str = "hash") -> SemarizeRun | None:
    """Return the run of the call from the database."""
    return next(iter(runs.runs_for("deal", "A1B2C3D4", [("c-1", transcript_hash, "")])), None)


def register(runs: SemarizeRunStore, intent: RunIntent = INTENT) -> SemarizeRun:
    """Return the open run of an intent."""
    (run,) = runs.register([intent])
    return run


def finish(runs: SemarizeRunStore, run: SemarizeRun, *, status: str = "succeeded", answer: bytes = b"{}") -> None:
    """Record a result of a run."""
    runs.mark_finished(
        run,
        run_id="run_1",
        status=status,
        kit_version_id="v",
        duration_ms=4180,
        error_code=None,
        error_message=None,
        answer=answer,
    )


def test_registers_a_run_once(runs: SemarizeRunStore, database: Database) -> None:
    """Registered by several threads at the same time, it is one open run with one key."""
    with ThreadPoolExecutor(4) as pool:
        registered = list(pool.map(lambda _: register(runs), range(8)))
    assert {run.idempotency_key for run in registered} == {INTENT.idempotency_key}
    assert all(run.is_open and run.status == "pending" and run.run_id is None for run in registered)
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM copilot_ops.semarize_runs").fetchone() == (1,)


def test_keeps_the_first_idempotency_key(runs: SemarizeRunStore) -> None:
    """A request that was sent must be repeated with its key, whatever key a later version would choose."""
    register(runs)
    assert register(runs, replace(INTENT, idempotency_key="another")).idempotency_key == INTENT.idempotency_key


def test_does_not_create_a_run_again(runs: SemarizeRunStore) -> None:
    """A created run is open under its id; a finished one is not, and its result is kept byte for byte."""
    runs.mark_created(register(runs), "run_1", "queued")
    created = register(runs)
    assert (created.run_id, created.status, created.is_open) == ("run_1", "queued", True)
    finish(runs, created, answer=b'{"output": "\xff"}')
    assert runs.register([INTENT]) == []
    finished = find(runs)
    assert finished is not None
    assert (finished.answer, finished.duration_ms, finished.kit_version_id) == (b'{"output": "\xff"}', 4180, "v")
    assert finished.finished_at is not None


@pytest.mark.parametrize(("status", "is_open"), [("unknown", True), ("running", True), ("failed", False)])
def test_polls_only_open_statuses(runs: SemarizeRunStore, status: str, is_open: bool) -> None:
    """A run with a status that this version does not support is polled again, a failed one is not."""
    runs.mark_created(register(runs), "run_1", status)
    assert bool(runs.register([INTENT])) is is_open


def test_database_and_code_agree_on_open_statuses(runs: SemarizeRunStore, database: Database) -> None:
    """The view of open runs contains exactly the statuses of the code."""
    statuses = [*OPEN_STATUSES, "succeeded", "failed", "cancelled", "refused"]
    for status in statuses:
        runs.mark_created(register(runs, replace(INTENT, call_id=status)), f"run_{status}", status)
    with database.connection() as connection:
        result = connection.execute("SELECT status FROM copilot_ops.open_semarize_runs").fetchall()
    assert {status for (status,) in result} == set(OPEN_STATUSES)


def test_does_not_repeat_a_refused_request(runs: SemarizeRunStore) -> None:
    """The code and the message of the refusal are kept."""
    runs.mark_refused(register(runs), "kit_not_found", "Semarize: POST /v1/runs: 404 kit_not_found")
    run = find(runs)
    assert run is not None
    assert (run.status, run.is_open, run.error_code) == ("refused", False, "kit_not_found")
    assert runs.register([INTENT]) == []


@pytest.mark.parametrize(
    "other",
    [
        replace(INTENT, call_id="c-2"),
        replace(INTENT, kit="coaching"),
        replace(INTENT, kit_reference="B1"),
        replace(INTENT, transcript_hash="another text"),
    ],
)
def test_another_call_kit_version_or_text_is_another_run(runs: SemarizeRunStore, other: RunIntent) -> None:
    """The result of one does not count as that of the other."""
    finish(runs, register(runs))
    assert register(runs, other).is_open


def test_a_call_that_moves_takes_its_run_along(runs: SemarizeRunStore) -> None:
    """It is not paid for again: the run gets the new day."""
    finish(runs, register(runs))
    assert runs.register([replace(INTENT, call_date=date(2026, 11, 4))]) == []
    run = find(runs)
    assert run is not None
    assert (run.status, run.call_date) == ("succeeded", date(2026, 11, 4))


def test_finds_runs_by_call_and_text(runs: SemarizeRunStore) -> None:
    """Only runs of exactly this call and text, sorted by the bytes of the ids."""
    for call_id in ("b", "A", "a"):
        register(runs, replace(INTENT, call_id=call_id))
    pairs = [("a", "hash", ""), ("b", "hash", ""), ("A", "hash", ""), ("c", "hash", ""), ("a", "other", "")]
    assert [run.call_id for run in runs.runs_for("deal", "A1B2C3D4", pairs)] == ["A", "a", "b"]
    assert runs.runs_for("deal", "A1B2C3D4", []) == []
    assert runs.runs_for("coaching", "A1B2C3D4", pairs) == []
    assert find(runs) is None


def test_finds_a_run_by_its_id(runs: SemarizeRunStore, database: Database) -> None:
    """A webhook names Semarize's id."""
    run = register(runs)
    runs.mark_created(run, "run_1", "queued")
    with database.connection() as connection:
        assert runs.find_by_run_id(connection, "run_1") == runs.refresh(run)
        assert runs.find_by_run_id(connection, "run_2") is None


def test_polls_a_long_run_with_growing_delays(runs: SemarizeRunStore, database: Database) -> None:
    """The delay is half of its age, between 5 minutes and 6 hours."""

    def delay_minutes(age_hours: int) -> float:
        with database.connection() as connection:
            connection.execute(
                "UPDATE copilot_ops.semarize_runs SET requested_at = now() - make_interval(hours => %s)", (age_hours,)
            )
            runs.schedule_retry(run)
            row = connection.execute(
                "SELECT extract(epoch FROM next_attempt_at - now()) / 60 FROM copilot_ops.semarize_runs"
            ).fetchone()
        return round(float(row[0])) if row else 0

    run = register(runs)
    assert [delay_minutes(hours) for hours in (0, 1, 4, 100)] == [5, 30, 120, 360]


def test_ignores_the_result_of_a_replaced_run(runs: SemarizeRunStore, database: Database) -> None:
    """If a rescore replaces a run that another process still polls, its result does not change the new run, which
    gets a key of its own."""
    run = register(runs)
    with database.connection() as connection:
        connection.execute(
            "UPDATE copilot_ops.semarize_runs SET rescore_id = 7, status = 'pending', idempotency_key = ''"
        )
    finish(runs, run)
    replacing = register(runs)
    assert (replacing.status, replacing.idempotency_key) == ("pending", f"{INTENT.idempotency_key}:again7")
    finish(runs, replacing)
    assert runs.register([INTENT]) == []


def test_archives_a_scored_transcript_that_is_replaced(runs: SemarizeRunStore, database: Database) -> None:
    """The text behind a result is kept when the transcript changes; a text that was never scored is not."""
    register(runs)
    with database.connection() as connection:
        for call_id in ("c-1", "unscored"):
            connection.execute(
                """INSERT INTO copilot.calls (call_id, call_date, started_at, status, has_crm_link, has_transcript)
                VALUES (%s, '2026-11-03', '2026-11-03', 'ready', false, true)""",
                (call_id,),
            )
            connection.execute(
                """INSERT INTO copilot.transcripts (call_id, call_date, text, words, utterances, transcript_hash)
                VALUES (%s, '2026-11-03', 'as scored', 2, 1, %s)""",
                (call_id, "hash" if call_id == "c-1" else "another"),
            )
    for text in ("as scored", "changed"):
        with database.transaction() as replacing:
            replacing.execute("UPDATE copilot.transcripts SET text = %s, transcript_hash = md5(%s)", (text, text))
            if text == "as scored":
                replacing.execute("UPDATE copilot.transcripts SET transcript_hash = 'hash' WHERE call_id = 'c-1'")
            runs.archive_replaced_transcripts(replacing, INTENT.call_date)
    with database.connection() as connection:
        archived = connection.execute(
            "SELECT transcript_hash, call_id, text FROM copilot_ops.replaced_transcripts"
        ).fetchall()
    assert archived == [("hash", "c-1", "as scored")]
