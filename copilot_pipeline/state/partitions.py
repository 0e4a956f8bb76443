"""State of the partitions: which bodies each raw file holds, and which tables are older than their raw file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from copilot_pipeline.clients.clari.models import Readiness
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_value, fetch_values
from copilot_pipeline.state.bodies import pack, unpack

_NAMESPACE = 720_312  # first key of the advisory lock on a day; the second one is the day
_SQL = load_queries(f"{__package__}.sql", "partitions.sql")


@dataclass(frozen=True, slots=True)
class PartitionCall:
    """What the raw file of a day needs from the state of a call."""

    call_id: str
    status_raw: str | None
    readiness: Readiness
    listed_at: datetime
    fetched_at: datetime | None
    removed_at: datetime | None
    stored_date: date | None
    quarantine_reason: str | None


@dataclass(frozen=True, slots=True)
class UnstoredKey:
    """Identity of a body in the state store: a newer body of the same call and part has another time."""

    call_id: str
    part: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class UnstoredBody:
    """A body that no raw file holds yet. `part` is `listed` or `details`."""

    call_id: str
    part: str
    received_at: datetime
    body: bytes

    @property
    def key(self) -> UnstoredKey:
        """Its identity."""
        return UnstoredKey(self.call_id, self.part, self.received_at)


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call whose bodies should be in the raw file of a day. `is_unstored`: newer details are in no raw file."""

    call_id: str
    stored_date: date
    fetched_at: datetime | None
    is_unstored: bool


@dataclass(frozen=True, slots=True)
class LostCall:
    """A call whose bytes are missing from the lake. One that was removed at the vendor cannot be fetched again."""

    call_id: str
    call_date: date
    is_removed: bool


@dataclass(frozen=True, slots=True)
class _MovedCalls:
    stored_date: date
    call_ids: list[str]


class PartitionLock:
    """A lock on a day. It ends when its block ends, or when the server closes its connection."""

    def __init__(self, connection: Connection, *, is_held: bool) -> None:
        self._connection = connection
        self.is_held = is_held

    def confirm(self) -> None:
        """Raise `psycopg.OperationalError` if the connection is lost, and the lock with it."""
        self._connection.execute(_SQL["confirm_lock"])


class PartitionStore:
    """All partitions. Every method is one transaction, unless it is given a connection."""

    def __init__(self, database: Database) -> None:
        self.database = database

    # --- raw files ---------------------------------------------------------------------------------------------

    def needs_storing(self, day: date) -> bool:
        """Return whether the raw file of a day differs from the state store."""
        with self.database.connection() as connection:
            return bool(fetch_value(connection, _SQL["needs_storing"], {"day": day}))

    def moved_calls(self, day: date) -> dict[date, list[str]]:
        """Return the calls that moved to a day or away from it, by the day whose raw file holds their bodies."""
        with self.database.connection() as connection:
            moved = fetch_all(connection, _MovedCalls, _SQL["moved_calls"], {"day": day})
        return {each.stored_date: each.call_ids for each in moved}

    def moved_away(self, day: date, *, except_ids: Sequence[str]) -> list[str]:
        """Return the calls that moved away from a day and whose bodies are in its raw file, except some."""
        with self.database.connection() as connection:
            return fetch_values(connection, _SQL["moved_away"], {"day": day, "except_ids": list(except_ids)})

    def return_bodies(self, day: date, bodies: Sequence[UnstoredBody], call_ids: Sequence[str]) -> None:
        """Return the bodies of calls that moved away from a stored day, and mark the day as stale.

        After that the old and the new day can be stored in any order, and a crash between them loses nothing. Calls
        whose bodies are not in the day's raw file any more are ignored: what the file had of them is outdated.
        """
        with self.database.transaction() as connection:
            lock_calls(connection, call_ids)
            leaving = set(fetch_values(connection, _SQL["detach_calls"], {"day": day, "call_ids": list(call_ids)}))
            if not leaving:
                return
            returned = [body for body in bodies if body.call_id in leaving]
            values = {**_columns([body.key for body in returned]), "bodies": [pack(body.body) for body in returned]}
            connection.execute(_SQL["return_bodies"], values)
            connection.execute(_SQL["mark_stale"], {"day": day})

    def calls_of(self, day: date) -> list[PartitionCall]:
        """Return the calls of a day, in the order of their ids' bytes."""
        with self.database.connection() as connection:
            return fetch_all(connection, _partition_call, _SQL["calls_of"], {"day": day})

    def unstored_bodies(self, call_ids: Sequence[str]) -> Iterator[UnstoredBody]:
        """Yield the bodies of calls that no raw file holds yet."""
        with self.database.connection() as connection:
            rows = fetch_all(connection, UnstoredBody, _SQL["unstored_bodies"], {"call_ids": list(call_ids)})
        for row in rows:
            yield UnstoredBody(row.call_id, row.part, row.received_at, unpack(row.body))

    def begin_storing(self, day: date) -> None:
        """Mark the raw file of a day as not up to date until `mark_stored`.

        After a crash in between, the day is stored again, even if all its calls move away before that.
        """
        with self.database.connection() as connection:
            connection.execute(_SQL["begin_storing"], {"day": day})

    def mark_stored(
        self, day: date, calls: Sequence[PartitionCall], stored: Sequence[UnstoredKey], as_of: datetime
    ) -> None:
        """Record that the raw file of a day holds these calls and bodies, and delete these bodies.

        A call that changed while the file was written stays dirty, and a body received meanwhile stays. A call that
        moved away meanwhile keeps all its bodies, and the day must be stored again, because its file shows the call.
        """
        call_ids = [call.call_id for call in calls]
        with self.database.transaction() as connection:
            lock_calls(connection, call_ids)
            moved = set(fetch_values(connection, _SQL["moved_meanwhile"], {"day": day, "call_ids": call_ids}))
            connection.execute(_SQL["delete_bodies"], _columns([key for key in stored if key.call_id not in moved]))
            values = {
                "day": day,
                "call_ids": call_ids,
                "listed_at": [call.listed_at for call in calls],
                "fetched_at": [call.fetched_at for call in calls],
                "removed_at": [call.removed_at for call in calls],
            }
            connection.execute(_SQL["mark_calls_stored"], values)
            values = {"day": day, "stored_at": None if moved else as_of, "calls": len(calls)}
            connection.execute(_SQL["mark_stored"], values)

    # --- retention ---------------------------------------------------------------------------------------------

    def days_without_raw(self, days: Sequence[date]) -> set[date]:
        """Return those of some days whose raw file was removed because of its age."""
        with self.database.connection() as connection:
            return set(fetch_values(connection, _SQL["days_without_raw"], {"days": list(days)}))

    def has_texts(self, day: date) -> bool:
        """Return whether what was said on a day was not removed because of its age."""
        with self.database.connection() as connection:
            return bool(fetch_value(connection, _SQL["has_texts"], {"day": day}))

    def call_ids_of(self, day: date) -> set[str]:
        """Return the ids of the calls of a day."""
        with self.database.connection() as connection:
            return set(fetch_values(connection, _SQL["call_ids_of"], {"day": day}))

    def number_of_calls(self, days: Sequence[date]) -> int:
        """Return how many calls some days have."""
        with self.database.connection() as connection:
            return int(fetch_value(connection, _SQL["number_of_calls"], {"days": list(days)}))

    # --- missing bytes -----------------------------------------------------------------------------------------

    def stored_calls(self, days: Sequence[date]) -> list[StoredCall]:
        """Return the calls whose bodies should be in the raw files of some days."""
        with self.database.connection() as connection:
            return fetch_all(connection, StoredCall, _SQL["stored_calls"], {"days": list(days)})

    def stored_days(self) -> list[date]:
        """Return the days whose raw file should hold calls, ascending."""
        with self.database.connection() as connection:
            return fetch_values(connection, _SQL["stored_days"])

    def days_with_calls(self) -> list[date]:
        """Return the days that have calls, ascending."""
        with self.database.connection() as connection:
            return fetch_values(connection, _SQL["days_with_calls"])

    def mark_lost(self, day: date, call_ids: Sequence[str]) -> None:
        """Mark calls whose bodies are missing from a day's raw file, so that they are listed and fetched again."""
        with self.database.transaction() as connection:
            lock_calls(connection, call_ids)
            connection.execute(_SQL["mark_lost"], {"day": day, "call_ids": list(call_ids)})

    def lost_calls(self, days: Sequence[date]) -> list[LostCall]:
        """Return the calls of some days whose bytes are missing and were not fetched again."""
        with self.database.connection() as connection:
            return fetch_all(connection, LostCall, _SQL["lost_calls"], {"days": list(days)})

    @contextmanager
    def lock(self, day: date, *, wait: bool = True) -> Iterator[PartitionLock]:
        """Lock a day's raw file and tables, so that no older state overwrites a newer one.

        Without `wait`, a lock that another run holds is not acquired.
        """
        statement = _SQL["lock_day" if wait else "try_lock_day"]
        with self.database.transaction() as connection:
            is_free = fetch_value(connection, statement, {"namespace": _NAMESPACE, "day_number": day.toordinal()})
            yield PartitionLock(connection, is_held=wait or bool(is_free))

    # --- tables ------------------------------------------------------------------------------------------------

    def stale_days(self) -> list[date]:
        """Return the days whose tables still hold a call that moved away, newest first."""
        with self.database.connection() as connection:
            return fetch_values(connection, _SQL["stale_days"])

    def is_loaded(self, day: date) -> bool:
        """Return whether the call tables of a day were ever loaded."""
        with self.database.connection() as connection:
            return bool(fetch_value(connection, _SQL["is_loaded"], {"day": day}))

    def days_with_outdated_scores(self) -> list[date]:
        """Return the days whose call tables were loaded after their score tables, newest first."""
        with self.database.connection() as connection:
            return fetch_values(connection, _SQL["days_with_outdated_scores"])

    def mark_loaded(self, connection: Connection, day: date) -> None:
        """Record that the call tables of a day are loaded, in the transaction that loads them."""
        connection.execute(_SQL["mark_loaded"], {"day": day})

    def mark_scored(self, connection: Connection, day: date) -> None:
        """Record that the score tables of a day are loaded, in the transaction that loads them."""
        connection.execute(_SQL["mark_scored"], {"day": day})


def lock_calls(connection: Connection, call_ids: Sequence[str]) -> None:
    """Lock calls in the order of their ids, as every writer of several does, so that two cannot deadlock."""
    connection.execute(_SQL["lock_calls"], {"call_ids": list(call_ids)})


def _columns(keys: Sequence[UnstoredKey]) -> dict[str, list[Any]]:
    return {
        "call_ids": [key.call_id for key in keys],
        "parts": [key.part for key in keys],
        "received_at": [key.received_at for key in keys],
    }


def _partition_call(*, readiness: str, **columns: Any) -> PartitionCall:
    return PartitionCall(readiness=Readiness(readiness), **columns)
