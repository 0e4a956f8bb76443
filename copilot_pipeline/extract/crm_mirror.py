"""The vendor's mirror of the CRM: records that calls are linked to, one request each, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
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
from copilot_pipeline.progress import Progress
from copilot_pipeline.state.bodies import pack, unpack

Record = TypeVar("Record")
# Each of these was tried for a while already: an outage is not waited for once a record.
MOST_FAILURES_IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class MirroredKind:
    """What is read: the name of its table in `copilot_ops`, the column in `copilot.calls`, and how long it is good."""

    table: str
    key: str
    read_again: str  # a PostgreSQL interval


@dataclass(frozen=True, slots=True)
class MirroredRecord:
    """A record as it came. `is_closed`: it will not change any more."""

    body: bytes
    is_closed: bool = False


@dataclass(slots=True)
class MirrorRead:
    """What reading came to."""

    read: int = 0
    missing: int = 0
    problems: list[str] = field(default_factory=list)


class CrmMirror:
    """Records of one kind. Each is kept as it arrives: what was read is not read again after a death."""

    def __init__(
        self, database: Database, kind: MirroredKind, *, requests_in_flight: int = 1, progress: Progress
    ) -> None:
        self._database = database
        self._kind = kind
        self._requests_in_flight = requests_in_flight
        self._progress = progress

    def read(self, fetch: Callable[[str], MirroredRecord]) -> MirrorRead:
        """Reads each linked record that is new, or that may have changed since it was last read.

        One record's trouble is in the report. Refused credentials and a spent budget concern all of them: what has
        arrived is kept, and then they are raised. After a few failures in a row the rest is left for the next time.
        """
        report = MirrorRead()
        waiting = deque(self._wanted())
        under_way: dict[Future[MirroredRecord], str] = {}
        stop: PipelineError | None = None
        failures_in_a_row = 0
        self._progress.expect(self._kind.table, len(waiting))
        with ThreadPoolExecutor(self._requests_in_flight, thread_name_prefix="mirror") as pool:
            while waiting or under_way:
                while waiting and len(under_way) < self._requests_in_flight:
                    identity = waiting.popleft()
                    under_way[pool.submit(fetch, identity)] = identity
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    self._progress.advance(self._kind.table)
                    try:
                        has_failed = self._has_failed(under_way.pop(future), future, report)
                    except (CredentialsRefused, QuotaExhausted) as error:
                        stop = stop or error
                        waiting.clear()
                        continue
                    failures_in_a_row = failures_in_a_row + 1 if has_failed else 0
                    if failures_in_a_row == MOST_FAILURES_IN_A_ROW and waiting:
                        report.problems.append(f"{len(waiting):,} more {self._kind.table} were not asked for")
                        waiting.clear()
        if stop is not None:
            raise stop
        return report

    def _has_failed(self, identity: str, future: Future[MirroredRecord], report: MirrorRead) -> bool:
        """Keeps a record. True where the API failed, false where the record is to blame."""
        try:
            self._keep(identity, future.result())
            report.read += 1
        except NotFound:
            self._keep(identity, None)
            report.missing += 1
        except (CredentialsRefused, QuotaExhausted):
            raise
        except PipelineError as error:
            report.problems.append(f"{self._kind.key.removesuffix('_id')} {identity}: {error}")
            return isinstance(error, TemporaryFailure)
        return False

    def records(self, parse: Callable[[bytes, str], Record]) -> dict[str, tuple[datetime, Record | None]]:
        """What is kept, by id: when it was read, and the record; None where its body cannot be read."""

        def parsed(body: bytes, identity: str) -> Record | None:
            try:
                return parse(body, identity)
            except UnreadableBody:
                return None

        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT {self._kind.key}, read_at, body FROM copilot_ops.{self._kind.table} WHERE body IS NOT NULL"
            ).fetchall()
        return {identity: (read_at, parsed(unpack(body), identity)) for identity, read_at, body in rows}

    def _wanted(self) -> list[str]:
        table, key = self._kind.table, self._kind.key
        with self._database.connection() as connection:
            rows = connection.execute(
                f"""SELECT DISTINCT calls.{key} FROM copilot.calls AS calls
                LEFT JOIN copilot_ops.{table} AS known USING ({key})
                WHERE calls.{key} IS NOT NULL
                  AND (known.{key} IS NULL OR (NOT known.is_closed AND known.read_at < now() - %s::interval))
                ORDER BY 1""",
                (self._kind.read_again,),
            ).fetchall()
        return [str(row[0]) for row in rows]

    def _keep(self, identity: str, record: MirroredRecord | None) -> None:
        """None: the mirror does not have it. A body that it had before stays."""
        table, key = self._kind.table, self._kind.key
        with self._database.connection() as connection:
            connection.execute(
                f"""INSERT INTO copilot_ops.{table} AS known ({key}, read_at, is_missing, is_closed, body)
                VALUES (%s, now(), %s, %s, %s) ON CONFLICT ({key}) DO UPDATE SET read_at = excluded.read_at,
                  is_missing = excluded.is_missing, is_closed = excluded.is_closed,
                  body = coalesce(excluded.body, known.body)""",
                (identity, record is None, bool(record and record.is_closed), pack(record.body) if record else None),
            )
