"""Incidents: what a person was told of, kept so that it is said once, again a day later, and once when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from copilot_pipeline.delivery.outbox import Clock, NewDelivery, Outbox, utc_now
from copilot_pipeline.postgres import Database

ROUTE = " incidents"  # the outbox's name for these messages; a rule's name cannot begin with a blank


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident that lasts."""

    name: str
    opened_at: datetime
    last_told_at: datetime
    times_told: int
    what: str
    what_to_do: str


# Makes the message of an incident: (sink's kind, incident, stage) -> payload.
Stage = Literal["open", "again", "over"]
Wording = Callable[[str, OpenIncident, Stage], dict[str, object]]


class IncidentStore:
    """All incidents. The message goes into the outbox in the transaction that notes it: said once, never lost."""

    def __init__(
        self, database: Database, sinks: Sequence[tuple[str, str]], wording: Wording, *, now: Clock = utc_now
    ) -> None:
        self._database = database
        self._outbox = Outbox(database, now=now)
        self._sinks = sinks  # (name, kind)
        self._wording = wording
        self._now = now

    def tell(self, name: str, what: str, what_to_do: str, *, repeat_after: timedelta) -> bool:
        """Opens the incident or says it again when it is time; does nothing otherwise. True where something is said."""
        now = self._now()
        with self._database.transaction() as connection:
            row = connection.execute(
                """INSERT INTO copilot_ops.incidents AS known
                  (name, opened_at, last_told_at, times_told, what, what_to_do)
                VALUES (%(n)s, %(now)s, %(now)s, 1, %(w)s, %(d)s)
                ON CONFLICT (name) WHERE closed_at IS NULL DO UPDATE SET last_told_at = excluded.last_told_at,
                  times_told = known.times_told + 1, what = excluded.what, what_to_do = excluded.what_to_do
                WHERE known.last_told_at <= %(before)s
                RETURNING opened_at, last_told_at, times_told""",
                {"n": name, "now": now, "w": what, "d": what_to_do, "before": now - repeat_after},
            ).fetchone()
            if row is None:  # told already: whoever looks sees how it is now
                connection.execute(
                    "UPDATE copilot_ops.incidents SET what = %s, what_to_do = %s WHERE name = %s AND closed_at IS NULL",
                    (what, what_to_do, name),
                )
                return False
            incident = OpenIncident(name, row[0], row[1], int(row[2]), what, what_to_do)
            stage: Stage = "open" if incident.times_told == 1 else "again"
            self._outbox.put_within(connection, self._messages(incident, stage, now))
        return True

    def over(self, name: str) -> bool:
        """Closes the incident, if it is open, and says so. True where it was."""
        now = self._now()
        with self._database.transaction() as connection:
            row = connection.execute(
                """UPDATE copilot_ops.incidents SET closed_at = %s WHERE name = %s AND closed_at IS NULL
                RETURNING opened_at, last_told_at, times_told, what, what_to_do""",
                (now, name),
            ).fetchone()
            if row is None:
                return False
            incident = OpenIncident(name, row[0], row[1], int(row[2]), row[3], row[4])
            self._outbox.put_within(connection, self._messages(incident, "over", now))
        return True

    def open_incidents(self, prefix: str = "") -> list[OpenIncident]:
        """What lasts, oldest first."""
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT name, opened_at, last_told_at, times_told, what, what_to_do FROM copilot_ops.incidents
                WHERE closed_at IS NULL AND starts_with(name, %s) ORDER BY opened_at, name""",
                (prefix,),
            ).fetchall()
        return [OpenIncident(*row) for row in rows]

    def note_backlog(self, name: str, waiting: int, *, attempts: int) -> list[int]:
        """Notes how much waits, once an hour; returns the latest counts, oldest first."""
        now = self._now()
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO copilot_ops.backlog_samples SELECT %(name)s, %(now)s, %(waiting)s WHERE NOT EXISTS (
                  SELECT 1 FROM copilot_ops.backlog_samples WHERE name = %(name)s AND sampled_at > %(hour_ago)s)
                ON CONFLICT DO NOTHING""",
                {"name": name, "now": now, "waiting": waiting, "hour_ago": now - timedelta(hours=1)},
            )
            connection.execute(
                "DELETE FROM copilot_ops.backlog_samples WHERE name = %s AND sampled_at < %s",
                (name, now - timedelta(days=7)),
            )
            rows = connection.execute(
                "SELECT items FROM copilot_ops.backlog_samples WHERE name = %s ORDER BY sampled_at DESC LIMIT %s",
                (name, attempts),
            ).fetchall()
        return [int(row[0]) for row in reversed(rows)]

    def _messages(self, incident: OpenIncident, stage: Stage, now: datetime) -> list[NewDelivery]:
        version = f"{incident.opened_at.isoformat()} {stage} {incident.times_told}"
        return [
            NewDelivery(
                ROUTE, sink, kind, f"{incident.name} → {sink}", version, "", now, now,
                self._wording(kind, incident, stage),
            )
            for sink, kind in self._sinks
        ]  # fmt: skip
