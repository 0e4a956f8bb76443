"""Details that cannot be parsed: quarantined with their bytes, deferred, and fetched again."""

from __future__ import annotations

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, CallToFetch, PartitionStore, ReceivedDetails
from copilot_pipeline.state.bodies import pack
from copilot_pipeline_tests.state.examples import (
    DAY,
    ids_to_fetch,
    listed_call,
    record,
    store_details,
    unstored,
)


def test_quarantines_a_body_that_cannot_be_parsed(
    call_store: CallStore, partitions: PartitionStore, database: Database
) -> None:
    """The bytes are in the quarantine once, with the reason, and the call is deferred."""
    record(call_store, listed_call())
    store_details(call_store, body=b"\xff broken", problem="$: not JSON")
    store_details(call_store, body=b"\xff broken", problem="$: not JSON")
    assert ids_to_fetch(call_store) == []
    assert [call.quarantine_reason for call in partitions.calls_of(DAY)] == ["$: not JSON"]
    assert unstored(partitions)["c-1", "details"] == b"\xff broken"
    with database.connection() as connection:
        rows = connection.execute("SELECT call_id, call_date, reason, body FROM copilot_ops.quarantine").fetchall()
    assert rows == [("c-1", DAY, "$: not JSON", b"\xff broken")]


def test_quarantines_the_same_bytes_of_two_calls_separately(call_store: CallStore, database: Database) -> None:
    """An empty response for two calls is two rows, each with its call."""
    record(call_store, listed_call(), listed_call("c-2"))
    call_store.store_details(
        [ReceivedDetails(CallToFetch(call_id, DAY, "v1"), pack(b""), "$: empty") for call_id in ("c-1", "c-2")]
    )
    with database.connection() as connection:
        rows = connection.execute("SELECT call_id, body FROM copilot_ops.quarantine ORDER BY call_id").fetchall()
    assert rows == [("c-1", b""), ("c-2", b"")]


def test_one_bad_body_does_not_affect_the_others_of_a_batch(call_store: CallStore, partitions: PartitionStore) -> None:
    """Of two bodies stored together, the one that can be parsed is fetched and the other one deferred."""
    record(call_store, listed_call(), listed_call("c-2"))
    call_store.store_details(
        [
            ReceivedDetails(CallToFetch("c-1", DAY, "v1"), pack(b"{}")),
            ReceivedDetails(CallToFetch("c-2", DAY, "v1"), pack(b"x"), "$: not JSON"),
        ]
    )
    assert [call.quarantine_reason for call in partitions.calls_of(DAY)] == [None, "$: not JSON"]
    first, second = call_store.find("c-1"), call_store.find("c-2")
    assert first is not None
    assert second is not None
    assert (first.is_fetched, second.is_fetched) == (True, False)


def test_valid_details_end_the_quarantine(call_store: CallStore, partitions: PartitionStore) -> None:
    """A later version that can be parsed has no reason any more."""
    record(call_store, listed_call())
    store_details(call_store, body=b"x", problem="$: not JSON")
    store_details(call_store, version="v2")
    assert [call.quarantine_reason for call in partitions.calls_of(DAY)] == [None]
