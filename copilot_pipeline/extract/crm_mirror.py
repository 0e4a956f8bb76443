"""The vendor's mirror of the CRM: records that calls are linked to, one request each, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from copilot_pipeline.errors import (
    CredentialsRefused,
    NotFound,
    PipelineError,
    QuotaExhausted,
    TemporaryFailure,
    UnreadableBody,
)
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_values
from copilot_pipeline.privacy.stored_tombstones import current_tombstones
from copilot_pipeline.progress import Progress
from copilot_pipeline.state.bodies import pack, unpack
from copilot_pipeline.state.quarantine import quarantine_unreadable

Record = TypeVar("Record")
MAX_FAILURES_IN_A_ROW = 5  # of records whose request was retried already: then the mirror is down
_SQL = load_queries(__package__, "crm_mirror.sql")


@dataclass(frozen=True, slots=True)
class MirroredKind:
    """A kind of record. `plural` is its table in `copilot_ops` and the name of its statements."""

    singular: str
    plural: str
    read_again_after: timedelta


@dataclass(frozen=True, slots=True)
class MirroredRecord:
    """A record as received. `is_closed`: it will not change any more."""

    body: bytes
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class _StoredRecord:
    id: str
    read_at: datetime
    body: bytes


@dataclass(slots=True)
class MirrorRead:
    """How many records were read, how many the mirror does not have, and what failed."""

    read: int = 0
    missing: int = 0
    problems: list[str] = field(default_factory=list)


class CrmMirror:
    """Records of one kind. Each is stored when it is received, so that it is not read again after a crash."""

    def __init__(
        self, database: Database, kind: MirroredKind, *, requests_in_flight: int = 1, progress: Progress
    ) -> None:
        self._database = database
        self._kind = kind
        self._requests_in_flight = requests_in_flight
        self._progress = progress

    def read(self, fetch: Callable[[str], MirroredRecord]) -> MirrorRead:
        """Read the linked records that are new or that may have changed since they were last read.

        Errors of single records are in the result. Refused credentials and a used-up quota concern all records: what
        was received is stored, and then they are raised. After a few failures in a row the rest is left to the next
        read.
        """
        result = MirrorRead()
        unread = deque(self._ids_to_read())
        in_flight: dict[Future[MirroredRecord], str] = {}
        fatal: PipelineError | None = None
        failures_in_a_row = 0
        self._progress.expect(self._kind.plural, len(unread))
        with ThreadPoolExecutor(self._requests_in_flight, thread_name_prefix="crm") as pool:
            while unread or in_flight:
                while unread and len(in_flight) < self._requests_in_flight:
                    record_id = unread.popleft()
                    in_flight[pool.submit(fetch, record_id)] = record_id
                for future in wait(in_flight, return_when=FIRST_COMPLETED).done:
                    self._progress.advance(self._kind.plural)
                    try:
                        is_failure = self._store_result(in_flight.pop(future), future, result)
                    except (CredentialsRefused, QuotaExhausted) as error:
                        fatal = fatal or error
                        unread.clear()
                        continue
                    failures_in_a_row = failures_in_a_row + 1 if is_failure else 0
                    if failures_in_a_row == MAX_FAILURES_IN_A_ROW and unread:
                        result.problems.append(f"{len(unread):,} more {self._kind.plural} were not read")
                        unread.clear()
        if fatal is not None:
            raise fatal
        return result

    def _store_result(self, record_id: str, future: Future[MirroredRecord], result: MirrorRead) -> bool:
        """Store a record. Returns True if the API failed, False if the record exists, is missing or is unreadable."""
        try:
            with quarantine_unreadable(self._database, self._kind.singular):
                record = future.result()
            self._store(record_id, record)
            result.read += 1
        except NotFound:
            self._store(record_id, None)
            result.missing += 1
        except (CredentialsRefused, QuotaExhausted):
            raise
        except PipelineError as error:
            result.problems.append(f"{self._kind.singular} {record_id}: {error}")
            return isinstance(error, TemporaryFailure)
        return False

    def records(self, parse: Callable[[bytes, str], Record]) -> dict[str, tuple[datetime, Record | None]]:
        """Return when each stored record was read and the record, None if its body cannot be parsed, by id."""

        def parsed(stored: _StoredRecord) -> Record | None:
            try:
                return parse(unpack(stored.body), stored.id)
            except UnreadableBody:
                return None

        with self._database.connection() as connection:
            rows = fetch_all(connection, _StoredRecord, _SQL[f"stored_{self._kind.plural}"])
        return {stored.id: (stored.read_at, parsed(stored)) for stored in rows}

    def _ids_to_read(self) -> list[str]:
        with self._database.connection() as connection:
            statement = _SQL[f"{self._kind.plural}_to_read"]
            return fetch_values(connection, statement, {"read_again_after": self._kind.read_again_after})

    def _store(self, record_id: str, record: MirroredRecord | None) -> None:
        """Store a record without erased people, or that the mirror does not have it; a stored body stays then."""
        with self._database.transaction() as connection:
            body = None if record is None else current_tombstones(connection).filtered(record.body)
            values = {
                "id": record_id,
                "is_missing": record is None,
                "is_closed": record is not None and record.is_closed,
                "body": None if body is None else pack(body),
            }
            connection.execute(_SQL[f"store_{self._kind.singular}"], values)
