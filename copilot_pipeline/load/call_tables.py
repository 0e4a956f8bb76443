"""Tabulating: the call tables of a day, made from the raw day in one pass, into the lake and the warehouse.

A pure function of stored bodies and users: a year of calls is rebuilt with no request. Memory does not grow with the
day: a batch of calls is parsed, written to Parquet and copied to Postgres before the next is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from copilot_pipeline.clients.clari import Dialect, dialect_named
from copilot_pipeline.clients.clari.models import CallRecord
from copilot_pipeline.errors import UnreadableBody
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.partition_loader import PartitionLoader, Rows
from copilot_pipeline.load.tables import CALL_TABLES, RAW_CALL_DETAILS
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state import CallStore, SemarizeRunStore
from copilot_pipeline.transform.call_rows import CallRows, has_transcript
from copilot_pipeline.transform.transcripts import UserDirectory, assemble, participant_rows, resolve_people


@dataclass(frozen=True, slots=True)
class LoadedCallTables:
    """Rows written, by table."""

    day: date
    rows: dict[str, int]
    quarantined: int
    problem: str | None = None


class CallTables:
    """Makes calls, participants, transcripts and utterances of a day."""

    def __init__(
        self, lake: Lake, database: Database, ledger: CallStore, runs: SemarizeRunStore, directory: UserDirectory
    ) -> None:
        self._lake = lake
        self._database = database
        self._ledger = ledger
        self._runs = runs
        self._directory = directory

    def days_to_build(self, days: Sequence[date]) -> list[date]:
        """The days asked for, and those whose tables still show a call that moved away. Newest first."""
        return sorted({*days, *self._ledger.partitions.stale_days()}, reverse=True)

    def build(self, days: Sequence[date]) -> Iterator[LoadedCallTables]:
        """Replaces days in all four tables."""
        quarantined = dict.fromkeys(days, 0)

        def rows_of(day: date) -> Iterator[Rows]:
            for batch in self._lake.batches(RAW_CALL_DETAILS, day):
                rows, unreadable = self._rows(day, batch)
                quarantined[day] += unreadable
                yield Rows(rows.call_ids, rows.tables())

        landing = PartitionLoader(self._lake, self._database, self._ledger, CALL_TABLES)
        for landed in landing.load(days, rows_of, self._before_commit):
            yield LoadedCallTables(landed.day, landed.rows, quarantined[landed.day], landed.problem)

    def _before_commit(self, connection: Connection, day: date) -> None:
        self._runs.archive_replaced_transcripts(connection, day)
        self._ledger.partitions.mark_loaded(connection, day)

    def _rows(self, day: date, batch: pa.Table) -> tuple[CallRows, int]:
        rows = CallRows(day)
        unreadable = 0
        for raw in batch.to_pylist():
            record, problem = self._record(raw)
            unreadable += problem
            if record is None:
                continue
            people = resolve_people(record, self._directory)
            # A call whose details are set aside keeps its row in `calls`, made from the list item.
            is_transcribed = has_transcript(record, raw["details"] is not None or raw["dialect"] == "guide")
            transcript = assemble(record, people)
            rows.add(
                record,
                transcript if is_transcribed and not problem else None,
                participant_rows(record, day, people, transcript),
                fetched_at=raw["fetched_at"],
                removed_at=raw["removed_at"],
            )
        return rows, unreadable

    def _record(self, raw: dict[str, Any]) -> tuple[CallRecord | None, bool]:
        """The record of a raw row, and whether its details could not be read."""
        dialect: Dialect = dialect_named(raw["dialect"])
        try:
            return (
                dialect.parse_call(raw["listed"], raw["details"], listed_is_newer=raw["listed_is_newer"]),
                False,
            )
        except UnreadableBody as error:
            has_details = raw["details"] is not None  # of no length where the answer was empty
            origin, body = ("call-details", raw["details"]) if has_details else ("list item", raw["listed"] or b"")
            self._ledger.quarantine(raw["call_id"], raw["call_date"], origin, str(error), body)
        try:
            return dialect.parse_call(raw["listed"], None, listed_is_newer=True), True
        except UnreadableBody:
            return None, True
