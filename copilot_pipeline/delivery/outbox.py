"""The outbox: a delivery is a row before it is a request, and each goes out once.

Here rows are written and read; `ledger.sending` takes them out, sends nothing itself, and writes down what became of
them. Every method is one transaction, and its commit waits for the disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from psycopg.types.json import Jsonb

from copilot_pipeline.delivery.crm_merge import leave_other_records
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection

STATES = ("waiting", "sending", "uncertain", "refused", "delivered", "superseded", "silenced", "cancelled")
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A row to be. `silenced_because` keeps it from ever being sent, and keeps it known."""

    route: str
    sink: str
    kind: str
    call_id: str
    version: str
    target: str
    call_started_at: datetime
    scored_at: datetime
    payload: Mapping[str, Any]
    silenced_because: str | None = None

    @property
    def message_id(self) -> str:
        """The same for the same delivery, on every machine."""
        identity = "\x1f".join((self.route, self.call_id, self.version, self.target))
        return "msg_" + hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class UnlinkedCall:
    """A call without a record to write to, and why."""

    route: str
    call_id: str
    reason: str
    crm_system: str | None
    deal_id: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A row as people look at it: without its payload, which quotes what was said."""

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
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class SinkState:
    """How a sink is, and what waits for it."""

    name: str
    waiting: int
    oldest_waiting_at: datetime | None
    uncertain: int
    failures: int
    failing_since: datetime | None
    next_try_at: datetime | None
    trouble: str | None
    last_problem: str | None
    last_success_at: datetime | None


_LISTED = "id, route, sink, call_id, target, state, reason, attempts, created_at, next_attempt_at, settled_at"


class Outbox:
    """All deliveries, of all rules."""

    def __init__(self, database: Database, *, now: Clock = utc_now) -> None:
        self._database = database
        self._now = now

    def first_seen(self, routes: Sequence[str], *, remember: bool) -> dict[str, datetime]:
        """When each rule was first seen; now for one that is new, which `remember` writes down."""
        now = self._now()
        with self._database.transaction() as connection:
            if remember:
                connection.execute(
                    """INSERT INTO copilot_ops.routes SELECT name, %s FROM unnest(%s::text[]) AS name
                    ON CONFLICT DO NOTHING""",
                    (now, sorted(routes)),
                )
            rows = connection.execute(
                "SELECT name, first_seen_at FROM copilot_ops.routes WHERE name = ANY(%s)", (list(routes),)
            ).fetchall()
        return {**dict.fromkeys(routes, now), **dict(rows)}

    def put(self, wanted: Sequence[NewDelivery], unlinked: Sequence[UnlinkedCall], *, is_loud: bool = False) -> int:
        """Adds what is not there yet and notes the calls without a record, as one. Returns the rows added.

        A call that has moved to this record leaves the one it was linked to (and what was cancelled waits again when
        it moves back). With `is_loud`, silenced rows are sent after all.
        """
        now = self._now()
        with self._database.transaction() as connection:
            added = sum(self._put_one(connection, one, now, is_loud) for one in wanted)
            _forget(connection, [(one.route, one.call_id) for one in wanted])
            for call in unlinked:
                leave_other_records(connection, call.route, call.call_id, "", now)
                connection.execute(
                    """INSERT INTO copilot_ops.unlinked_calls AS known
                      (route, call_id, reason, crm_system, deal_id, noticed_at) VALUES (%s, %s, %s, %s, %s, %s)
                    ON CONFLICT (route, call_id) DO UPDATE SET reason = excluded.reason,
                      crm_system = excluded.crm_system, deal_id = excluded.deal_id""",
                    (call.route, call.call_id, call.reason, call.crm_system, call.deal_id, now),
                )
        return added

    def put_within(self, connection: Connection, wanted: Sequence[NewDelivery]) -> None:
        """Adds rows as part of the caller's transaction."""
        for one in wanted:
            self._put_one(connection, one, self._now(), is_loud=False)

    def _put_one(self, connection: Connection, one: NewDelivery, now: datetime, is_loud: bool) -> int:
        if one.target:
            leave_other_records(connection, one.route, one.call_id, one.target, now)
        state = "silenced" if one.silenced_because else "waiting"
        cursor = connection.execute(
            """INSERT INTO copilot_ops.outbox AS known (route, sink, kind, call_id, version, target, message_id,
              call_started_at, scored_at, payload, state, reason, created_at, next_attempt_at, settled_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (route, call_id, version, target) DO UPDATE SET state = 'waiting', reason = NULL,
              next_attempt_at = excluded.next_attempt_at, settled_at = NULL
            WHERE excluded.state = 'waiting'
              AND (known.state = 'cancelled' OR (known.state = 'silenced' AND %s))""",
            (
                one.route, one.sink, one.kind, one.call_id, one.version, one.target, one.message_id,
                one.call_started_at, one.scored_at, Jsonb(one.payload), state, one.silenced_because, now, now,
                now if one.silenced_because else None, is_loud,
            ),
        )  # fmt: skip
        return max(0, cursor.rowcount)

    def withdraw(self, route_calls: Sequence[tuple[str, str]]) -> None:
        """These rules no longer want these calls: they speak for no record any more, and need none."""
        now = self._now()
        with self._database.transaction() as connection:
            _forget(connection, route_calls)
            speaking = connection.execute(
                """SELECT DISTINCT route, call_id FROM copilot_ops.outbox
                JOIN unnest(%s::text[], %s::text[]) AS wanted (route, call_id) USING (route, call_id)
                WHERE target <> '' AND state IN ('waiting', 'superseded', 'delivered')""",
                ([one[0] for one in route_calls], [one[1] for one in route_calls]),
            ).fetchall()
            for route, call_id in speaking:
                leave_other_records(connection, route, call_id, "", now, why="its newest scores say nothing of it")

    def relinked_calls(self) -> list[str]:
        """Calls noted without a record whose link to the CRM is another one now."""
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT DISTINCT call_id FROM copilot_ops.unlinked_calls AS noted JOIN copilot.calls USING (call_id)
                WHERE (calls.deal_id, calls.crm_system) IS DISTINCT FROM (noted.deal_id, noted.crm_system)
                ORDER BY 1"""
            ).fetchall()
        return [str(row[0]) for row in rows]

    # --- for people --------------------------------------------------------------------------------------------

    def listed(self, *, states: Sequence[str] = (), route: str | None = None, limit: int = 50) -> list[Listed]:
        """The newest rows in some states (all, where none is named)."""
        with self._database.connection() as connection:
            rows = connection.execute(
                f"""SELECT {_LISTED} FROM copilot_ops.outbox WHERE (state = ANY(%(states)s) OR %(states)s = '{{}}')
                  AND (route = %(route)s OR %(route)s IS NULL) ORDER BY coalesce(settled_at, created_at) DESC, id DESC
                LIMIT %(limit)s""",
                {"states": list(states), "route": route, "limit": limit},
            ).fetchall()
        return [Listed(*row) for row in rows]

    def counts(self) -> dict[tuple[str, str], int]:
        """Rows by (sink, state)."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT sink, state, count(*) FROM copilot_ops.outbox GROUP BY 1, 2 ORDER BY 1, 2"
            ).fetchall()
        return {(row[0], row[1]): int(row[2]) for row in rows}

    def unlinked(self, days: tuple[date, date] | None = None) -> list[tuple[str, str, date | None, str]]:
        """(route, call id, day, reason) of every call that cannot be written back, of some days or of all."""
        first, last = days or (None, None)
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT route, call_id, call_date, reason FROM copilot_ops.unlinked_calls
                LEFT JOIN copilot.calls USING (call_id)
                WHERE %(first)s::date IS NULL OR call_date BETWEEN %(first)s AND %(last)s
                ORDER BY call_date DESC NULLS LAST, call_id, route""",
                {"first": first, "last": last},
            ).fetchall()
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def send_again(self, *, ids: Sequence[int] = (), route: str | None = None) -> int:
        """Refused or uncertain rows wait again: somebody mended it, or looked. Returns how many."""
        with self._database.connection() as connection:
            cursor = connection.execute(
                """UPDATE copilot_ops.outbox SET state = 'waiting', next_attempt_at = %(now)s, settled_at = NULL,
                  attempts = 0 WHERE state IN ('refused', 'uncertain')
                  AND (id = ANY(%(ids)s)
                    OR (%(route)s::text IS NOT NULL AND route = %(route)s AND state = 'refused'))""",
                {"now": self._now(), "ids": list(ids), "route": route},
            )
            return max(0, cursor.rowcount)

    def confirm(self, ids: Sequence[int]) -> int:
        """Somebody has looked: these uncertain ones did arrive. Returns how many there were."""
        with self._database.connection() as connection:
            cursor = connection.execute(
                """UPDATE copilot_ops.outbox SET state = 'delivered', settled_at = %s, reason = 'confirmed by a person'
                WHERE state = 'uncertain' AND id = ANY(%s)""",
                (self._now(), list(ids)),
            )
            return max(0, cursor.rowcount)

    def sink_states(self) -> list[SinkState]:
        """Every sink that has or had something to send."""
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT coalesce(box.sink, sinks.name), coalesce(box.waiting, 0), box.oldest,
                  coalesce(box.uncertain, 0), coalesce(sinks.failures, 0), sinks.failing_since,
                  nullif(sinks.next_try_at, '-infinity'),
                  sinks.trouble, sinks.last_problem, sinks.last_success_at
                FROM (SELECT sink, count(*) FILTER (WHERE state IN ('waiting', 'sending')) AS waiting,
                    min(created_at) FILTER (WHERE state IN ('waiting', 'sending')) AS oldest,
                    count(*) FILTER (WHERE state = 'uncertain') AS uncertain
                  FROM copilot_ops.outbox GROUP BY sink) AS box
                FULL JOIN copilot_ops.sinks ON sinks.name = box.sink ORDER BY 1"""
            ).fetchall()
        return [SinkState(*row) for row in rows]


def _forget(connection: Connection, route_calls: Sequence[tuple[str, str]]) -> None:
    connection.execute(
        """DELETE FROM copilot_ops.unlinked_calls WHERE (route, call_id) IN
          (SELECT * FROM unnest(%s::text[], %s::text[]))""",
        ([one[0] for one in route_calls], [one[1] for one in route_calls]),
    )
