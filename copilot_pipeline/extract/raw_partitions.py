"""Raw partitions: write the raw file of a day from new bodies in the state store and from its previous file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.losses import RawFile, RawFiles, calls_missing, missing_bytes
from copilot_pipeline.load.tables import RAW_CALL_DETAILS, rows_to_arrow
from copilot_pipeline.state import CallStore, PartitionCall, UnstoredBody, UnstoredKey

# Rows in memory. At 30 KB a call these are a few megabytes, whatever the size of the day.
CALLS_PER_BATCH = 50


@dataclass(frozen=True, slots=True)
class RawPartition:
    """The raw file of a day; `was_rewritten` is false if it was up to date."""

    day: date
    calls: int
    was_rewritten: bool


@dataclass(slots=True)
class _Bodies:
    listed: bytes | None = None
    details: bytes | None = None


class RawPartitionWriter:
    """Writes raw partitions. A day is rewritten only if one of its calls changed."""

    def __init__(self, lake: Lake, calls: CallStore, dialect: str) -> None:
        self._lake = lake
        self._files = RawFiles(lake)
        self._calls = calls
        self._partitions = calls.partitions
        self._dialect = dialect

    def mark_lost(self, days: Sequence[date]) -> dict[date, int]:
        """Mark the calls whose bytes are missing from the lake, so that they are listed and fetched again.

        Returns their number by day. A raw file that cannot be parsed is moved out of the way. Raises `OSError` if the
        lake cannot be read.
        """
        marked: dict[date, int] = {}
        for day in missing_bytes(self._files, self._partitions, days):
            with self._partitions.lock(day):
                if number := self._mark_lost(day, self._files.of_day(day)):
                    marked[day] = number
        return marked

    def _mark_lost(self, day: date, file: RawFile) -> int:
        """Mark the lost calls of a day, whose lock is held: without it a file that is being written looks outdated."""
        lost_calls = calls_missing(file, self._partitions.stored_calls([day]))
        if not file.is_readable:
            self._lake.set_aside(RAW_CALL_DETAILS, day)
        if lost_calls:
            self._partitions.mark_lost(day, lost_calls)
        return len(lost_calls)

    def store(self, day: date) -> RawPartition:
        """Write a day if it changed, and rewrite the days from which calls moved to it.

        A day whose file was removed because of its age is not written again.
        Raises `OSError` or `pyarrow.ArrowException` if the lake cannot be written; the bodies then stay in the state
        store.
        """
        for other in self._return_moved_bodies(day) - {day}:
            with self._partitions.lock(other):
                if not self._partitions.days_without_raw([other]):
                    self._mark_lost(other, self._files.of_day(other))
                    self._write(other)
        with self._partitions.lock(day):
            file = self._files.of_day(day)
            self._files.forget(day)
            self._mark_lost(day, file)
            if self._partitions.days_without_raw([day]):
                return RawPartition(day, 0, was_rewritten=False)
            if self._partitions.needs_storing(day) or file.is_absent or not file.is_readable:
                return self._write(day)
        return RawPartition(day, len(file.fetched_at), was_rewritten=False)

    def _return_moved_bodies(self, day: date) -> set[date]:
        """Return bodies of calls that moved to or from the day to the state store; return the days that held them.

        Those days are rewritten, so the bodies of calls that moved to or from them are returned first as well.
        """
        old_days: set[date] = set()
        to_check = [day]
        while to_check:
            for old_day, call_ids in self._partitions.moved_calls(to_check.pop()).items():
                with self._partitions.lock(old_day):
                    self._mark_lost(old_day, self._files.of_day(old_day))
                    self._return_bodies(old_day, call_ids)
                old_days.add(old_day)
                to_check.append(old_day)
        return old_days

    def _return_bodies(self, old_day: date, call_ids: Sequence[str]) -> None:
        leaving = set(call_ids)
        now = self._calls.now()
        bodies = [
            UnstoredBody(row["call_id"], part, now, row[part])
            for row in _stored_rows(self._lake, old_day)
            if row["call_id"] in leaving
            for part in ("listed", "details")
            if row[part] is not None
        ]
        self._partitions.return_bodies(old_day, bodies, call_ids)

    def _write(self, day: date) -> RawPartition:
        as_of = self._calls.now()
        # A call that has just moved here, and whose bodies are in another day's file, is included by the next write.
        calls = [call for call in self._partitions.calls_of(day) if call.stored_date in (None, day)]
        # The bodies of a call that has just moved away are kept in the state store, because the new file omits it.
        if leaving := self._partitions.moved_away(day, except_ids=[call.call_id for call in calls]):
            self._return_bodies(day, leaving)
        previous = _PreviousBodies(_stored_rows(self._lake, day))
        stored: list[UnstoredKey] = []
        with self._lake.writer(RAW_CALL_DETAILS, day) as writer:
            for start in range(0, len(calls), CALLS_PER_BATCH):
                batch = calls[start : start + CALLS_PER_BATCH]
                bodies = {call.call_id: previous.of(call.call_id) for call in batch}
                for body in self._partitions.unstored_bodies(list(bodies)):
                    setattr(bodies[body.call_id], body.part, body.body)
                    stored.append(body.key)
                writer.append(_rows(day, self._dialect, batch, bodies))
            self._partitions.begin_storing(day)
        self._partitions.mark_stored(day, calls, stored, as_of)
        return RawPartition(day, len(calls), was_rewritten=True)


class _PreviousBodies:
    """Bodies of the previous file, read in step with the calls.

    Both are sorted by call id, so that one row group at a time is in memory.
    """

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def of(self, call_id: str) -> _Bodies:
        """Return the previous bodies of a call. Call ids must ascend from one invocation to the next."""
        key = call_id.encode()
        while self._next is not None and self._next["call_id"].encode() < key:
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
