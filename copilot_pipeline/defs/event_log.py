"""Dagster's event log, with the planned materializations of a run in one statement."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from dagster_postgres import PostgresEventLogStorage

_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED


class EventLog(PostgresEventLogStorage):
    """Stores the events of a batch as Dagster does, with fewer transactions.

    A run of 14 days of ten tables begins with 140 planned materializations. Dagster inserts each in a transaction,
    and updates its asset in another; only materializations that have happened are inserted together.
    """

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events that have no order among them: planned ones together, then the others."""
        planned = [event for event in events if event.dagster_event_type is _PLANNED]
        others = [event for event in events if event.dagster_event_type is not _PLANNED]
        if planned:
            self._store_planned(planned)
        if others:
            super().store_event_batch(others)

    def _store_planned(self, events: Sequence[dg.EventLogEntry]) -> None:
        insert = self.prepare_insert_event_batch(events)
        with self.run_connection() as connection:
            ids = [int(row[0]) for row in connection.execute(insert.returning(insert.table.c.id))]
        self.store_asset_event_tags(events, ids)
        newest = {
            event.get_dagster_event().asset_key: (event, event_id) for event, event_id in zip(events, ids, strict=True)
        }
        for event, event_id in newest.values():
            self.store_asset_event(event, event_id)
