"""A cursor survives a crash, and a day is listed once for a command."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, CursorKey, ListCursors
from copilot_pipeline_tests.state.examples import (
    AFTER,
    BEFORE,
    DAY,
    NEXT_DAY,
    WINDOW,
    ids_to_fetch,
    listed_call,
    record,
)


@pytest.fixture
def cursors(call_store: CallStore) -> ListCursors:
    """The cursors."""
    return ListCursors(call_store)


def test_resumes_a_listing_at_its_next_page(call_store: CallStore, cursors: ListCursors) -> None:
    """After a crash at page 3 it continues at page 4 with the same start; other sources and windows start at 0."""
    given_at = call_store.now()
    started_at = cursors.resume(WINDOW, given_at).started_at
    cursors.record_page(WINDOW, [listed_call()], next_skip=300, matched=1234)
    cursor = cursors.resume(WINDOW, given_at)
    assert (cursor.started_at, cursor.skip, cursor.matched) == (started_at, 300, 1234)
    for other in (
        CursorKey("schedule", "started", AFTER, BEFORE),
        CursorKey("manual", "modified", AFTER, BEFORE),
        CursorKey("manual", "started", AFTER, BEFORE - timedelta(hours=1)),
    ):
        assert cursors.resume(other, given_at).skip == 0


def test_starts_a_listing_again_for_a_later_command(call_store: CallStore, cursors: ListCursors) -> None:
    """A cursor is resumed for the same command, however old it is; a later command starts at the first page."""
    given_at = call_store.now()
    cursors.resume(WINDOW, given_at)
    cursors.record_page(WINDOW, [], next_skip=300)
    assert cursors.resume(WINDOW, given_at - timedelta(days=300)).skip == 300
    assert cursors.resume(WINDOW, call_store.now()).skip == 0


def test_a_page_and_its_cursor_are_written_atomically(call_store: CallStore, cursors: ListCursors) -> None:
    """If the calls of a page cannot be written, the cursor does not move."""
    given_at = call_store.now()
    cursors.resume(WINDOW, given_at)
    cursors.record_page(WINDOW, [listed_call()], next_skip=100)
    with pytest.raises(Exception, match="NUL"):
        cursors.record_page(WINDOW, [listed_call("c-2"), listed_call("c\x00")], next_skip=200)
    assert cursors.resume(WINDOW, given_at).skip == 100
    assert [call.call_id for call in call_store.partitions.calls_of(DAY)] == ["c-1"]


def test_a_day_counts_as_listed_after_a_complete_listing(call_store: CallStore, cursors: ListCursors) -> None:
    """Since the start of that listing, for any source; an unfinished listing does not count."""
    given_at = call_store.now()
    cursor = cursors.resume(WINDOW, given_at)
    cursors.record_page(WINDOW, [listed_call()], next_skip=100)
    assert cursors.days_listed([DAY, NEXT_DAY], given_at) == set()
    cursors.finish(WINDOW, [DAY], cursor.started_at)
    assert cursors.days_listed([DAY, NEXT_DAY], given_at) == {DAY}
    assert cursors.days_listed([DAY], call_store.now()) == set()
    assert not cursors.resume(WINDOW, given_at).is_complete


def test_cursors_of_halves_end_with_their_window(
    database: Database, call_store: CallStore, cursors: ListCursors
) -> None:
    """A split window stays split, and a complete half stays complete, until the whole window is finished."""
    given_at = call_store.now()
    half = CursorKey("manual", "started", AFTER, AFTER + timedelta(hours=1))
    cursor = cursors.resume(WINDOW, given_at)
    cursors.mark_split(WINDOW)
    cursors.resume(half, given_at)
    cursors.record_page(half, [], next_skip=None)
    assert cursors.resume(WINDOW, given_at).is_split
    assert cursors.resume(half, given_at).is_complete
    cursors.finish(WINDOW, [DAY], cursor.started_at)
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM copilot_ops.list_cursors").fetchone() == (0,)


def test_pages_listed_before_a_crash_count(call_store: CallStore, cursors: ListCursors) -> None:
    """A resumed listing does not remove calls that it showed before the crash."""
    given_at = call_store.now()
    cursors.resume(WINDOW, given_at)
    cursors.record_page(WINDOW, [listed_call()], next_skip=100)
    cursor = cursors.resume(WINDOW, given_at)
    cursors.record_page(WINDOW, [listed_call("c-2")], next_skip=None)
    assert cursors.finish(WINDOW, [DAY], cursor.started_at) == 0
    assert ids_to_fetch(call_store) == ["c-1", "c-2"]


def test_does_not_remove_a_call_whose_item_cannot_be_parsed(call_store: CallStore, cursors: ListCursors) -> None:
    """The list showed it, whatever the item contains; unknown ids are ignored."""
    cursors.record_page(WINDOW, [listed_call()], next_skip=None)
    cursor = cursors.resume(WINDOW, call_store.now())
    cursors.record_page(WINDOW, [], next_skip=None, unreadable=["c-1", "unknown"])
    assert cursors.finish(WINDOW, [DAY], cursor.started_at) == 0


def test_a_repeated_command_is_the_same_one_until_it_finishes(database: Database, cursors: ListCursors) -> None:
    """Killed and repeated, it keeps its time; after it finished, or a day later, it is a new command."""
    first = cursors.start_command("2026-11-01 2026-11-02")
    assert cursors.start_command("2026-11-01 2026-11-02") == first
    assert cursors.start_command("another") > first
    cursors.finish_command("2026-11-01 2026-11-02")
    assert cursors.start_command("2026-11-01 2026-11-02") > first
    with database.connection() as connection:
        connection.execute("UPDATE copilot_ops.key_values SET value = %s", ((first - timedelta(days=2)).isoformat(),))
    assert cursors.start_command("another") > first


def test_removes_only_calls_that_started_within_the_window(database: Database) -> None:
    """With another time zone a day has other calls: those outside of the window were not listed, and stay."""
    utc, pacific = (CallStore(database, ZoneInfo(name)) for name in ("UTC", "America/Los_Angeles"))
    started = [AFTER + timedelta(hours=hours) for hours in (1, 7, 9, 23)]
    for number, at in enumerate(started):
        record(utc, listed_call(f"c-{number}", started_at=at))
    cursors = ListCursors(pacific)
    window = CursorKey("manual", "started", AFTER + timedelta(hours=8), AFTER + timedelta(hours=32))
    cursor = cursors.resume(window, pacific.now())
    cursors.record_page(window, [], next_skip=None)
    assert cursors.finish(window, [DAY], cursor.started_at) == 2
    removed = [call.call_id for call in utc.partitions.calls_of(DAY) if call.removed_at is not None]
    assert removed == ["c-2", "c-3"]
