"""Pending calls stay until they are complete, whatever happens to the run that claimed them."""

from __future__ import annotations

import psycopg
import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import PendingCalls, RunIntent, SemarizeRunStore
from copilot_pipeline_tests.state.examples import DAY, NEXT_DAY


@pytest.fixture
def pending(database: Database) -> PendingCalls:
    """The pending calls."""
    return PendingCalls(database)


def make_older(database: Database, minutes: int) -> None:
    """Make all claims and requests so many minutes older."""
    with database.connection() as connection:
        connection.execute(
            "UPDATE copilot_ops.pending_calls SET claimed_at = claimed_at - make_interval(mins => %s)", (minutes,)
        )
        connection.execute(
            "UPDATE copilot_ops.semarize_runs SET requested_at = requested_at - make_interval(mins => %s)", (minutes,)
        )


def test_claims_calls_until_they_are_complete(pending: PendingCalls) -> None:
    """A call that is added twice is claimed once; a claimed call that is not completed is claimed again."""
    pending.add({"a": DAY, "b": DAY, "c": NEXT_DAY})
    pending.add({"a": DAY})
    pending.add({})
    assert pending.claim() == {DAY: {"a", "b"}, NEXT_DAY: {"c"}}
    pending.complete(DAY, ["a"])
    assert pending.claim() == {DAY: {"b"}, NEXT_DAY: {"c"}}


def test_a_partition_is_complete_with_its_calls(pending: PendingCalls) -> None:
    """A day whose tables must be rebuilt is completed with any call of the day."""
    pending.add_partitions([DAY])
    assert pending.claim() == {DAY: {""}}
    pending.complete(DAY, [])
    assert pending.claim() == {}


def test_adds_calls_in_the_callers_transaction(pending: PendingCalls, database: Database) -> None:
    """Rolled back, nothing is pending."""
    with database.transaction() as connection:
        pending.add({"a": DAY}, connection=connection)
        raise psycopg.Rollback
    assert pending.claim() == {}


def test_days_are_unfinished_some_minutes_after_their_claim(pending: PendingCalls, database: Database) -> None:
    """A run that has just claimed or failed a call does not cause the next one."""
    pending.add({"a": DAY, "b": NEXT_DAY})
    assert pending.unfinished_days() == []
    make_older(database, 6)
    assert pending.unfinished_days() == [NEXT_DAY, DAY]
    pending.claim()
    assert pending.unfinished_days() == []


def test_finds_calls_with_open_runs_that_no_run_collects(pending: PendingCalls, database: Database) -> None:
    """A run of 20 minutes to a day, of a current kit and of the current transcript."""
    runs = SemarizeRunStore(database)
    runs.register([RunIntent(call_id, "deal", "A1", "hash", DAY, f"key {call_id}") for call_id in ("a", "changed")])
    with database.connection() as connection:
        connection.cursor().executemany(
            """INSERT INTO copilot.transcripts (call_id, call_date, text, words, utterances, transcript_hash)
            VALUES (%s, %s, 'Hello', 1, 1, %s)""",
            [("a", DAY, "hash"), ("changed", DAY, "another")],
        )
    assert pending.with_open_runs({"deal": "A1"}) == {}
    make_older(database, 21)
    assert pending.with_open_runs({"deal": "A1"}) == {DAY: {"a"}}
    assert pending.with_open_runs({"deal": "B2", "other": "A1"}) == {}
    make_older(database, 24 * 60)
    assert pending.with_open_runs({"deal": "A1"}) == {}
