"""The ledger of calls: what is wanted, what is held, and that neither is ever forgotten or asked for twice."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.clari.models import Readiness
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, CallToFetch, ReceivedDetails, UnstoredBody
from copilot_pipeline.state.bodies import pack, unpack
from copilot_pipeline_tests.state.examples import (
    DAY,
    NEXT_DAY,
    NOON,
    bodies_of,
    keep,
    listed,
    mark_gone,
    mark_stored,
    record,
    store,
    wanted_ids,
)

# --- listing -----------------------------------------------------------------------------------------------------


def test_a_ready_call_is_wanted_until_it_is_held(ledger: CallStore) -> None:
    """A listed call is wanted once: after its details came, no listing of the same version asks for it again."""
    record(ledger, listed())
    assert ledger.to_fetch([DAY]) == [CallToFetch("c-1", DAY, "v1")]
    keep(ledger)
    assert wanted_ids(ledger) == []
    record(ledger, listed())
    assert wanted_ids(ledger) == []


def test_a_new_version_is_wanted_again(ledger: CallStore) -> None:
    """When the version moves, the details are wanted again."""
    record(ledger, listed())
    keep(ledger)
    record(ledger, listed(version="v2", content="as changed"))
    assert ledger.to_fetch([DAY]) == [CallToFetch("c-1", DAY, "v2")]


def test_details_of_an_old_version_do_not_answer_a_new_one(ledger: CallStore) -> None:
    """Details fetched for a version that moved meanwhile leave the new one wanted."""
    record(ledger, listed())
    record(ledger, listed(version="v2", content="as changed"))
    keep(ledger, version="v1")
    assert [call.version for call in ledger.to_fetch([DAY])] == ["v2"]


@pytest.mark.parametrize("readiness", [one for one in Readiness if one is not Readiness.READY])
def test_a_call_that_is_not_ready_costs_nothing(ledger: CallStore, readiness: Readiness) -> None:
    """Only ready calls are asked for; the others are known, with their list item."""
    record(ledger, listed(readiness=readiness))
    assert wanted_ids(ledger) == []
    assert [call.readiness for call in ledger.partitions.calls_of(DAY)] == [readiness]
    assert bodies_of(ledger) == {("c-1", "listed"): b"as first listed"}


def test_a_listing_that_carries_the_details_wants_nothing(ledger: CallStore) -> None:
    """Where the list has the transcript (dialect `guide`), the version is held as soon as it is listed."""
    record(ledger, listed(has_details=True))
    assert wanted_ids(ledger) == []
    record(ledger, listed("c-2", has_details=True, readiness=Readiness.PENDING))
    record(ledger, listed("c-2", version="v2", content="now ready"))
    assert wanted_ids(ledger) == ["c-2"]


def test_the_newest_day_comes_first(ledger: CallStore) -> None:
    """Wanted calls come newest day first, then by id; other days are left out, and `among` narrows it."""
    later = NOON + timedelta(days=1)
    record(ledger, listed("b"), listed("a"), listed("z", started_at=later))
    assert wanted_ids(ledger) == ["z", "a", "b"]
    assert wanted_ids(ledger, DAY) == ["a", "b"]
    assert [call.call_id for call in ledger.to_fetch([DAY, NEXT_DAY], among=["b", "z"])] == ["z", "b"]
    assert ledger.to_fetch([]) == []


def test_one_page_may_show_a_call_twice(ledger: CallStore) -> None:
    """Calls shift between pages while a listing runs: shown twice, the later item counts and nothing fails."""
    record(ledger, listed(content="first"), listed(content="second"), listed("c-2"))
    assert bodies_of(ledger) == {("c-1", "listed"): b"second"}
    assert len(ledger.partitions.calls_of(DAY)) == 2


def test_the_item_is_kept_only_when_it_changed(ledger: CallStore) -> None:
    """After a day is stored, listing it unchanged puts nothing back; a change of any field does."""
    record(ledger, listed())
    store(ledger)
    record(ledger, listed())
    assert bodies_of(ledger) == {}
    assert not ledger.partitions.needs_storing(DAY)
    record(ledger, listed(content="another title"))
    assert bodies_of(ledger) == {("c-1", "listed"): b"another title"}
    assert ledger.partitions.needs_storing(DAY)


def test_the_day_is_that_of_the_zone(database: Database) -> None:
    """A call just before midnight UTC is of the next day where the zone is ahead."""
    east = CallStore(database, ZoneInfo("Asia/Tokyo"))
    record(east, listed(started_at=datetime(2026, 11, 3, 15, 0, tzinfo=UTC)))
    record(east, listed("c-2", started_at=datetime(2026, 11, 3, 14, 59, tzinfo=UTC)))
    assert wanted_ids(east, date(2026, 11, 4)) == ["c-1"]
    assert wanted_ids(east, date(2026, 11, 3)) == ["c-2"]


# --- gone --------------------------------------------------------------------------------------------------------


def test_a_call_the_list_no_longer_shows_is_gone(ledger: CallStore) -> None:
    """A complete listing that does not show a call marks it; it is not fetched, and its day is stored anew."""
    record(ledger, listed(), listed("c-2"))
    store(ledger)
    began_at = record(ledger, listed())
    assert mark_gone(ledger, began_at) == 1
    assert {call.call_id: call.removed_at is not None for call in ledger.partitions.calls_of(DAY)} == {
        "c-1": False,
        "c-2": True,
    }
    assert wanted_ids(ledger) == ["c-1"]
    assert ledger.partitions.needs_storing(DAY)
    assert mark_gone(ledger, began_at) == 0


def test_only_the_listed_days_are_judged(ledger: CallStore) -> None:
    """A call of a day that was not listed is not gone."""
    record(ledger, listed(), listed("c-2", started_at=NOON + timedelta(days=1)))
    assert mark_gone(ledger, ledger.now()) == 1
    assert wanted_ids(ledger) == ["c-2"]


def test_a_call_that_comes_back_is_there_again(ledger: CallStore) -> None:
    """Shown again, unchanged, it is wanted again and its day is stored anew."""
    record(ledger, listed())
    store(ledger)
    mark_gone(ledger, ledger.now())
    store(ledger)
    record(ledger, listed())
    assert wanted_ids(ledger) == ["c-1"]
    assert ledger.partitions.needs_storing(DAY)


# --- fetching ----------------------------------------------------------------------------------------------------


def test_an_unreadable_body_is_kept_and_set_aside(ledger: CallStore, database: Database) -> None:
    """The bytes stand in the quarantine with the reason, once, and the call rests before it is asked for again."""
    record(ledger, listed())
    received = ReceivedDetails(CallToFetch("c-1", DAY, "v1"), pack(b"\xff broken"), "$: not JSON")
    ledger.store_details([received])
    ledger.store_details([received])
    assert wanted_ids(ledger) == []
    assert [call.quarantine_reason for call in ledger.partitions.calls_of(DAY)] == ["$: not JSON"]
    assert bodies_of(ledger)["c-1", "details"] == b"\xff broken"
    with database.connection() as connection:
        rows = connection.execute("SELECT call_id, call_date, reason, body FROM copilot_ops.quarantine").fetchall()
    assert rows == [("c-1", DAY, "$: not JSON", b"\xff broken")]


def test_calls_with_the_same_unreadable_bytes_are_each_set_aside(ledger: CallStore, database: Database) -> None:
    """An empty answer to two calls is two rows of the quarantine, each with its call."""
    record(ledger, listed(), listed("c-2"))
    ledger.store_details(
        [ReceivedDetails(CallToFetch(call_id, DAY, "v1"), pack(b""), "$: empty") for call_id in ("c-1", "c-2")]
    )
    with database.connection() as connection:
        rows = connection.execute("SELECT call_id, body FROM copilot_ops.quarantine ORDER BY call_id").fetchall()
    assert rows == [("c-1", b""), ("c-2", b"")]


def test_what_was_set_aside_is_asked_for_again_later_and_later(ledger: CallStore, database: Database) -> None:
    """An unreadable answer may have been the gateway's: when its rest is over, the call is wanted again."""
    record(ledger, listed())
    rests = []
    for body in (b"<html>", b"<html> again"):
        ledger.store_details([ReceivedDetails(CallToFetch("c-1", DAY, "v1"), pack(body), "$: not JSON")])
        assert wanted_ids(ledger) == []
        with database.connection() as connection:
            rest = "extract(epoch FROM next_attempt_at - now()) / 3600"
            rests += connection.execute(f"SELECT round({rest})::integer FROM copilot_ops.calls").fetchall()
            connection.execute("UPDATE copilot_ops.calls SET next_attempt_at = now()")
        assert wanted_ids(ledger) == ["c-1"]
    assert rests == [(1,), (5,)]
    keep(ledger)
    assert wanted_ids(ledger) == []


def test_readable_details_lift_the_quarantine(ledger: CallStore) -> None:
    """A later version that can be read is no longer marked."""
    record(ledger, listed())
    ledger.store_details([ReceivedDetails(CallToFetch("c-1", DAY, "v1"), pack(b"x"), "$: not JSON")])
    keep(ledger, version="v2")
    assert [call.quarantine_reason for call in ledger.partitions.calls_of(DAY)] == [None]


def test_several_details_are_kept_at_once(ledger: CallStore) -> None:
    """A group of bodies is held as one; each keeps its own bytes."""
    record(ledger, *(listed(f"c-{index}") for index in range(5)))
    ledger.store_details(
        [ReceivedDetails(CallToFetch(f"c-{index}", DAY, "v1"), pack(bytes([index]))) for index in range(5)]
    )
    assert wanted_ids(ledger) == []
    assert bodies_of(ledger, "c-3")["c-3", "details"] == b"\x03"
    ledger.store_details([])


def test_a_call_that_cannot_be_had_rests_longer_each_time(ledger: CallStore, database: Database) -> None:
    """With `defer` a call is left alone for hours, then days, never for ever; a new version is wanted at once."""
    record(ledger, listed())
    rests = []
    for _ in range(7):
        ledger.record_failure("c-1", "404", defer=True)
        assert wanted_ids(ledger) == []
        with database.connection() as connection:
            row = connection.execute(
                "SELECT extract(epoch FROM next_attempt_at - now()) / 3600 FROM copilot_ops.calls"
            ).fetchone()
        assert row is not None
        rests.append(round(float(row[0])))
    assert rests == [1, 5, 25, 125, 168, 168, 168]
    record(ledger, listed())
    assert wanted_ids(ledger) == []
    record(ledger, listed(version="v2", content="as changed"))
    assert wanted_ids(ledger) == ["c-1"]


def test_a_passing_problem_does_not_hold_a_call_back(ledger: CallStore) -> None:
    """Without `defer` the next run tries at once."""
    record(ledger, listed())
    ledger.record_failure("c-1", "502", defer=False)
    assert wanted_ids(ledger) == ["c-1"]


# --- storing -----------------------------------------------------------------------------------------------------


def test_a_day_never_stored_needs_it(ledger: CallStore) -> None:
    """A day without calls is stored once as well: an empty day is told from a day never looked at."""
    assert ledger.partitions.needs_storing(DAY)
    store(ledger)
    assert not ledger.partitions.needs_storing(DAY)


def test_a_stored_body_leaves_the_ledger(ledger: CallStore) -> None:
    """What the raw file holds is held once."""
    record(ledger, listed(), listed("c-2"))
    keep(ledger)
    store(ledger)
    assert bodies_of(ledger, "c-1", "c-2") == {}
    assert not ledger.partitions.needs_storing(DAY)
    assert [call.stored_date for call in ledger.partitions.calls_of(DAY)] == [DAY, DAY]


def test_what_arrives_while_a_day_is_stored_stays(ledger: CallStore) -> None:
    """A body or a change that came after the file was read out is still there, and the day is stored again."""
    record(ledger, listed(), listed("c-2"))
    calls = ledger.partitions.calls_of(DAY)
    bodies = list(ledger.partitions.unstored_bodies(["c-1", "c-2"]))
    keep(ledger, body=b"late")
    record(ledger, listed("c-2", content="late"))
    mark_stored(ledger, calls, bodies)
    assert bodies_of(ledger, "c-1", "c-2") == {("c-1", "details"): b"late", ("c-2", "listed"): b"late"}
    assert ledger.partitions.needs_storing(DAY)
    store(ledger)
    assert not ledger.partitions.needs_storing(DAY)


def test_a_call_that_goes_while_a_day_is_stored_stays_due(ledger: CallStore) -> None:
    """Marked gone after the file was read out, the call is stored again as gone."""
    record(ledger, listed())
    calls, bodies = ledger.partitions.calls_of(DAY), list(ledger.partitions.unstored_bodies(["c-1"]))
    mark_gone(ledger, ledger.now())
    mark_stored(ledger, calls, bodies)
    assert ledger.partitions.needs_storing(DAY)


def test_calls_come_in_the_order_of_their_bytes(ledger: CallStore) -> None:
    """The order of a day does not hang on the database's locale."""
    record(ledger, *(listed(call_id) for call_id in ("b", "A", "a", "B", "_", "é")))
    assert [call.call_id for call in ledger.partitions.calls_of(DAY)] == ["A", "B", "_", "a", "b", "é"]


def test_one_process_at_a_time_stores_a_day(ledger: CallStore) -> None:
    """While one stores a day the next one waits for it; another day is free."""
    order = []
    is_in, may_leave = threading.Event(), threading.Event()

    def first() -> None:
        with ledger.partitions.lock(DAY):
            is_in.set()
            may_leave.wait(10)
            order.append("first")

    def second() -> None:
        with ledger.partitions.lock(DAY):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert is_in.wait(10)
    threads[1].start()
    with ledger.partitions.lock(NEXT_DAY):
        order.append("another day")
    may_leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["another day", "first", "second"]


# --- moving ------------------------------------------------------------------------------------------------------


def moved(ledger: CallStore) -> None:
    """A call that was stored on its day and is now listed on the next."""
    record(ledger, listed(), listed("c-2"))
    keep(ledger, body=b"details")
    store(ledger)
    record(ledger, listed(started_at=NOON + timedelta(days=1)))


def test_a_call_that_moved_is_known_to_both_days(ledger: CallStore) -> None:
    """Both days say in whose raw file the body still lies; a third knows nothing of it."""
    moved(ledger)
    assert ledger.partitions.moved_calls(DAY) == {DAY: ["c-1"]}
    assert ledger.partitions.moved_calls(NEXT_DAY) == {DAY: ["c-1"]}
    assert ledger.partitions.moved_calls(DAY - timedelta(days=1)) == {}
    assert wanted_ids(ledger) == ["c-2"]


def test_a_moved_call_is_stored_on_its_new_day_only(ledger: CallStore) -> None:
    """Taken back, its body waits for the new day, and the old day is stale until it is stored without it."""
    moved(ledger)
    ledger.partitions.return_bodies(DAY, [UnstoredBody("c-1", "details", ledger.now(), b"details")], ["c-1"])
    assert ledger.partitions.moved_calls(DAY) == {}
    assert ledger.partitions.needs_storing(DAY)
    assert ledger.partitions.needs_storing(NEXT_DAY)
    assert ledger.partitions.stale_days() == [DAY]
    assert bodies_of(ledger)["c-1", "details"] == b"details"
    assert [call.call_id for call in store(ledger, NEXT_DAY)[0]] == ["c-1"]
    assert [call.call_id for call in store(ledger, DAY)[0]] == ["c-2"]
    assert not ledger.partitions.needs_storing(DAY)
    assert not ledger.partitions.needs_storing(NEXT_DAY)
    assert bodies_of(ledger) == {}


def test_taking_back_never_overwrites_what_is_newer(ledger: CallStore) -> None:
    """A body that arrived since is newer than the one in the old raw file."""
    moved(ledger)
    keep(ledger, version="v2", body=b"newer")
    ledger.partitions.return_bodies(DAY, [UnstoredBody("c-1", "details", ledger.now(), b"older")], ["c-1"])
    assert bodies_of(ledger)["c-1", "details"] == b"newer"


def test_a_call_that_is_stored_elsewhere_by_now_is_not_taken_back(ledger: CallStore) -> None:
    """Who read of the move before another stored the new day brings nothing old into it."""
    moved(ledger)
    keep(ledger, version="v2", body=b"newer")
    ledger.partitions.return_bodies(DAY, [], ["c-1"])
    store(ledger, NEXT_DAY)
    ledger.partitions.return_bodies(DAY, [UnstoredBody("c-1", "details", ledger.now(), b"older")], ["c-1"])
    assert bodies_of(ledger) == {}
    assert not ledger.partitions.needs_storing(NEXT_DAY)


def test_a_call_that_moves_while_its_day_is_written_keeps_its_bodies(ledger: CallStore) -> None:
    """The file of the day it left shows it still: that day is stored again, and the new day has all it needs."""
    record(ledger, listed())
    keep(ledger, body=b"details")
    calls, bodies = ledger.partitions.calls_of(DAY), list(ledger.partitions.unstored_bodies(["c-1"]))
    record(ledger, listed(started_at=NOON + timedelta(days=1)))
    mark_stored(ledger, calls, bodies)
    assert bodies_of(ledger)["c-1", "details"] == b"details"
    assert ledger.partitions.needs_storing(DAY)
    assert ledger.partitions.needs_storing(NEXT_DAY)


def test_the_tables_of_a_day_that_lost_a_call_are_stale_until_made(ledger: CallStore, database: Database) -> None:
    """The mark goes with the transaction that loads the tables: rolled back, it stays."""
    moved(ledger)
    ledger.partitions.return_bodies(DAY, [], ["c-1"])
    with contextlib.suppress(InterruptedError), database.transaction() as connection:
        ledger.partitions.mark_loaded(connection, DAY)
        raise InterruptedError
    assert ledger.partitions.stale_days() == [DAY]
    with database.transaction() as connection:
        ledger.partitions.mark_loaded(connection, DAY)
    assert ledger.partitions.stale_days() == []


@given(st.binary(max_size=5000))
def test_a_body_comes_back_byte_for_byte(body: bytes) -> None:
    """Packing loses nothing."""
    assert unpack(pack(body)) == body
