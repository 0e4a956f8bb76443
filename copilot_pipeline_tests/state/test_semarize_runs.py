"""The ledger of runs: one paid run per call, kit and transcript, whatever happens in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import RunIntent, SemarizeRun, SemarizeRunStore

WISH = RunIntent("c-1", "deal", "A1B2C3D4", "hash", date(2026, 11, 3), "clari:c-1:A1B2C3D4:0123")


@pytest.fixture
def runs(database: Database) -> SemarizeRunStore:
    """The ledger."""
    return SemarizeRunStore(database)


def found(runs: SemarizeRunStore, transcript_hash: str = "hash") -> SemarizeRun | None:
    """The run of the call, read anew."""
    return next(iter(runs.runs_for("deal", "A1B2C3D4", [("c-1", transcript_hash)])), None)


def intend(runs: SemarizeRunStore, wish: RunIntent = WISH) -> SemarizeRun:
    """The open run that answers a wish."""
    (run,) = runs.register([wish])
    return run


def end(runs: SemarizeRunStore, run: SemarizeRun, *, status: str = "succeeded", answer: bytes = b"{}") -> None:
    """The run ends."""
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


def test_an_intent_is_written_once(runs: SemarizeRunStore, database: Database) -> None:
    """Wished for again, in any number of processes at once, it is the same open run with the same key."""
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: intend(runs), range(8)))
    assert {run.idempotency_key for run in made} == {WISH.idempotency_key}
    assert all(run.is_open and run.status == "pending" and run.run_id is None for run in made)
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM copilot_ops.semarize_runs").fetchone() == (1,)


def test_the_first_key_stays(runs: SemarizeRunStore) -> None:
    """A request that was sent must be sent again with the same key, whatever a later version would choose."""
    intend(runs)
    assert intend(runs, replace(WISH, idempotency_key="another")).idempotency_key == WISH.idempotency_key


def test_a_run_is_collected_and_not_made_again(runs: SemarizeRunStore) -> None:
    """Created, it is open under its id; ended, the wish is answered, with the answer byte for byte."""
    runs.mark_created(intend(runs), "run_1", "queued")
    again = intend(runs)
    assert (again.run_id, again.status, again.is_open) == ("run_1", "queued", True)
    end(runs, again, answer=b'{"output": "\xff"}')
    assert runs.register([WISH]) == []
    ended = found(runs)
    assert ended is not None
    assert (ended.answer, ended.duration_ms, ended.kit_version_id) == (b'{"output": "\xff"}', 4180, "v")
    assert ended.finished_at is not None


@pytest.mark.parametrize(("status", "is_open"), [("unknown", True), ("running", True), ("failed", False)])
def test_a_status_is_open_or_an_end(runs: SemarizeRunStore, status: str, is_open: bool) -> None:
    """A status of tomorrow is asked for again, a failed run is not."""
    runs.mark_created(intend(runs), "run_1", status)
    assert bool(runs.register([WISH])) is is_open


def test_a_refusal_is_final_and_says_why(runs: SemarizeRunStore) -> None:
    """A refused request is not sent again; code and message are kept."""
    runs.mark_refused(intend(runs), "kit_not_found", "Semarize: POST /v1/runs: 404 kit_not_found")
    run = found(runs)
    assert run is not None
    assert (run.status, run.is_open, run.error_code) == ("refused", False, "kit_not_found")


@pytest.mark.parametrize(
    "other",
    [
        replace(WISH, call_id="c-2"),
        replace(WISH, kit="coaching"),
        replace(WISH, kit_reference="B1"),
        replace(WISH, transcript_hash="another text"),
    ],
)
def test_another_question_is_another_run(runs: SemarizeRunStore, other: RunIntent) -> None:
    """Another call, kit, version or text is a run of its own; the first one's end is not its end."""
    end(runs, intend(runs))
    assert intend(runs, other).is_open


def test_a_run_follows_its_call_to_another_day(runs: SemarizeRunStore) -> None:
    """A call that moved is not paid for again: the run is the same, under the new day."""
    end(runs, intend(runs))
    assert runs.register([replace(WISH, call_date=date(2026, 11, 4))]) == []
    run = found(runs)
    assert run is not None
    assert (run.status, run.call_date) == ("succeeded", date(2026, 11, 4))


def test_runs_are_found_by_call_and_text(runs: SemarizeRunStore) -> None:
    """Only the run of exactly this call and text is found, in the order of the ids' bytes."""
    for call_id in ("b", "A", "a"):
        intend(runs, replace(WISH, call_id=call_id))
    pairs = [("a", "hash"), ("b", "hash"), ("A", "hash"), ("c", "hash"), ("a", "other")]
    assert [run.call_id for run in runs.runs_for("deal", "A1B2C3D4", pairs)] == ["A", "a", "b"]
    assert runs.runs_for("deal", "A1B2C3D4", []) == []
    assert runs.runs_for("coaching", "A1B2C3D4", pairs) == []
    assert found(runs) is None


def test_a_run_that_takes_long_is_looked_at_later_and_later(runs: SemarizeRunStore, database: Database) -> None:
    """Each time it is given up on, the next look is further away, up to six hours."""

    def minutes_to_the_next_look(age_hours: int) -> float:
        with database.connection() as connection:
            connection.execute(
                "UPDATE copilot_ops.semarize_runs SET requested_at = now() - make_interval(hours => %s)", (age_hours,)
            )
            runs.schedule_retry(run)
            row = connection.execute(
                "SELECT extract(epoch FROM next_attempt_at - now()) / 60 FROM copilot_ops.semarize_runs"
            ).fetchone()
        return round(float(row[0])) if row else 0

    run = intend(runs)
    assert [minutes_to_the_next_look(hours) for hours in (0, 1, 4, 100)] == [5, 30, 120, 360]


def test_an_answer_to_a_former_run_is_none_to_the_new_one(runs: SemarizeRunStore, database: Database) -> None:
    """Ordered anew while another process still polls the former run: what that one reads changes nothing, and the new
    run takes a key of its own."""
    run = intend(runs)
    with database.connection() as connection:
        connection.execute(
            "UPDATE copilot_ops.semarize_runs SET rescore_id = 7, status = 'pending', idempotency_key = ''"
        )
    end(runs, run)
    again = intend(runs)
    assert (again.status, again.idempotency_key) == ("pending", f"{WISH.idempotency_key}:again7")
    end(runs, again)
    assert runs.register([WISH]) == []
