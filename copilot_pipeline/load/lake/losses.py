"""Compare the raw file of a day with the state store: which calls' bytes are missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.load.lake.files import Lake
from copilot_pipeline.load.tables import RAW_CALL_DETAILS
from copilot_pipeline.state import PartitionStore

_TOLERANCE = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def missing_bytes(lake: Lake, partitions: PartitionStore, days: Sequence[date]) -> dict[date, list[str]]:
    """Return the calls that the raw files of some days should hold and do not, by day.

    A file may be absent, unreadable, or older than the state store, such as one that was restored from a backup. Raises
    `OSError` if the lake cannot be read.
    """
    expected: defaultdict[date, list[tuple[str, datetime | None]]] = defaultdict(list)
    for call in partitions.stored_calls(days):
        # Newer details are in no file yet, so the age of those in the file does not matter.
        expected[call.stored_date].append((call.call_id, None if call.is_unstored else call.fetched_at))
    missing: dict[date, list[str]] = {}
    times = lake.store.map(lambda day: _times_in_file(lake, day), expected)
    for (day, calls), in_file in zip(expected.items(), times, strict=True):
        lost_ids = [call_id for call_id, fetched_at in calls if _is_lost(call_id, fetched_at, in_file)]
        if lost_ids:
            missing[day] = sorted(lost_ids)
    return missing


def is_readable(lake: Lake, day: date) -> bool:
    """Return whether the raw file of a day is absent or can be parsed."""
    try:
        lake.row_count(RAW_CALL_DETAILS, day)
    except pa.ArrowInvalid:
        return False
    return True


def _times_in_file(lake: Lake, day: date) -> dict[str, datetime | None]:
    """Return when the details in a raw file were fetched, by call; nothing if the file is absent or unreadable."""
    modified_at: dict[str, datetime | None] = {}
    try:
        for batch in lake.batches(RAW_CALL_DETAILS, day, columns=["call_id", "fetched_at"]):
            # As integers, because Arrow imports pandas to convert the first time with a zone.
            times = pc.cast(batch.column("fetched_at"), pa.int64()).to_pylist()
            for call_id, microseconds in zip(batch.column("call_id").to_pylist(), times, strict=True):
                modified_at[call_id] = None if microseconds is None else _EPOCH + microseconds * _MICROSECOND
    except pa.ArrowInvalid:
        return {}
    return modified_at


def _is_lost(call_id: str, fetched_at: datetime | None, in_file: dict[str, datetime | None]) -> bool:
    if call_id not in in_file:
        return True
    if fetched_at is None:
        return False
    time_in_file = in_file[call_id]
    return time_in_file is None or time_in_file < fetched_at - _TOLERANCE
