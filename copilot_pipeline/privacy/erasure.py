"""Erase a person or a call in all places, so that the same command finishes what was killed at any instant.

First the tombstones and the plan are stored, in one transaction: from then on nothing of it is stored again. Then each
day is locked once, which waits for what was loading before; each step after that may be repeated. At the end all places
are searched again, and the plan, the only thing that still names the person, is deleted.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

import psycopg
from psycopg import sql

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.delivery.outbox import Outbox
from copilot_pipeline.errors import PipelineError
from copilot_pipeline.extract.table_factory import make_call_tables
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_values
from copilot_pipeline.privacy.erasure_store import CANCELLED, ErasureRecord, ErasureStore, Plan, new_label
from copilot_pipeline.privacy.identity import Identity, normalized_email, normalized_name, normalized_phone
from copilot_pipeline.privacy.matching import Matcher
from copilot_pipeline.privacy.object_versions import VersionHit
from copilot_pipeline.privacy.places import LAKE_TABLES, STATE_SCHEMA, TABLES
from copilot_pipeline.privacy.restored import Restored, copy_tombstones
from copilot_pipeline.privacy.search import Findings, Search, Stores
from copilot_pipeline.privacy.stored_tombstones import privacy_key
from copilot_pipeline.privacy.subjects import Subject, Subjects
from copilot_pipeline.privacy.table_places import TablePlace, vacuum
from copilot_pipeline.privacy.tombstones import Mode, keyed_hash, tombstones_of
from copilot_pipeline.score.factory import make_score_tables
from copilot_pipeline.state import PartitionStore
from copilot_pipeline.state.semarize_runs import REGISTRATION_LOCK

MAX_PASSES = 3
_SQL = load_queries(__package__, "erasure.sql")
_RAW = LAKE_TABLES[0]
_OUTBOX = f"{STATE_SCHEMA}.outbox"
_LOCK_TABLE = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE")


@dataclass(frozen=True, slots=True)
class Request:
    """What the command was given."""

    person: str | None = None
    call_id: str | None = None
    label: str | None = None  # of an earlier erasure, whose subject a backup has brought back
    is_retention: bool = False  # of calls that the vendor has removed, by `retention.removed_calls`

    @property
    def kind(self) -> str:
        """person or call."""
        return "person" if self.person is not None else "call"

    @property
    def requested_by(self) -> str:
        """The user of the operating system, or the nightly removal."""
        return "retention" if self.is_retention else getpass.getuser()

    def hash(self, key: bytes) -> bytes:
        """Return what an unfinished erasure of the same request is recognized by."""
        if self.is_retention:
            return keyed_hash(key, "request of retention", "")
        if self.label is not None:
            return keyed_hash(key, "request again", self.label)
        value = self.call_id or ""
        if self.person is not None:
            value = ("@" in self.person and normalized_email(self.person)) or normalized_name(self.person)
            value = value or normalized_phone(self.person) or self.person
        return keyed_hash(key, f"request {self.kind}", value)


REMOVED_CALLS = Request(is_retention=True)


@dataclass(frozen=True, slots=True)
class Erased:
    """The result: the audit row, the former versions of objects that stay, and what could not be searched."""

    record: ErasureRecord
    versions: Sequence[VersionHit]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Contribution:
    route: str
    call_id: str


class Erasure:
    """Erases one subject."""

    def __init__(
        self, stores: Stores, settings: Settings, request: Request, *, on_step: Callable[[str], None] = lambda _: None
    ) -> None:
        self._stores = stores
        self._settings = settings
        self._request = request
        self._on_step = on_step
        self._key = privacy_key()
        self._records = ErasureStore(stores.database)
        self._partitions = PartitionStore(stores.database)

    def unfinished(self) -> Plan | None:
        """Return the plan of the same request, if it was killed."""
        return self._records.unfinished(self._request.hash(self._key))

    def begin(self, search: Search, mode: Mode) -> Plan:
        """Store the plan and the tombstones: from then on nothing of it is stored again."""
        plan = Plan(_erased_identity(search.identity, mode), mode, new_label())
        tombstones = tombstones_of(plan.identity, self._key, plan.label, mode)
        request_hash = self._request.hash(self._key)
        self._records.begin(plan, plan.label, request_hash, self._request.kind, self._request.requested_by, tombstones)
        return plan

    def begin_again(self, found: Restored) -> Plan:
        """Store the plan of what a backup brought back. Its tombstones are stored already."""
        plan = Plan(found.identity, found.mode, found.label)
        request_hash = self._request.hash(self._key)
        self._records.begin(plan, new_label(), request_hash, found.subject, self._request.requested_by, [])
        return plan

    def run(self, plan: Plan, *, full_vacuum: bool = False) -> Erased:
        """Remove everything that the plan names, search again and remove what was found, until nothing is."""
        copy_tombstones(self._stores)
        for _ in range(MAX_PASSES):
            self._remove(plan)
            found = self._remaining(plan)
            if not found.changeable:
                break
        else:
            raise PipelineError(
                f"{found.changeable:,} rows or files still have what was to be erased, because they are being written: "
                "run the same command again"
            )
        self._on_step("letting PostgreSQL reuse the space")
        with self._stores.database.connection() as connection:
            vacuum(connection, TABLES, full=full_vacuum)
            record = self._records.finish(plan)
            vacuum(connection, [place for place in TABLES if place.table == "erasures"], full=full_vacuum)
        return Erased(record, found.versions, found.notes)

    def _remaining(self, plan: Plan) -> Findings:
        """Search all places for what the plan names, and for calls that were stored just before the tombstones were.

        Such calls are added to the plan. Return what was found.
        """
        self._on_step("searching again")
        subjects = Subjects(self._stores.database, self._stores.lake)
        late = subjects.calls_of(plan.identity) - plan.identity.calls if plan.mode == "calls" else frozenset()
        search = Search(self._stores, Subject(plan.identity, plan.identity.calls | late), on_place=self._on_step)
        if late:
            plan.identity = search.identity
            self._records.save(plan, tombstones_of(plan.identity, self._key, plan.label, plan.mode))
        return search.find()

    # --- removal -----------------------------------------------------------------------------------------------

    def _remove(self, plan: Plan) -> None:
        matcher = Matcher(replace(plan.identity, sentences=frozenset()), plan.label)
        deep = Matcher(plan.identity, plan.label)
        with self._stores.database.connection() as connection:
            days: set[date] = set(fetch_values(connection, _SQL["days"]))
        for place in LAKE_TABLES:
            days |= {day for day in place.days(self._stores.lake) if day is not None}
        for number, day in enumerate(sorted(days), start=1):
            self._on_step(f"day {day} ({number} of {len(days)})")
            self._remove_day(plan, day, matcher)
        self._withdraw(plan)
        for table in TABLES:
            self._on_step(table.name)
            self._remove_table(plan, table, matcher, deep)
        for files in self._stores.files():
            self._on_step(files.name)
            self._count(plan, files.name, files.erase(deep))

    def _remove_day(self, plan: Plan, day: date, matcher: Matcher) -> None:
        """Erase in the files of a day; build the tables again where a transcript is masked."""
        if not self._is_masked(day, matcher) and str(day) not in plan.hashes:
            with self._partitions.lock(day):
                self._remove_files(plan, day, matcher)
            return
        if str(day) not in plan.hashes:
            plan.hashes[str(day)] = self._records.hashes_of(day)
            self._records.save(plan)
        with self._without_registrations():
            with self._partitions.lock(day):
                self._remove_files(plan, day, matcher)
            for place in (place for place in TABLES if place.table == "transcripts"):
                self._remove_table(plan, place, matcher, matcher)  # what it replaces is archived
            lake, database = self._stores.lake, self._stores.database
            problems = [one.problem for one in make_call_tables(self._settings, database, lake).build([day])]
            self._records.carry_runs_over(day, plan.hashes[str(day)])
        if self._settings.pipeline.kits:
            problems += [one.problem for one in make_score_tables(self._settings, database, lake).build([day])]
        for problem in filter(None, problems):
            raise PipelineError(f"{day}: {problem}")

    def _is_masked(self, day: date, matcher: Matcher) -> bool:
        """Whether a call stays in which the person is named."""
        return any(not hit.is_of_call for hit in _RAW.search(self._stores.lake, day, matcher))

    def _remove_files(self, plan: Plan, day: date | None, matcher: Matcher) -> None:
        """Erase in all tables of the lake of a day, or in those without days. The lock must be held."""
        lake = self._stores.lake
        for place in LAKE_TABLES:
            if place.table.partitioned is (day is not None) and lake.exists(place.table, day):
                self._count(plan, place.name, place.erase(lake, day, matcher))
        if day is not None:
            lake.remove_drafts_of(day)

    @contextmanager
    def _without_registrations(self) -> Iterator[None]:
        """Let no process register a run meanwhile: a masked transcript must not look like a new one."""
        with self._stores.database.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (REGISTRATION_LOCK,))
            yield

    def _withdraw(self, plan: Plan) -> None:
        """Let the scores of other calls count in the CRM, as for a call that was removed at the vendor."""
        with self._stores.database.connection() as connection:
            calls = {"call_ids": sorted(plan.identity.calls)}
            found = fetch_all(connection, _Contribution, _SQL["deliveries_to_withdraw"], calls)
        if found:
            Outbox(self._stores.database).withdraw([(one.route, one.call_id) for one in found], reason="it was erased")

    def _remove_table(self, plan: Plan, table: TablePlace, matcher: Matcher, deep: Matcher) -> None:
        """Erase in a table, and in its file in the lake if it has no days."""
        in_lake = [one for one in LAKE_TABLES if one.table.name == table.table and table.schema == "copilot"]
        is_snapshot = any(not one.table.partitioned for one in in_lake)

        def erase(connection: Connection) -> None:
            if is_snapshot:  # a refresh that is being loaded ends before
                connection.execute(_LOCK_TABLE.format(table.identifier))
            if table.name == _OUTBOX:
                self._cancel_masked(connection, plan, table, matcher)
            rows = table.erase(connection, matcher, deep=deep if table.name == _OUTBOX else None)
            self._records.count(connection, plan, table.name, rows)
            for one in in_lake if is_snapshot else ():
                lake_rows = one.erase(self._stores.lake, None, matcher) if one.days(self._stores.lake) else 0
                self._records.count(connection, plan, one.name, lake_rows)

        self._in_transaction(erase)

    def _cancel_masked(self, connection: Connection, plan: Plan, outbox: TablePlace, matcher: Matcher) -> None:
        """Cancel deliveries that were not sent and whose text will be masked; enqueueing makes them again without."""
        rows = [hit.row for hit in outbox.search(connection, matcher, lock=True) if not hit.is_of_call]
        cancelled = connection.execute(_SQL["cancel_masked_deliveries"], {"rows": rows}).rowcount if rows else 0
        self._records.count(connection, plan, CANCELLED, cancelled)

    def _in_transaction(self, work: Callable[[Connection], None]) -> None:
        """Do some work in a transaction, again if another process was in the way."""
        for attempt in range(MAX_PASSES):
            try:
                with self._stores.database.transaction() as connection:
                    work(connection)
                return
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                if attempt == MAX_PASSES - 1:
                    raise

    def _count(self, plan: Plan, place: str, rows: int) -> None:
        with self._stores.database.transaction() as connection:
            self._records.count(connection, plan, place, rows)


def _erased_identity(identity: Identity, mode: Mode) -> Identity:
    """Return what is erased: where the person is masked, the calls stay."""
    if mode == "calls":
        return identity
    return replace(identity, calls=frozenset(), runs=frozenset(), sentences=frozenset())
