"""The outbox: a delivery is a row before it is a request, and is sent once.

Here rows are added and listed. `outbox_leases` leases rows for sending and records the results. Every method is one
transaction, and its commit waits for the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from copilot_pipeline.delivery.clock import Clock, DatabaseClock
from copilot_pipeline.delivery.crm_merge import leave_other_records
from copilot_pipeline.delivery.model import DeliveryRequest, UnlinkedCall
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.privacy.stored_tombstones import current_tombstones
from copilot_pipeline.privacy.tombstones import Tombstones

STATES = ("queued", "sending", "uncertain", "failed", "sent", "superseded", "suppressed", "cancelled")

_SQL = load_queries("copilot_pipeline.delivery.sql", "outbox.sql")


@dataclass(frozen=True, slots=True)
class ListedDelivery:
    """A delivery without its payload, which quotes what was said on the call."""

    id: int
    route: str
    sink: str
    call_id: str
    target: str
    state: str
    reason: str | None
    attempts: int
    created_at: datetime
    next_attempt_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListedUnlinkedCall:
    """A call without a CRM record.

    `call_date` is None if the call is no longer stored.
    """

    route: str
    call_id: str
    call_date: date | None
    reason: str


@dataclass(frozen=True, slots=True)
class SinkState:
    """The health of a sink and its open deliveries.

    `queued` includes those that are being sent.
    """

    name: str
    queued: int
    oldest_queued_at: datetime | None
    uncertain: int
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    problem: str | None
    last_error: str | None
    last_success_at: datetime | None


class Outbox:
    """The deliveries of all routes."""

    def __init__(self, database: Database, *, now: Clock | None = None) -> None:
        self._database = database
        self._now = now or DatabaseClock(database)

    def active_since(self, routes: Sequence[str], *, activate: bool) -> dict[str, datetime]:
        """Return since when each route is active.

        For new ones that is now, which `activate` stores.
        """
        now = self._now()
        with self._database.transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
            if activate:
                cursor.execute(_SQL["activate_routes"], {"names": sorted(routes), "now": now})
            rows = cursor.execute(_SQL["active_routes"], {"names": list(routes)}).fetchall()
        return {**dict.fromkeys(routes, now), **{row["name"]: row["active_since"] for row in rows}}

    def add(
        self,
        requests: Sequence[DeliveryRequest],
        unlinked: Sequence[UnlinkedCall],
        *,
        include_suppressed: bool = False,
    ) -> int:
        """Add new deliveries and calls without a record in one transaction.

        Returns the number of rows added.

        A call that is linked to another record now no longer counts for the former one. If it is linked to it again,
        its cancelled deliveries are queued again. `include_suppressed` queues suppressed deliveries.
        """
        now = self._now()
        with self._database.transaction() as connection:
            added = self.add_in_transaction(connection, requests, include_suppressed=include_suppressed)
            _remove_unlinked(connection, [(request.route, request.call_id) for request in requests])
            for call in unlinked:
                leave_other_records(connection, call.route, call.call_id, "", now)
                connection.execute(
                    _SQL["add_unlinked_call"],
                    {
                        "route": call.route,
                        "call_id": call.call_id,
                        "reason": call.reason,
                        "crm_system": call.crm_system,
                        "deal_id": call.deal_id,
                        "now": now,
                    },
                )
        return added

    def add_in_transaction(
        self, connection: Connection, requests: Sequence[DeliveryRequest], *, include_suppressed: bool = False
    ) -> int:
        """Add new deliveries in the caller's transaction.

        Returns the number of rows added.
        """
        now = self._now()
        tombstones = current_tombstones(connection)  # what a message quotes may have been erased since it was read
        requests = [request for request in requests if not tombstones.is_erased(request.call_id)]
        if requests:
            connection.execute(_SQL["register_sinks"], {"names": sorted({request.sink for request in requests})})
        return sum(_add_one(connection, request, now, include_suppressed, tombstones) for request in requests)

    def withdraw_removed(self, days: Sequence[date]) -> None:
        """Cancel contributions of calls of some days that were removed in Clari Copilot.

        Their records get the scores of the newest remaining call. A record without another call keeps its values,
        because the call took place.
        """
        with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_SQL["removed_calls_with_records"], {"days": list(days)}).fetchall()
        self.withdraw([(row["route"], row["call_id"]) for row in rows], reason="it was removed in Clari Copilot")

    def withdraw(
        self, route_calls: Sequence[tuple[str, str]], *, reason: str = "its newest scores no longer apply to it"
    ) -> None:
        """Cancel contributions that no route requests any longer, by (route, call id)."""
        now = self._now()
        routes, call_ids = _columns(route_calls)
        with self._database.transaction() as connection:
            _remove_unlinked(connection, route_calls)
            with connection.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(_SQL["calls_with_records"], {"routes": routes, "call_ids": call_ids}).fetchall()
            for row in rows:
                leave_other_records(connection, row["route"], row["call_id"], "", now, reason=reason)

    def relinked_calls(self) -> list[str]:
        """Return calls without a record whose CRM link has changed since, by id."""
        with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            return [row["call_id"] for row in cursor.execute(_SQL["relinked_calls"])]

    def listed(self, *, states: Sequence[str] = (), route: str | None = None, limit: int = 50) -> list[ListedDelivery]:
        """List the newest deliveries in some states, or in all."""
        parameters = {"states": list(states), "route": route, "limit": limit}
        with (
            self._database.connection() as connection,
            connection.cursor(row_factory=class_row(ListedDelivery)) as cursor,
        ):
            return cursor.execute(_SQL["list_deliveries"], parameters).fetchall()

    def counts(self) -> dict[tuple[str, str], int]:
        """Count deliveries by (sink, state)."""
        with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_SQL["count_deliveries"]).fetchall()
        return {(row["sink"], row["state"]): int(row["deliveries"]) for row in rows}

    def unlinked_calls(self, days: tuple[date, date] | None = None) -> list[ListedUnlinkedCall]:
        """List calls without a CRM record, of a range of days or of all."""
        first, last = days or (None, None)
        with (
            self._database.connection() as connection,
            connection.cursor(row_factory=class_row(ListedUnlinkedCall)) as cursor,
        ):
            return cursor.execute(_SQL["list_unlinked_calls"], {"first": first, "last": last}).fetchall()

    def retry(self, *, ids: Sequence[int] = (), route: str | None = None) -> int:
        """Queue failed or uncertain deliveries again, by id or the failed ones of a route.

        Returns how many.
        """
        with self._database.connection() as connection:
            cursor = connection.execute(_SQL["queue_again"], {"now": self._now(), "ids": list(ids), "route": route})
            return max(0, cursor.rowcount)

    def confirm(self, ids: Sequence[int]) -> int:
        """Mark uncertain deliveries as sent, because a person has seen them.

        Returns how many.
        """
        with self._database.connection() as connection:
            cursor = connection.execute(_SQL["confirm_deliveries"], {"now": self._now(), "ids": list(ids)})
            return max(0, cursor.rowcount)

    def sink_states(self) -> list[SinkState]:
        """Return the state of every sink that has or had deliveries."""
        with self._database.connection() as connection, connection.cursor(row_factory=class_row(SinkState)) as cursor:
            return cursor.execute(_SQL["sink_states"]).fetchall()


def _add_one(
    connection: Connection,
    request: DeliveryRequest,
    now: datetime,
    include_suppressed: bool,
    tombstones: Tombstones,
) -> int:
    if request.target:
        leave_other_records(connection, request.route, request.call_id, request.target, now)
    cursor = connection.execute(
        _SQL["add_delivery"],
        {
            "route": request.route,
            "sink": request.sink,
            "kind": request.kind,
            "call_id": request.call_id,
            "version": request.version,
            "target": request.target,
            "message_id": request.message_id,
            "call_started_at": request.call_started_at,
            "scored_at": request.scored_at,
            "payload": Jsonb(tombstones.masked(request.payload)),
            "is_suppressed": request.suppressed_because is not None,
            "suppressed_because": request.suppressed_because,
            "include_suppressed": include_suppressed,
            "now": now,
        },
    )
    return max(0, cursor.rowcount)


def _remove_unlinked(connection: Connection, route_calls: Sequence[tuple[str, str]]) -> None:
    routes, call_ids = _columns(route_calls)
    connection.execute(_SQL["remove_unlinked_calls"], {"routes": routes, "call_ids": call_ids})


def _columns(route_calls: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [route for route, _ in route_calls], [call_id for _, call_id in route_calls]
