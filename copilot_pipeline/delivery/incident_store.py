"""Store incidents and queue their notifications.

One when an incident opens, one per day, and one when it is resolved.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from psycopg.rows import class_row, dict_row

from copilot_pipeline.delivery.clock import Clock, DatabaseClock
from copilot_pipeline.delivery.incidents import Failure, Incident, Stage, incident_payload
from copilot_pipeline.delivery.model import DeliveryRequest
from copilot_pipeline.delivery.outbox import Outbox
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries

ROUTE = " incidents"  # the route of notifications in the outbox; a route of pipeline.yaml cannot begin with a blank
SAMPLE_EVERY = timedelta(hours=1)
KEEP_SAMPLES = timedelta(days=7)

_SQL = load_queries("copilot_pipeline.delivery.sql", "incidents.sql")


class IncidentStore:
    """All incidents.

    A notification is queued in the transaction that records it: sent once, and never lost.
    """

    def __init__(
        self, database: Database, sinks: Sequence[tuple[str, str]], *, now: Clock | None = None, zone: tzinfo = UTC
    ) -> None:
        """`sinks`: (name, kind) of the sinks that notifications are sent to, with times of `zone`."""
        self._database = database
        self._now = now or DatabaseClock(database)
        self._outbox = Outbox(database, now=self._now)
        self._sinks = sinks
        self._zone = zone

    def open(self, failure: Failure, *, repeat_after: timedelta) -> bool:
        """Open the incident, or repeat its notification when it is due.

        Returns whether a notification was queued.
        """
        now = self._now()
        parameters = {
            "name": failure.name,
            "now": now,
            "description": failure.description,
            "next_step": failure.next_step,
            "repeat_before": now - repeat_after,
        }
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(Incident)) as cursor:
            incident = cursor.execute(_SQL["open_or_repeat"], parameters).fetchone()
            if incident is None:  # no notification is due; the list of open incidents shows the newest text
                connection.execute(_SQL["update_text"], parameters)
                return False
            stage: Stage = "opened" if incident.notifications == 1 else "repeated"
            self._outbox.add_in_transaction(connection, self._notifications(incident, stage, now))
        return True

    def resolve(self, name: str) -> bool:
        """Resolve the incident if it is open, and queue a notification.

        Returns whether it was open.
        """
        now = self._now()
        with self._database.transaction() as connection, connection.cursor(row_factory=class_row(Incident)) as cursor:
            incident = cursor.execute(_SQL["resolve"], {"name": name, "now": now}).fetchone()
            if incident is None:
                return False
            self._outbox.add_in_transaction(connection, self._notifications(incident, "resolved", now))
        return True

    def open_incidents(self, prefix: str = "") -> list[Incident]:
        """List open incidents whose name begins with a prefix, oldest first."""
        with self._database.connection() as connection, connection.cursor(row_factory=class_row(Incident)) as cursor:
            return cursor.execute(_SQL["open_incidents"], {"prefix": prefix}).fetchall()

    def sample_backlog(self, name: str, items: int, *, limit: int) -> list[int]:
        """Record the size of a backlog, at most once an hour.

        Returns the latest sizes, oldest first.
        """
        now = self._now()
        with self._database.transaction() as connection:
            connection.execute(
                _SQL["add_sample"], {"name": name, "now": now, "items": items, "hour_ago": now - SAMPLE_EVERY}
            )
            connection.execute(_SQL["remove_old_samples"], {"name": name, "before": now - KEEP_SAMPLES})
            with connection.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(_SQL["newest_samples"], {"name": name, "limit": limit}).fetchall()
        return [int(row["items"]) for row in reversed(rows)]

    def count_calls_to_fetch(self) -> int:
        """Count listed calls whose details are not stored at their listed version."""
        with self._database.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(_SQL["count_calls_to_fetch"]).fetchone()
        return int(row["calls"]) if row else 0

    def _notifications(self, incident: Incident, stage: Stage, now: datetime) -> list[DeliveryRequest]:
        return [
            DeliveryRequest(
                route=ROUTE,
                sink=sink,
                kind=kind,
                call_id=f"{incident.name} → {sink}",
                version=f"{incident.opened_at.isoformat()} {stage} {incident.notifications}",
                target="",
                call_started_at=now,
                scored_at=now,
                payload=incident_payload(kind, incident, stage, self._zone),
            )
            for sink, kind in self._sinks
        ]
