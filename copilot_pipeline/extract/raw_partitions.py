"""Storing: the raw file of a day, made from what the ledger holds and what the file held before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import RAW_CALL_DETAILS, rows_to_arrow
from copilot_pipeline.state import CallStore, PartitionCall, UnstoredBody, UnstoredKey

# Rows held in memory at once. At 30 KB a call this is some megabytes, whatever the size of the day.
CALLS_PER_BATCH = 50


@dataclass(frozen=True, slots=True)
class RawPartition:
    """The raw file of a day."""

    day: date
    calls: int
    was_rewritten: bool


@dataclass(slots=True)
class _Bodies:
    listed: bytes | None = None
    details: bytes | None = None


class RawPartitionWriter:
    """Writes raw days. A day is rewritten only when the ledger says that something changed."""

    def __init__(self, lake: Lake, ledger: CallStore, dialect: str) -> None:
        self._lake = lake
        self._ledger = ledger
        self._days = ledger.partitions
        self._dialect = dialect

    def store(self, day: date) -> RawPartition:
        """Stores a day, and anew the days that its calls have moved away from."""
        for other in self._days_left_behind(day) - {day}:
            with self._days.lock(other):
                self._write(other)
        with self._days.lock(day):
            if self._days.needs_storing(day) or not self._lake.exists(RAW_CALL_DETAILS, day):
                return self._write(day)
        return RawPartition(day, self._lake.row_count(RAW_CALL_DETAILS, day), was_rewritten=False)

    def _days_left_behind(self, day: date) -> set[date]:
        """Takes back the bodies of all calls that moved to this day or away from it; returns the days they lay in.

        Those are written anew, so what moved to them and away from them is taken back first as well.
        """
        left_behind: set[date] = set()
        to_look_at = [day]
        while to_look_at:
            for old_day, call_ids in self._days.moved_calls(to_look_at.pop()).items():
                with self._days.lock(old_day):
                    self._take_back(old_day, call_ids)
                left_behind.add(old_day)
                to_look_at.append(old_day)
        return left_behind

    def _take_back(self, old_day: date, call_ids: Sequence[str]) -> None:
        leaving = set(call_ids)
        now = self._ledger.now()
        bodies = [
            UnstoredBody(row["call_id"], part, now, row[part])
            for row in _stored_rows(self._lake, old_day)
            if row["call_id"] in leaving
            for part in ("listed", "details")
            if row[part] is not None
        ]
        self._days.return_bodies(old_day, bodies, call_ids)

    def _write(self, day: date) -> RawPartition:
        as_of = self._ledger.now()
        # A call that has moved here just now, and whose bodies lie in another day's file, comes with the next time.
        calls = [call for call in self._days.calls_of(day) if call.stored_date in (None, day)]
        # And one that has left just now takes its bodies along: the file that is written will not show it.
        if leaving := self._days.moved_away(day, except_ids=[call.call_id for call in calls]):
            self._take_back(day, leaving)
        earlier = _EarlierBodies(_stored_rows(self._lake, day))
        stored: list[UnstoredKey] = []
        with self._lake.writer(RAW_CALL_DETAILS, day) as writer:
            for start in range(0, len(calls), CALLS_PER_BATCH):
                batch = calls[start : start + CALLS_PER_BATCH]
                bodies = {call.call_id: earlier.of(call.call_id) for call in batch}
                for held in self._days.unstored_bodies(list(bodies)):
                    setattr(bodies[held.call_id], held.part, held.body)
                    stored.append(held.key)
                writer.append(_rows(day, self._dialect, batch, bodies))
            self._days.begin_storing(day)
        self._days.mark_stored(day, calls, stored, as_of)
        return RawPartition(day, len(calls), was_rewritten=True)


class _EarlierBodies:
    """Bodies from the day's earlier file, read in step with the calls.

    Both are sorted by call id, so one row group at a time is enough, whatever the size of the day.
    """

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def of(self, call_id: str) -> _Bodies:
        """The earlier bodies of a call; call ids must ascend from one request to the next."""
        wanted = call_id.encode()
        while self._next is not None and self._next["call_id"].encode() < wanted:
            self._next = next(self._rows, None)
        if self._next is None or self._next["call_id"] != call_id:
            return _Bodies()
        return _Bodies(self._next["listed"], self._next["details"])


def _stored_rows(lake: Lake, day: date) -> Iterator[dict[str, Any]]:
    for batch in lake.batches(RAW_CALL_DETAILS, day, columns=["call_id", "listed", "details"]):
        yield from batch.to_pylist()


@dataclass(slots=True, kw_only=True)
class RawCallRow:
    """A row of `raw_call_details`."""

    call_id: str
    call_date: date
    dialect: str
    status_raw: str | None
    listed: bytes | None
    details: bytes | None
    listed_is_newer: bool
    fetched_at: datetime | None
    removed_at: datetime | None
    quarantine_reason: str | None


def _rows(day: date, dialect: str, calls: Sequence[PartitionCall], bodies: dict[str, _Bodies]) -> pa.Table:
    rows = [
        RawCallRow(
            call_id=call.call_id,
            call_date=day,
            dialect=dialect,
            status_raw=call.status_raw,
            listed=bodies[call.call_id].listed,
            details=bodies[call.call_id].details,
            listed_is_newer=call.fetched_at is None or call.listed_at > call.fetched_at,
            fetched_at=call.fetched_at,
            removed_at=call.removed_at,
            quarantine_reason=call.quarantine_reason,
        )
        for call in calls
    ]
    return rows_to_arrow(RAW_CALL_DETAILS, rows)
