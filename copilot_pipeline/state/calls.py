"""State of the calls: listed and fetched versions, and what remains to be fetched or stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.clients.clari.models import ListedCall, Readiness
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_one, fetch_value, fetch_values
from copilot_pipeline.state.bodies import pack, unpack
from copilot_pipeline.state.erased import details_without_erased, listed_without_erased
from copilot_pipeline.state.partitions import PartitionStore
from copilot_pipeline.state.quarantine import count_quarantined, quarantine

# A call whose details are missing or cannot be parsed is retried after 1 h, 5 h, 25 h, 5 days, then every week.
_BACKOFF = Backoff(first_seconds=3600.0, max_seconds=7 * 86_400.0, factor=5.0, jitter=0.0)
BACKOFF_HOURS = tuple(round(_BACKOFF.delay(attempt) / 3600) for attempt in range(1, 6))
IMMEDIATE_RETRIES = 3  # after a temporary error, before the call is deferred
_SQL = load_queries(f"{__package__}.sql", "calls.sql")


@dataclass(frozen=True, slots=True)
class DeferredCall:
    """A call that could not be fetched: the last error, and when it is retried."""

    call_id: str
    call_date: date
    problem: str | None
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True)
class CallToFetch:
    """A call whose details must be fetched, and the version they will have."""

    call_id: str
    call_date: date
    version: str


@dataclass(frozen=True, slots=True)
class CallToRetry:
    """A call that was not ready and is due for another attempt."""

    call_id: str
    started_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class _CallStart:
    call_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class ReceivedDetails:
    """Details as received, packed, and why they cannot be parsed (None if they can)."""

    call: CallToFetch
    packed: bytes
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class CallState:
    """State of a call on its way from the list to its scores."""

    call_id: str
    call_date: date
    started_at: datetime
    readiness: Readiness
    is_fetched: bool  # the details of the listed version are stored
    is_loaded: bool
    finished_runs: int


class CallStore:
    """All known calls. Every method is one transaction, unless it is given a connection."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self.database = database
        self.partitions = PartitionStore(database)
        self.zone = zone

    def day_of(self, moment: datetime) -> date:
        """Return the partition of a call's time."""
        return moment.astimezone(self.zone).date()

    def now(self) -> datetime:
        """Return the time of the database, the only clock that all processes share."""
        with self.database.connection() as connection:
            now: datetime = fetch_value(connection, _SQL["now"])
        return now

    # --- listing -----------------------------------------------------------------------------------------------

    def record(self, connection: Connection, calls: Sequence[ListedCall], source: str) -> None:
        """Insert or update listed calls, each at most once, as part of a transaction.

        An item is stored only if it is new or differs from the previous one, and not if the call is erased.
        """
        calls = listed_without_erased(connection, calls) if calls else calls
        if not calls:
            return
        values = {
            "call_ids": [call.call_id for call in calls],
            "call_dates": [self.day_of(call.started_at) for call in calls],
            "started_at": [call.started_at for call in calls],
            "modified_at": [call.modified_at for call in calls],
            "statuses": [call.status_raw for call in calls],
            "readiness": [call.readiness.value for call in calls],
            "versions": [call.version for call in calls],
            "content_hashes": [call.content_hash for call in calls],
            "items": [pack(call.body) for call in calls],
            "has_details": [call.has_details and call.readiness is Readiness.READY for call in calls],
            "first_retry_hours": BACKOFF_HOURS[0],
            "source": source,
        }
        connection.execute(_SQL["record"], values)

    # --- fetching ----------------------------------------------------------------------------------------------

    def to_fetch(
        self, days: Sequence[date], *, among: Sequence[str] | None = None, with_quarantined: bool = False
    ) -> list[CallToFetch]:
        """Return the calls of some days to fetch now, newest day first; with `among`, only those of these ids.

        `with_quarantined` adds the quarantined calls whose next attempt is not due yet.
        """
        values = {"days": list(days), "with_quarantined": with_quarantined}
        with self.database.connection() as connection:
            if among is None:
                return fetch_all(connection, CallToFetch, _SQL["to_fetch"], values)
            return fetch_all(connection, CallToFetch, _SQL["to_fetch_among"], {**values, "call_ids": list(among)})

    def to_fetch_from(self, sources: Sequence[str], limit: int) -> list[CallToFetch]:
        """Return calls to fetch now that were last changed by these sources, newest day first."""
        with self.database.connection() as connection:
            values = {"sources": list(sources), "limit": limit}
            return fetch_all(connection, CallToFetch, _SQL["to_fetch_from"], values)

    def deferred(self, days: Sequence[date]) -> list[DeferredCall]:
        """Return the calls of some days that are retried later, without the quarantined ones."""
        with self.database.connection() as connection:
            return fetch_all(connection, DeferredCall, _SQL["deferred"], {"days": list(days)})

    def store_details(self, received: Sequence[ReceivedDetails]) -> None:
        """Store details and mark their versions as fetched; quarantine and defer those that cannot be parsed.

        Deferred instead of given up, because a gateway may have sent the bytes.
        """
        with self.database.transaction() as connection:
            for details in received:
                if details.problem is not None:
                    call, body = details.call, unpack(details.packed)
                    quarantine(connection, call.call_id, call.call_date, "call-details", details.problem, body)
            self.store_details_in(connection, received)

    def store_details_in(self, connection: Connection, received: Sequence[ReceivedDetails]) -> None:
        """Store details as part of a transaction, without quarantine; not those of erased calls."""
        received = details_without_erased(connection, received)
        values = {
            "call_ids": [details.call.call_id for details in received],
            "versions": [details.call.version for details in received],
            "bodies": [details.packed for details in received],
            "problems": [details.problem for details in received],
            "backoff_hours": list(BACKOFF_HOURS),
        }
        connection.execute(_SQL["store_details"], values)

    def quarantine_details(self, call: CallToFetch, problem: str, body: bytes) -> None:
        """Quarantine bytes that are not the details of a call, and defer the call. What is stored of it stays."""
        values = {"call_id": call.call_id, "reason": problem, "backoff_hours": list(BACKOFF_HOURS)}
        with self.database.transaction() as connection:
            quarantine(connection, call.call_id, call.call_date, "call-details", problem, body)
            connection.execute(_SQL["quarantine_details"], values)

    def count_quarantined(self, days: Sequence[date]) -> int:
        """Return how many calls of some days are missing or incomplete, because what was received cannot be parsed."""
        with self.database.connection() as connection:
            return count_quarantined(connection, days)

    def quarantine(self, call_id: str | None, day: date | None, origin: str, reason: str, body: bytes) -> None:
        """Keep bytes that cannot be parsed, with the reason; the same bytes of a call and origin are kept once."""
        with self.database.transaction() as connection:
            quarantine(connection, call_id, day, origin, reason, body)

    def record_failure(self, call_id: str, problem: str, *, defer: bool) -> None:
        """Record a failed attempt. With `defer` the call is retried after a growing delay.

        Without, it is retried immediately `IMMEDIATE_RETRIES` times and deferred after that, so that a call that always
        fails does not keep a backfill from finishing.
        """
        values = {
            "call_id": call_id,
            "problem": problem,
            "immediate_retries": 0 if defer else IMMEDIATE_RETRIES,
            "backoff_hours": list(BACKOFF_HOURS),
        }
        with self.database.connection() as connection:
            connection.execute(_SQL["record_failure"], values)

    # --- remaining work ----------------------------------------------------------------------------------------

    def unfinished_days(self, sources: Sequence[str]) -> list[date]:
        """Return days with calls from these sources that must be fetched or stored, newest first."""
        with self.database.connection() as connection:
            return fetch_values(connection, _SQL["unfinished_days"], {"sources": list(sources)})

    def days_to_store(self, sources: Sequence[str]) -> list[date]:
        """Return days whose raw file lacks changes from these sources, newest first."""
        with self.database.connection() as connection:
            return fetch_values(connection, _SQL["days_to_store"], {"sources": list(sources)})

    def find(self, call_id: str) -> CallState | None:
        """Return the state of a call, None if it was never listed."""
        with self.database.connection() as connection:
            return fetch_one(connection, _call_state, _SQL["find"], {"call_id": call_id})

    def starts_of_calls_seen_before(self, call_ids: Sequence[str], age: timedelta) -> dict[str, datetime]:
        """Return the start of those of some calls that no list has shown for `age`."""
        with self.database.connection() as connection:
            found = fetch_all(connection, _CallStart, _SQL["seen_before"], {"call_ids": list(call_ids), "age": age})
        return {call.call_id: call.started_at for call in found}

    def mark_removed(self, call_ids: Sequence[str]) -> set[date]:
        """Mark calls that the list does not show any more; return their days. What is stored of them stays."""
        if not call_ids:
            return set()
        with self.database.connection() as connection:
            return set(fetch_values(connection, _SQL["mark_removed"], {"call_ids": list(call_ids)}))

    def due_for_retry(self, max_attempts: int, limit: int) -> list[CallToRetry]:
        """Return calls that were not ready and may be now, the one due longest first."""
        with self.database.connection() as connection:
            values = {"max_attempts": max_attempts, "limit": limit}
            return fetch_all(connection, CallToRetry, _SQL["due_for_retry"], values)


def _call_state(*, readiness: str, **columns: Any) -> CallState:
    return CallState(readiness=Readiness(readiness), **columns)
