"""The ledger of runs: one paid run per call, kit and transcript, whatever happens in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import pytest

from copilot_pipeline.database import Database
from copilot_pipeline.ledger import PaidRun, RunLedger, RunWish

WISH = RunWish("c-1", "deal", "A1B2C3D4", "hash", date(2026, 11, 3), "clari:c-1:A1B2C3D4:0123")


@pytest.fixture
def runs(database: Database) -> RunLedger:
    """The ledger."""
    return RunLedger(database)


def found(runs: RunLedger, transcript_hash: str = "hash") -> PaidRun | None:
    """The run of the call, read anew."""
    return next(iter(runs.runs_for("deal", "A1B2C3D4", [("c-1", transcript_hash)])), None)


def end(runs: RunLedger, run: PaidRun, *, status: str = "succeeded", answer: bytes = b"{}") -> None:
    """The run ends."""
    runs.ended(
        run,
        run_id="run_1",
        status=status,
        kit_version_id="v",
        duration_ms=4180,
        error_code=None,
        error_message=None,
        answer=answer,
    )


def test_an_intent_is_written_once(runs: RunLedger, database: Database) -> None:
    """Wished for again, in any number of processes at once, it is the same open run with the same key."""
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: runs.intend(WISH), range(8)))
    assert {run.idempotency_key for run in made} == {WISH.idempotency_key}
    assert all(run.is_open and run.status == "wanted" and run.run_id is None for run in made)
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM copilot_ops.semarize_runs").fetchone() == (1,)


def test_the_first_key_stays(runs: RunLedger) -> None:
    """A request that was sent must be sent again with the same key, whatever a later version would choose."""
    runs.intend(WISH)
    assert runs.intend(replace(WISH, idempotency_key="another")).idempotency_key == WISH.idempotency_key


def test_a_run_is_collected_and_not_made_again(runs: RunLedger) -> None:
    """Created, it is open under its id; ended, the wish is answered, with the answer byte for byte."""
    run = runs.intend(WISH)
    runs.created(run, "run_1", "queued")
    again = runs.intend(WISH)
    assert (again.run_id, again.status, again.is_open) == ("run_1", "queued", True)
    end(runs, again, answer=b'{"output": "\xff"}')
    ended = runs.intend(WISH)
    assert not ended.is_open
    assert (ended.answer, ended.duration_ms, ended.kit_version_id) == (b'{"output": "\xff"}', 4180, "v")
    assert ended.finished_at is not None


@pytest.mark.parametrize(("status", "is_open"), [("unknown", True), ("running", True), ("failed", False)])
def test_a_status_is_open_or_an_end(runs: RunLedger, status: str, is_open: bool) -> None:
    """A status of tomorrow is asked for again, a failed run is not."""
    runs.created(runs.intend(WISH), "run_1", status)
    assert runs.intend(WISH).is_open is is_open


def test_a_refusal_is_final_and_says_why(runs: RunLedger) -> None:
    """A refused request is not sent again; code and message are kept."""
    runs.refused(runs.intend(WISH), "kit_not_found", "Semarize: POST /v1/runs: 404 kit_not_found")
    run = runs.intend(WISH)
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
def test_another_question_is_another_run(runs: RunLedger, other: RunWish) -> None:
    """Another call, kit, version or text is a run of its own; the first one's end is not its end."""
    end(runs, runs.intend(WISH))
    assert runs.intend(other).is_open


def test_a_run_follows_its_call_to_another_day(runs: RunLedger) -> None:
    """A call that moved is not paid for again: the run is the same, under the new day."""
    end(runs, runs.intend(WISH))
    run = runs.intend(replace(WISH, call_date=date(2026, 11, 4)))
    assert (run.status, run.call_date) == ("succeeded", date(2026, 11, 4))


def test_runs_are_found_by_call_and_text(runs: RunLedger) -> None:
    """Only the run of exactly this call and text is found, in the order of the ids' bytes."""
    for call_id in ("b", "A", "a"):
        runs.intend(replace(WISH, call_id=call_id))
    pairs = [("a", "hash"), ("b", "hash"), ("A", "hash"), ("c", "hash"), ("a", "other")]
    assert [run.call_id for run in runs.runs_for("deal", "A1B2C3D4", pairs)] == ["A", "a", "b"]
    assert runs.runs_for("deal", "A1B2C3D4", []) == []
    assert runs.runs_for("coaching", "A1B2C3D4", pairs) == []
    assert found(runs) is None
