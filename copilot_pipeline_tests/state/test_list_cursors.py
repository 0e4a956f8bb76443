"""The ledger of listings: a position survives whatever happens, and a day is listed once for an order."""

from __future__ import annotations

from datetime import timedelta

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, CursorKey, ListCursors
from copilot_pipeline_tests.state.examples import (
    AFTER,
    BEFORE,
    DAY,
    NEXT_DAY,
    WINDOW,
    listed,
    listings_of,
    wanted_ids,
)


@pytest.fixture
def listings(ledger: CallStore) -> ListCursors:
    """The ledger of listings."""
    return listings_of(ledger)


def test_a_listing_goes_on_where_it_stopped(ledger: CallStore, listings: ListCursors) -> None:
    """Killed at page 3, it goes on at page 4 with the moment it began; other sources and windows have their own."""
    ordered_at = ledger.now()
    began_at = listings.resume(WINDOW, ordered_at).started_at
    listings.record_page(WINDOW, [listed()], next_skip=300, matched=1234)
    place = listings.resume(WINDOW, ordered_at)
    assert (place.started_at, place.skip, place.matched) == (began_at, 300, 1234)
    for other in (
        CursorKey("schedule", "started", AFTER, BEFORE),
        CursorKey("run", "modified", AFTER, BEFORE),
        CursorKey("run", "started", AFTER, BEFORE - timedelta(hours=1)),
    ):
        assert listings.resume(other, ordered_at).skip == 0


def test_a_position_is_as_old_as_its_order(ledger: CallStore, listings: ListCursors) -> None:
    """However long ago the listing began, it goes on for the same order; a later order begins anew."""
    ordered_at = ledger.now()
    listings.resume(WINDOW, ordered_at)
    listings.record_page(WINDOW, [], next_skip=300)
    assert listings.resume(WINDOW, ordered_at - timedelta(days=300)).skip == 300
    assert listings.resume(WINDOW, ledger.now()).skip == 0


def test_a_page_and_its_position_are_one(ledger: CallStore, listings: ListCursors) -> None:
    """Where the calls of a page cannot be written, the position does not move over them."""
    ordered_at = ledger.now()
    listings.resume(WINDOW, ordered_at)
    listings.record_page(WINDOW, [listed()], next_skip=100)
    with pytest.raises(Exception, match="NUL"):
        listings.record_page(WINDOW, [listed("c-2"), listed("c\x00")], next_skip=200)
    assert listings.resume(WINDOW, ordered_at).skip == 100
    assert [call.call_id for call in ledger.partitions.calls_of(DAY)] == ["c-1"]


def test_a_day_is_listed_once_for_an_order(ledger: CallStore, listings: ListCursors) -> None:
    """A day whose complete listing began since the order is listed for it, through whichever source; a half is not."""
    ordered_at = ledger.now()
    place = listings.resume(WINDOW, ordered_at)
    listings.record_page(WINDOW, [listed()], next_skip=100)
    assert listings.days_listed([DAY, NEXT_DAY], ordered_at) == set()
    listings.finish(WINDOW, [DAY], place.started_at)
    assert listings.days_listed([DAY, NEXT_DAY], ordered_at) == {DAY}
    assert listings.days_listed([DAY], ledger.now()) == set()
    assert not listings.resume(WINDOW, ordered_at).is_complete


def test_halves_of_a_window_end_with_it(database: Database, ledger: CallStore, listings: ListCursors) -> None:
    """A window that was cut stays cut, and a half that is done stays done, until the whole is done."""
    ordered_at = ledger.now()
    half = CursorKey("run", "started", AFTER, AFTER + timedelta(hours=1))
    place = listings.resume(WINDOW, ordered_at)
    listings.mark_split(WINDOW)
    listings.resume(half, ordered_at)
    listings.record_page(half, [], next_skip=None)
    assert listings.resume(WINDOW, ordered_at).is_split
    assert listings.resume(half, ordered_at).is_complete
    listings.finish(WINDOW, [DAY], place.started_at)
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM copilot_ops.list_cursors").fetchone() == (0,)


def test_pages_read_before_a_death_count_at_the_end(ledger: CallStore, listings: ListCursors) -> None:
    """A listing that went on after a death knows what it had shown before: those calls are not gone."""
    ordered_at = ledger.now()
    listings.resume(WINDOW, ordered_at)
    listings.record_page(WINDOW, [listed()], next_skip=100)
    place = listings.resume(WINDOW, ordered_at)
    listings.record_page(WINDOW, [listed("c-2")], next_skip=None)
    assert listings.finish(WINDOW, [DAY], place.started_at) == 0
    assert wanted_ids(ledger) == ["c-1", "c-2"]


def test_a_call_whose_item_cannot_be_read_is_not_gone(ledger: CallStore, listings: ListCursors) -> None:
    """The list showed it, whatever stood there."""
    listings.record_page(WINDOW, [listed()], next_skip=None)
    place = listings.resume(WINDOW, ledger.now())
    listings.record_page(WINDOW, [], next_skip=None, unreadable=["c-1", "nobody"])
    assert listings.finish(WINDOW, [DAY], place.started_at) == 0


def test_a_command_given_again_is_the_same_order_until_it_ends(
    database: Database, ledger: CallStore, listings: ListCursors
) -> None:
    """Killed and given again, it was ordered when it was first given; once it has ended, or a day later, it is new."""
    first = listings.start_command("2026-11-01 2026-11-02")
    assert listings.start_command("2026-11-01 2026-11-02") == first
    assert listings.start_command("another") > first
    listings.finish_command("2026-11-01 2026-11-02")
    assert listings.start_command("2026-11-01 2026-11-02") > first
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.key_values SET value = %s", ((first - timedelta(days=2)).isoformat(),))
    assert listings.start_command("another") > first
