"""Raw files and tables of a day: no body is lost, whatever changes while a day is stored."""

from __future__ import annotations

import contextlib
import threading
from datetime import timedelta

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, PartitionStore, UnstoredBody
from copilot_pipeline_tests.state.examples import (
    DAY,
    NEXT_DAY,
    NOON,
    finish_listing,
    ids_to_fetch,
    listed_call,
    mark_stored,
    record,
    store_details,
    store_partition,
    unstored,
)

# --- storing -----------------------------------------------------------------------------------------------------


def test_a_day_without_calls_is_stored_once(partitions: PartitionStore) -> None:
    """An empty day differs from a day that was never listed."""
    assert partitions.needs_storing(DAY)
    store_partition(partitions)
    assert not partitions.needs_storing(DAY)


def test_deletes_bodies_that_the_raw_file_holds(call_store: CallStore, partitions: PartitionStore) -> None:
    """A body is held once, by the raw file."""
    record(call_store, listed_call(), listed_call("c-2"))
    store_details(call_store)
    store_partition(partitions)
    assert unstored(partitions, "c-1", "c-2") == {}
    assert not partitions.needs_storing(DAY)
    assert [call.stored_date for call in partitions.calls_of(DAY)] == [DAY, DAY]


def test_keeps_what_changes_while_a_day_is_stored(call_store: CallStore, partitions: PartitionStore) -> None:
    """A body received after the file was written remains, and the day is stored again."""
    record(call_store, listed_call(), listed_call("c-2"))
    calls = partitions.calls_of(DAY)
    bodies = list(partitions.unstored_bodies(["c-1", "c-2"]))
    store_details(call_store, body=b"late")
    record(call_store, listed_call("c-2", content="late"))
    mark_stored(partitions, calls, bodies)
    assert unstored(partitions, "c-1", "c-2") == {("c-1", "details"): b"late", ("c-2", "listed"): b"late"}
    assert partitions.needs_storing(DAY)
    store_partition(partitions)
    assert not partitions.needs_storing(DAY)


def test_stores_a_day_again_if_a_call_is_removed_meanwhile(call_store: CallStore, partitions: PartitionStore) -> None:
    """The file was written without the removal."""
    record(call_store, listed_call())
    calls, bodies = partitions.calls_of(DAY), list(partitions.unstored_bodies(["c-1"]))
    finish_listing(call_store, call_store.now())
    mark_stored(partitions, calls, bodies)
    assert partitions.needs_storing(DAY)


def test_stores_a_day_again_after_a_crash_while_its_file_was_replaced(
    call_store: CallStore, partitions: PartitionStore
) -> None:
    """Between `begin_storing` and `mark_stored` the content of the file is unknown."""
    record(call_store, listed_call())
    store_partition(partitions)
    partitions.begin_storing(DAY)
    assert partitions.needs_storing(DAY)


def test_sorts_calls_by_the_bytes_of_their_ids(call_store: CallStore, partitions: PartitionStore) -> None:
    """The order does not depend on the locale of the database."""
    record(call_store, *(listed_call(call_id) for call_id in ("b", "A", "a", "B", "_", "é")))
    assert [call.call_id for call in partitions.calls_of(DAY)] == ["A", "B", "_", "a", "b", "é"]


def test_one_process_at_a_time_holds_the_lock_on_a_day(partitions: PartitionStore) -> None:
    """The second one waits, or gets False without `wait`; the lock on another day is free."""
    order = []
    is_locked, may_release = threading.Event(), threading.Event()

    def first() -> None:
        with partitions.lock(DAY):
            is_locked.set()
            may_release.wait(10)
            order.append("first")

    def second() -> None:
        with partitions.lock(DAY):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert is_locked.wait(10)
    threads[1].start()
    with partitions.lock(DAY, wait=False) as lock:
        assert not lock.is_held
    with partitions.lock(NEXT_DAY, wait=False) as lock:
        assert lock.is_held
        order.append("another day")
    may_release.set()
    for thread in threads:
        thread.join(10)
    assert order == ["another day", "first", "second"]


# --- calls that move to another day ------------------------------------------------------------------------------


def move_a_call(call_store: CallStore) -> None:
    """Store a call on its day, then list it on the next day."""
    record(call_store, listed_call(), listed_call("c-2"))
    store_details(call_store, body=b"details")
    store_partition(call_store.partitions)
    record(call_store, listed_call(started_at=NOON + timedelta(days=1)))


def details(partitions: PartitionStore, body: bytes) -> list[UnstoredBody]:
    """Return the details of the call as they are in the raw file of its old day."""
    return [UnstoredBody("c-1", "details", NOON, body)]


def test_old_and_new_day_both_list_a_moved_call(call_store: CallStore, partitions: PartitionStore) -> None:
    """Both name the day whose raw file holds the body; a third day is not affected."""
    move_a_call(call_store)
    assert partitions.moved_calls(DAY) == {DAY: ["c-1"]}
    assert partitions.moved_calls(NEXT_DAY) == {DAY: ["c-1"]}
    assert partitions.moved_calls(DAY - timedelta(days=1)) == {}
    assert partitions.moved_away(DAY, except_ids=[]) == ["c-1"]
    assert partitions.moved_away(DAY, except_ids=["c-1"]) == []
    assert ids_to_fetch(call_store) == ["c-2"]


def test_stores_a_moved_call_on_its_new_day_only(call_store: CallStore, partitions: PartitionStore) -> None:
    """Its body is returned for the new day, and the old day is stale until it is stored without the call."""
    move_a_call(call_store)
    partitions.return_bodies(DAY, details(partitions, b"details"), ["c-1"])
    assert partitions.moved_calls(DAY) == {}
    assert partitions.needs_storing(DAY)
    assert partitions.needs_storing(NEXT_DAY)
    assert partitions.stale_days() == [DAY]
    assert unstored(partitions)["c-1", "details"] == b"details"
    assert [call.call_id for call in store_partition(partitions, NEXT_DAY)[0]] == ["c-1"]
    assert [call.call_id for call in store_partition(partitions, DAY)[0]] == ["c-2"]
    assert not partitions.needs_storing(DAY)
    assert not partitions.needs_storing(NEXT_DAY)
    assert unstored(partitions) == {}


def test_a_returned_body_does_not_overwrite_a_newer_one(call_store: CallStore, partitions: PartitionStore) -> None:
    """A body received since the old raw file was written stays."""
    move_a_call(call_store)
    store_details(call_store, version="v2", body=b"newer")
    partitions.return_bodies(DAY, details(partitions, b"older"), ["c-1"])
    assert unstored(partitions)["c-1", "details"] == b"newer"


def test_does_not_return_bodies_of_a_call_that_is_stored_on_its_new_day(
    call_store: CallStore, partitions: PartitionStore
) -> None:
    """A process that noticed the move before another one stored the new day adds no outdated body to it."""
    move_a_call(call_store)
    store_details(call_store, version="v2", body=b"newer")
    partitions.return_bodies(DAY, [], ["c-1"])
    store_partition(partitions, NEXT_DAY)
    partitions.return_bodies(DAY, details(partitions, b"older"), ["c-1"])
    assert unstored(partitions) == {}
    assert not partitions.needs_storing(NEXT_DAY)


def test_a_call_that_moves_while_its_day_is_stored_keeps_its_bodies(
    call_store: CallStore, partitions: PartitionStore
) -> None:
    """The file of the old day still shows it: that day is stored again, and the new day gets the bodies."""
    record(call_store, listed_call())
    store_details(call_store, body=b"details")
    calls, bodies = partitions.calls_of(DAY), list(partitions.unstored_bodies(["c-1"]))
    record(call_store, listed_call(started_at=NOON + timedelta(days=1)))
    mark_stored(partitions, calls, bodies)
    assert unstored(partitions)["c-1", "details"] == b"details"
    assert partitions.needs_storing(DAY)
    assert partitions.needs_storing(NEXT_DAY)


# --- tables ------------------------------------------------------------------------------------------------------


def test_a_day_is_stale_until_its_tables_are_loaded(
    call_store: CallStore, partitions: PartitionStore, database: Database
) -> None:
    """`mark_loaded` belongs to the transaction that loads the tables: rolled back, the day stays stale."""
    move_a_call(call_store)
    partitions.return_bodies(DAY, [], ["c-1"])
    with contextlib.suppress(InterruptedError), database.transaction() as connection:
        partitions.mark_loaded(connection, DAY)
        raise InterruptedError
    assert partitions.stale_days() == [DAY]
    with database.transaction() as connection:
        partitions.mark_loaded(connection, DAY)
    assert partitions.stale_days() == []


def test_scores_are_outdated_if_the_call_tables_are_newer(partitions: PartitionStore, database: Database) -> None:
    """A day that was never scored is not listed."""
    store_partition(partitions)
    with database.connection() as connection:
        partitions.mark_loaded(connection, DAY)
        assert partitions.days_with_outdated_scores() == []
        partitions.mark_scored(connection, DAY)
        assert partitions.days_with_outdated_scores() == []
        partitions.mark_loaded(connection, DAY)
        assert partitions.days_with_outdated_scores() == [DAY]
