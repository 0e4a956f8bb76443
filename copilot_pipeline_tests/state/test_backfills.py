"""Registered backfills, and the days and calls that remain of them."""

from __future__ import annotations

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import Backfill, Backfills, CallStore, ListCursors, PartitionStore
from copilot_pipeline.state.backfills import FetchProgress
from copilot_pipeline_tests.state.examples import (
    DAY,
    NEXT_DAY,
    WINDOW,
    listed_call,
    record,
    store_details,
    store_partition,
)


@pytest.fixture
def backfills(database: Database) -> Backfills:
    """All backfills."""
    return Backfills(database)


def register(backfills: Backfills) -> Backfill:
    """Register a backfill of two days."""
    return backfills.register(DAY, NEXT_DAY, calls=10, requests=12)


def test_registers_an_active_range_once(backfills: Backfills) -> None:
    """The same range is a new backfill after the first one was finished or cancelled."""
    first = register(backfills)
    assert (first.days, first.calls, first.requests) == ([NEXT_DAY, DAY], 10, 12)
    assert register(backfills) == first
    backfills.finish(first.id)
    second = register(backfills)
    assert second.id > first.id
    assert backfills.cancel(second.id)
    assert not backfills.cancel(second.id)
    assert [backfill.is_active for backfill in backfills.all()] == [False, False]
    third = register(backfills)
    assert backfills.all(only_active=True) == [third]
    assert backfills.get(third.id) == third
    assert backfills.get(12_345) is None


def test_a_day_remains_until_it_is_listed_stored_loaded_and_scored(
    backfills: Backfills, call_store: CallStore, partitions: PartitionStore, database: Database
) -> None:
    """Since the backfill was registered; a day whose scores are not needed is complete without them."""
    backfill = register(backfills)
    record(call_store, listed_call())
    ListCursors(call_store).finish(WINDOW, [DAY], call_store.now())
    record(call_store, listed_call())  # listed again, so that it is not removed
    assert backfills.fetch_progress(DAY, NEXT_DAY) == FetchProgress(calls=1, fetched=0)
    assert backfills.remaining_days(backfill, are_scored=False) == [NEXT_DAY, DAY]
    store_details(call_store)
    store_partition(partitions)
    assert backfills.fetch_progress(DAY, NEXT_DAY) == FetchProgress(calls=1, fetched=1)
    with database.connection() as connection:
        partitions.mark_loaded(connection, DAY)
        assert backfills.remaining_days(backfill, are_scored=False) == [NEXT_DAY]
        assert backfills.remaining_days(backfill, are_scored=True) == [NEXT_DAY, DAY]
        partitions.mark_scored(connection, DAY)
    assert backfills.remaining_days(backfill, are_scored=True) == [NEXT_DAY]
