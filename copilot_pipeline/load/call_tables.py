"""Build the call tables of a day from its raw partition, in one pass.

A pure function of stored bodies and users, so a year of calls is rebuilt without a request. Memory does not grow with
the day: each batch of calls is parsed, written to Parquet and copied to PostgreSQL before the next one is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from copilot_pipeline.clients.clari.amounts import NO_CONVENTION, AmountConvention
from copilot_pipeline.clients.clari.dialect import Dialect
from copilot_pipeline.clients.clari.dialects import dialect_named
from copilot_pipeline.clients.clari.models import CallRecord
from copilot_pipeline.errors import UnreadableBody
from copilot_pipeline.load.day_load import CallBatch
from copilot_pipeline.load.inputs import Inputs
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.lake.losses import RawFiles, missing_bytes
from copilot_pipeline.load.partition_loader import PartitionLoader
from copilot_pipeline.load.stored_rows import read_calls
from copilot_pipeline.load.tables import CALL_TABLES, PARTICIPANTS, RAW_CALL_DETAILS
from copilot_pipeline.load.versions import InputsOfDay, PartitionVersions, StampOf
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.privacy.redaction.redactor import Redactor
from copilot_pipeline.privacy.stored_tombstones import current_tombstones
from copilot_pipeline.state import CallStore, PartitionStore, SemarizeRunStore
from copilot_pipeline.state.table_versions import TableVersions
from copilot_pipeline.transform.call_rows import CallRows, has_transcript
from copilot_pipeline.transform.transcripts import (
    ResolvedPerson,
    UserDirectory,
    assemble,
    participant_rows,
    resolve_people,
    unlisted_speakers,
    without_addresses_as_names,
)

_QUARANTINED = "quarantined"
_AMOUNTS = "amounts"  # the input that matters only for days with ambiguous amounts


@dataclass(frozen=True, slots=True)
class LoadedCallTables:
    """Loaded call tables of a day: rows by table; quarantined bodies, truncated values and refused rows."""

    day: date
    rows: dict[str, int]
    quarantined: int
    problem: str | None = None
    incomplete: tuple[str, ...] = ()  # problems of single calls, whose previous rows are kept
    truncated: int = 0
    refused: int = 0
    version: str | None = None  # of what the rows are made from
    is_current: bool = False  # the day was not rebuilt, because it is up to date


@dataclass(frozen=True, slots=True)
class _Problems:
    """What is wrong with the raw files of days: quarantined bodies, and calls whose bytes are missing."""

    quarantined: defaultdict[date, int] = field(default_factory=lambda: defaultdict(int))
    incomplete: dict[date, tuple[str, ...]] = field(default_factory=dict)

    def facts_of(self, day: date) -> dict[str, int] | None:
        """Return the numbers that are reported again while the day is up to date; None if it is incomplete."""
        return None if day in self.incomplete else {_QUARANTINED: self.quarantined[day]}


class CallTables:
    """Builds calls, participants, transcripts, utterances and mentions of a day."""

    def __init__(
        self,
        lake: Lake,
        database: Database,
        calls: CallStore,
        runs: SemarizeRunStore,
        directory: UserDirectory,
        amounts: AmountConvention = NO_CONVENTION,
        redactor: Redactor | None = None,
        *,
        inputs: Inputs | None = None,
        force: bool = False,
    ) -> None:
        """`inputs` are those that are the same for all days; without them, or with `force`, every day is rebuilt."""
        self._lake = lake
        self._database = database
        self._calls = calls
        self._runs = runs
        self._directory = directory
        self._amounts = amounts
        self._redactor = redactor
        self._inputs = {**(inputs or {}), "users": directory.version, _AMOUNTS: str(amounts.decimal_separator)}
        self._sources = TableVersions(database, "calls")
        self._versions = PartitionVersions(
            lake,
            self._sources,
            CALL_TABLES,
            self._inputs_of,
            optional=[_AMOUNTS],
            force=force or inputs is None,
        )

    def days_to_build(self, days: Sequence[date]) -> list[date]:
        """Return these days and those that a call has left, newest first."""
        return sorted({*days, *self._calls.partitions.stale_days()}, reverse=True)

    def changed_days(self, days: Sequence[date]) -> list[date]:
        """Return those of some days that must be rebuilt and can be beside each other: no call has left them.

        Another run may rebuild them meanwhile: `build` finds out under the lock of each day.
        """
        stale = set(self._calls.partitions.stale_days())
        return [day for day in days if day not in stale and self._versions.current(day) is None]

    def number_of_calls(self, days: Sequence[date]) -> int:
        """Return how many calls some days have."""
        return self._calls.partitions.number_of_calls(days)

    def build(self, days: Iterable[date]) -> Iterator[LoadedCallTables]:
        """Replace these days in all call tables, unless they are up to date.

        A day whose raw file was removed because of its age keeps its rows.
        """
        problems = _Problems()
        loader = PartitionLoader(self._lake, self._database, self._calls, CALL_TABLES)
        for loaded in loader.load(
            days,
            partial(self._batches, problems),
            self._before_commit,
            versions=self._versions,
            facts_of=problems.facts_of,
        ):
            current = loaded.current
            yield LoadedCallTables(
                loaded.day,
                loaded.rows,
                problems.quarantined[loaded.day] if current is None else current.facts.get(_QUARANTINED, 0),
                loaded.problem,
                problems.incomplete.get(loaded.day, ()),
                loaded.truncated,
                loaded.refused,
                loaded.version,
                is_current=current is not None,
            )

    def _batches(self, problems: _Problems, day: date) -> Iterator[CallBatch]:
        if self._calls.partitions.days_without_raw([day]):
            yield read_calls(self._database, CALL_TABLES, day, self._calls.partitions.call_ids_of(day))
            return
        with self._lake.reading_once(RAW_CALL_DETAILS, day):
            yield from self._batches_of_file(problems, day)

    def _batches_of_file(self, problems: _Problems, day: date) -> Iterator[CallBatch]:
        files = RawFiles(self._lake)
        call_ids = self._calls_without_bytes(files, day)
        if call_ids:
            problems.incomplete[day] = tuple(lost_problems(self._calls.partitions, day, also=call_ids))
            batch = read_calls(self._database, CALL_TABLES, day, call_ids)
            call_ids = set(batch.call_ids)
            yield batch
        if not files.of_day(day).is_readable:
            return
        self._amounts.was_used = False
        for raw in self._lake.batches(RAW_CALL_DETAILS, day):
            raw = raw.filter(pc.invert(pc.is_in(raw["call_id"], pa.array(sorted(call_ids), pa.string()))))
            rows, unreadable = self._rows(day, raw)
            problems.quarantined[day] += unreadable
            yield CallBatch(rows.call_ids, rows.tables())
        if not self._amounts.was_used:
            self._versions.leave_out(day, _AMOUNTS)

    def _inputs_of(self, day: date, stamp_of: StampOf) -> InputsOfDay | None:
        """Return what the rows of a day are made from; None if its raw file is missing or must be written again."""
        source, stamp = self._sources.raw_version(day), stamp_of(RAW_CALL_DETAILS, day)
        if source is None or stamp is None:
            return None
        return InputsOfDay({**self._inputs, "raw_call_details": f"{source.version} {stamp}"}, source.is_stale)

    def _calls_without_bytes(self, files: RawFiles, day: date) -> set[str]:
        """Return the calls whose rows cannot be built, because their bytes are missing from the lake."""
        lost_calls = {call.call_id for call in self._calls.partitions.lost_calls([day])}
        return lost_calls | set(missing_bytes(files, self._calls.partitions, [day]).get(day, ()))

    def _before_commit(self, connection: Connection, day: date) -> None:
        only = self._redactor.policy.stored_fingerprint if self._redactor is not None else None
        self._runs.archive_replaced_transcripts(connection, day, only_redaction=only)
        self._calls.partitions.mark_loaded(connection, day)

    def _rows(self, day: date, batch: pa.Table) -> tuple[CallRows, int]:
        """Return the rows of a batch of raw calls, and the number of quarantined bodies."""
        rows = CallRows(day, self._amounts)
        unreadable = 0
        for raw in self._without_erased(batch.to_pylist()):
            record, is_quarantined = self._parse(raw)
            unreadable += is_quarantined
            if record is None:
                continue
            people = self._people(record)
            transcript = assemble(record, people)
            # A call with quarantined details keeps its row in `calls`, built from the list item.
            has_details = raw["details"] is not None or raw["dialect"] == "guide"
            is_transcribed = has_transcript(record, has_details) and not is_quarantined
            participants = participant_rows(record, day, people, transcript)
            if self._redactor is not None:
                record, transcript = self._redactor.redact(record, transcript, people)
            rows.add(
                record,
                transcript if is_transcribed else None,
                participants,
                fetched_at=raw["fetched_at"],
                removed_at=raw["removed_at"],
            )
        return rows, unreadable

    def _people(self, record: CallRecord) -> Sequence[ResolvedPerson]:
        """Return the people of a call. None is named by an address or number whose column is hidden."""
        people = resolve_people(record, self._directory)
        hidden = self._lake.private_columns
        emails, phones = (hidden.is_hidden(PARTICIPANTS, column) for column in ("email", "phone"))
        if not (emails or phones):
            return people
        people = (*people, *unlisted_speakers(record, people))
        return without_addresses_as_names(people, emails=emails, phones=phones)

    def _without_erased(self, rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield raw rows without erased calls and people: the file may be of a backup from before the erasure."""
        with self._database.connection() as connection:
            tombstones = current_tombstones(connection, hold=False)  # the lock of the day is held
        for raw in rows:
            parts = {part: raw[part] for part in ("listed", "details") if raw[part] is not None}
            filtered = {part: tombstones.filtered(body) for part, body in parts.items()}
            if not tombstones.is_erased(raw["call_id"]) and None not in filtered.values():
                yield raw | filtered

    def _parse(self, raw: dict[str, Any]) -> tuple[CallRecord | None, bool]:
        """Return the call record of a raw row, and whether a body was quarantined."""
        dialect: Dialect = dialect_named(raw["dialect"])
        try:
            return dialect.parse_call(raw["listed"], raw["details"], listed_is_newer=raw["listed_is_newer"]), False
        except UnreadableBody as error:
            has_details = raw["details"] is not None  # zero bytes if the response was empty
            origin, body = ("call-details", raw["details"]) if has_details else ("list item", raw["listed"] or b"")
            self._calls.quarantine(raw["call_id"], raw["call_date"], origin, str(error), body)
        try:
            return dialect.parse_call(raw["listed"], None, listed_is_newer=True), True
        except UnreadableBody:
            return None, True


def lost_problems(partitions: PartitionStore, day: date, also: Collection[str] = ()) -> list[str]:
    """Return a problem if bytes of calls of a day are missing from the lake and could be fetched again.

    `also` are calls that are missing and not yet marked as lost. A call that was removed at the vendor is not counted:
    it cannot be fetched, and its rows stay.
    """
    lost_calls = partitions.lost_calls([day])
    number = len(
        {call.call_id for call in lost_calls if not call.is_removed}
        | (set(also) - {call.call_id for call in lost_calls})
    )
    if not number:
        return []
    return [
        f"the bytes of {number} call(s) are missing from the lake and were not fetched again; their rows in the tables "
        f"stay as they were. Run the day again: copilot-pipeline run --from {day} --to {day}"
    ]
