"""Which calls are fetched: each version once, retried with growing delays, never forgotten."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.clients.clari.models import Readiness
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, CallToFetch, CallToRetry, PartitionStore, ReceivedDetails
from copilot_pipeline.state.bodies import pack
from copilot_pipeline_tests.state.examples import (
    DAY,
    NEXT_DAY,
    NOON,
    finish_listing,
    ids_to_fetch,
    listed_call,
    record,
    store_details,
    store_partition,
    unstored,
)

# --- listing -----------------------------------------------------------------------------------------------------


def test_fetches_a_ready_call_once(call_store: CallStore) -> None:
    """After the details are stored, listing the same version again does not fetch them again."""
    record(call_store, listed_call())
    assert call_store.to_fetch([DAY]) == [CallToFetch("c-1", DAY, "v1")]
    store_details(call_store)
    assert ids_to_fetch(call_store) == []
    record(call_store, listed_call())
    assert ids_to_fetch(call_store) == []


def test_fetches_a_new_version(call_store: CallStore) -> None:
    """If the listed version changes, the details are fetched again."""
    record(call_store, listed_call())
    store_details(call_store)
    record(call_store, listed_call(version="v2", content="as changed"))
    assert call_store.to_fetch([DAY]) == [CallToFetch("c-1", DAY, "v2")]


def test_details_of_an_old_version_do_not_satisfy_a_new_one(call_store: CallStore) -> None:
    """Details of a version that changed while they were fetched leave the new version to fetch."""
    record(call_store, listed_call())
    record(call_store, listed_call(version="v2", content="as changed"))
    store_details(call_store, version="v1")
    assert [call.version for call in call_store.to_fetch([DAY])] == ["v2"]


@pytest.mark.parametrize("readiness", [one for one in Readiness if one is not Readiness.READY])
def test_does_not_fetch_calls_that_are_not_ready(
    call_store: CallStore, partitions: PartitionStore, readiness: Readiness
) -> None:
    """Only ready calls are fetched; the others are recorded with their list item."""
    record(call_store, listed_call(readiness=readiness))
    assert ids_to_fetch(call_store) == []
    assert [call.readiness for call in partitions.calls_of(DAY)] == [readiness]
    assert unstored(partitions) == {("c-1", "listed"): b"as first listed"}


def test_does_not_fetch_details_that_the_list_contains(call_store: CallStore) -> None:
    """If the list has the transcript (dialect `guide`), the version counts as fetched when it is listed as ready."""
    record(call_store, listed_call(has_details=True))
    assert ids_to_fetch(call_store) == []
    record(call_store, listed_call("c-2", has_details=True, readiness=Readiness.PENDING))
    record(call_store, listed_call("c-2", version="v2", content="now ready"))
    assert ids_to_fetch(call_store) == ["c-2"]


def test_fetches_the_newest_day_first(call_store: CallStore) -> None:
    """Calls are sorted by day, newest first, then by id; other days are left out, and `among` selects ids."""
    later = NOON + timedelta(days=1)
    record(call_store, listed_call("b"), listed_call("a"), listed_call("z", started_at=later))
    assert ids_to_fetch(call_store) == ["z", "a", "b"]
    assert ids_to_fetch(call_store, DAY) == ["a", "b"]
    assert [call.call_id for call in call_store.to_fetch([DAY, NEXT_DAY], among=["b", "z"])] == ["z", "b"]
    assert call_store.to_fetch([DAY], among=["z"]) == []
    assert call_store.to_fetch([]) == []


def test_last_item_counts_if_a_page_shows_a_call_twice(call_store: CallStore, partitions: PartitionStore) -> None:
    """Calls shift between pages during a listing; a call that is shown twice causes no error."""
    record(call_store, listed_call(content="first"), listed_call(content="second"), listed_call("c-2"))
    assert unstored(partitions) == {("c-1", "listed"): b"second"}
    assert len(partitions.calls_of(DAY)) == 2


def test_stores_an_item_only_if_it_changed(call_store: CallStore, partitions: PartitionStore) -> None:
    """After a day is stored, listing it unchanged adds nothing; a change of any field does."""
    record(call_store, listed_call())
    store_partition(partitions)
    record(call_store, listed_call())
    assert unstored(partitions) == {}
    assert not partitions.needs_storing(DAY)
    record(call_store, listed_call(content="another title"))
    assert unstored(partitions) == {("c-1", "listed"): b"another title"}
    assert partitions.needs_storing(DAY)


def test_partition_is_the_day_in_the_configured_zone(database: Database) -> None:
    """A call shortly before midnight UTC belongs to the next day in a zone that is ahead."""
    east = CallStore(database, ZoneInfo("Asia/Tokyo"))
    record(east, listed_call(started_at=datetime(2026, 11, 3, 15, 0, tzinfo=UTC)))
    record(east, listed_call("c-2", started_at=datetime(2026, 11, 3, 14, 59, tzinfo=UTC)))
    assert ids_to_fetch(east, date(2026, 11, 4)) == ["c-1"]
    assert ids_to_fetch(east, date(2026, 11, 3)) == ["c-2"]


# --- removed calls -----------------------------------------------------------------------------------------------


def test_marks_a_call_as_removed_if_a_complete_listing_lacks_it(
    call_store: CallStore, partitions: PartitionStore
) -> None:
    """It is not fetched, and its day is stored again; it is counted as removed once."""
    record(call_store, listed_call(), listed_call("c-2"))
    store_partition(partitions)
    started_at = record(call_store, listed_call())
    assert finish_listing(call_store, started_at) == 1
    removed = {call.call_id: call.removed_at is not None for call in partitions.calls_of(DAY)}
    assert removed == {"c-1": False, "c-2": True}
    assert ids_to_fetch(call_store) == ["c-1"]
    assert partitions.needs_storing(DAY)
    assert finish_listing(call_store, started_at) == 0


def test_does_not_mark_calls_of_other_days_as_removed(call_store: CallStore) -> None:
    """A listing does not change the calls of a day that it does not cover."""
    record(call_store, listed_call(), listed_call("c-2", started_at=NOON + timedelta(days=1)))
    assert finish_listing(call_store, call_store.now()) == 1
    assert ids_to_fetch(call_store) == ["c-2"]


def test_restores_a_removed_call_that_is_listed_again(call_store: CallStore, partitions: PartitionStore) -> None:
    """Listed again unchanged, it is fetched and its day is stored again."""
    record(call_store, listed_call())
    store_partition(partitions)
    finish_listing(call_store, call_store.now())
    store_partition(partitions)
    record(call_store, listed_call())
    assert ids_to_fetch(call_store) == ["c-1"]
    assert partitions.needs_storing(DAY)


# --- fetching ----------------------------------------------------------------------------------------------------


def test_retries_quarantined_details_with_growing_delays(call_store: CallStore, database: Database) -> None:
    """A body that cannot be parsed may be an error page of a gateway, so the call is fetched again after the delay."""
    record(call_store, listed_call())
    delays = []
    for body in (b"<html>", b"<html> again"):
        store_details(call_store, body=body, problem="$: not JSON")
        assert ids_to_fetch(call_store) == []
        delays.append(_delay_hours(database))
        _expire_delay(database)
        assert ids_to_fetch(call_store) == ["c-1"]
    assert delays == [1, 5]
    store_details(call_store)
    assert ids_to_fetch(call_store) == []


def test_stores_several_details_in_one_transaction(call_store: CallStore, partitions: PartitionStore) -> None:
    """Each call of a batch gets its own bytes; an empty batch is allowed."""
    record(call_store, *(listed_call(f"c-{index}") for index in range(5)))
    call_store.store_details(
        [ReceivedDetails(CallToFetch(f"c-{index}", DAY, "v1"), pack(bytes([index]))) for index in range(5)]
    )
    assert ids_to_fetch(call_store) == []
    assert unstored(partitions, "c-3")["c-3", "details"] == b"\x03"
    call_store.store_details([])


def test_defers_a_call_that_cannot_be_fetched_with_growing_delays(call_store: CallStore, database: Database) -> None:
    """With `defer` the delay grows from an hour to a week; a new version is fetched immediately."""
    record(call_store, listed_call())
    delays = []
    for _ in range(7):
        call_store.record_failure("c-1", "404", defer=True)
        assert ids_to_fetch(call_store) == []
        delays.append(_delay_hours(database))
    assert delays == [1, 5, 25, 125, 168, 168, 168]
    assert [(call.call_id, call.problem) for call in call_store.deferred([DAY])] == [("c-1", "404")]
    record(call_store, listed_call())
    assert ids_to_fetch(call_store) == []
    record(call_store, listed_call(version="v2", content="as changed"))
    assert ids_to_fetch(call_store) == ["c-1"]


def test_retries_a_temporary_error_immediately_a_few_times(call_store: CallStore, database: Database) -> None:
    """Without `defer` the first three failures are retried immediately, the fourth after an hour."""
    record(call_store, listed_call())
    for _ in range(3):
        call_store.record_failure("c-1", "502", defer=False)
        assert ids_to_fetch(call_store) == ["c-1"]
    call_store.record_failure("c-1", "502", defer=False)
    assert ids_to_fetch(call_store) == []
    assert _delay_hours(database) == 1


# --- remaining work ----------------------------------------------------------------------------------------------


def test_unfinished_work_is_found_by_source(call_store: CallStore, partitions: PartitionStore) -> None:
    """Calls and days of other sources are left out; a day is finished when it is fetched and stored."""
    record(call_store, listed_call())
    assert [call.call_id for call in call_store.to_fetch_from(["manual"], 10)] == ["c-1"]
    assert call_store.to_fetch_from(["poll"], 10) == []
    assert call_store.unfinished_days(["manual"]) == call_store.days_to_store(["manual"]) == [DAY]
    assert call_store.unfinished_days(["poll"]) == call_store.days_to_store(["poll"]) == []
    store_partition(partitions)
    assert (call_store.unfinished_days(["manual"]), call_store.days_to_store(["manual"])) == ([DAY], [])
    store_details(call_store)
    store_partition(partitions)
    assert call_store.unfinished_days(["manual"]) == []


def test_state_of_a_call_follows_its_way(call_store: CallStore, partitions: PartitionStore, database: Database) -> None:
    """A call is unknown, then listed, then fetched, then loaded; a new version starts over."""
    assert call_store.find("c-1") is None
    record(call_store, listed_call())
    listed = call_store.find("c-1")
    assert listed is not None
    assert (listed.call_date, listed.readiness, listed.finished_runs) == (DAY, Readiness.READY, 0)
    assert (listed.is_fetched, listed.is_loaded) == (False, False)
    store_details(call_store)
    store_partition(partitions)
    with database.transaction() as connection:
        partitions.mark_loaded(connection, DAY)
    loaded = call_store.find("c-1")
    assert loaded is not None
    assert (loaded.is_fetched, loaded.is_loaded) == (True, True)
    record(call_store, listed_call(version="v2", content="as changed"))
    changed = call_store.find("c-1")
    assert changed is not None
    assert (changed.is_fetched, changed.is_loaded) == (False, False)


def test_retries_calls_that_were_not_ready(call_store: CallStore, database: Database) -> None:
    """A pending call is due after an hour, until it has used up its attempts."""
    started_at = datetime(2026, 1, 1, tzinfo=UTC)
    record(call_store, listed_call(readiness=Readiness.PENDING, started_at=started_at))
    assert call_store.due_for_retry(3, 10) == []
    _expire_delay(database)
    assert call_store.due_for_retry(3, 10) == [CallToRetry("c-1", started_at, 0)]
    call_store.record_failure("c-1", "not ready", defer=True)
    _expire_delay(database)
    assert call_store.due_for_retry(3, 10) == [CallToRetry("c-1", started_at, 1)]
    assert call_store.due_for_retry(1, 10) == []


def _delay_hours(database: Database) -> int:
    with database.connection() as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM next_attempt_at - now()) / 3600 FROM copilot_ops.calls"
        ).fetchone()
    assert row is not None
    return round(float(row[0]))


def _expire_delay(database: Database) -> None:
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.calls SET next_attempt_at = now()")
