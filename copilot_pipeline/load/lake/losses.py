"""Compare the raw file of a day with the state store: which calls' bytes are missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.load.lake.files import Lake
from copilot_pipeline.load.tables import RAW_CALL_DETAILS
from copilot_pipeline.state.partitions import PartitionStore, StoredCall

_TOLERANCE = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RawFile:
    """What the raw file of a day holds; nothing if it is absent or cannot be parsed."""

    fetched_at: dict[str, datetime | None]  # of the details, by call
    is_readable: bool = True  # also if it is absent
    is_absent: bool = False


class RawFiles:
    """The raw files of a lake, each read once for as long as it stays the same."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._known: dict[date, tuple[str | None, RawFile]] = {}

    def of_day(self, day: date) -> RawFile:
        """Return what the file holds now. Raises `OSError` if the lake cannot be read."""
        stamp = self._lake.stamp(RAW_CALL_DETAILS, day)
        known = self._known.get(day)
        if known is None or known[0] != stamp:
            known = self._known[day] = (stamp, _read(self._lake, day) if stamp else RawFile({}, is_absent=True))
        return known[1]

    def of_days(self, days: Sequence[date]) -> list[RawFile]:
        """Return what the files of some days hold now."""
        return self._lake.store.map(self.of_day, days)

    def forget(self, day: date) -> None:
        """Free what is known of a day that is done."""
        self._known.pop(day, None)


def missing_bytes(files: RawFiles, partitions: PartitionStore, days: Sequence[date]) -> dict[date, list[str]]:
    """Return the calls that the raw files of some days should hold and do not, by day.

    A file may be absent, unreadable, or older than the state store, such as one that was restored from a backup. Raises
    `OSError` if the lake cannot be read.
    """
    expected: defaultdict[date, list[StoredCall]] = defaultdict(list)
    for call in partitions.stored_calls(days):
        expected[call.stored_date].append(call)
    missing: dict[date, list[str]] = {}
    for (day, calls), file in zip(expected.items(), files.of_days(list(expected)), strict=True):
        if lost_ids := calls_missing(file, calls):
            missing[day] = lost_ids
    return missing


def calls_missing(file: RawFile, calls: Sequence[StoredCall]) -> list[str]:
    """Return those of some calls that a raw file should hold and does not, sorted."""
    return sorted(call.call_id for call in calls if _is_lost(call, file.fetched_at))


def _read(lake: Lake, day: date) -> RawFile:
    modified_at: dict[str, datetime | None] = {}
    try:
        for batch in lake.batches(RAW_CALL_DETAILS, day, columns=["call_id", "fetched_at"]):
            # As integers, because Arrow imports pandas to convert the first time with a zone.
            times = pc.cast(batch.column("fetched_at"), pa.int64()).to_pylist()
            for call_id, microseconds in zip(batch.column("call_id").to_pylist(), times, strict=True):
                modified_at[call_id] = None if microseconds is None else _EPOCH + microseconds * _MICROSECOND
    except pa.ArrowInvalid:
        return RawFile({}, is_readable=False)
    return RawFile(modified_at)


def _is_lost(call: StoredCall, in_file: dict[str, datetime | None]) -> bool:
    if call.call_id not in in_file:
        return True
    # Newer details are in no file yet, so the age of those in the file does not matter.
    if call.is_unstored or call.fetched_at is None:
        return False
    time_in_file = in_file[call.call_id]
    return time_in_file is None or time_in_file < call.fetched_at - _TOLERANCE
