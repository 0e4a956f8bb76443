"""Arrivals: calls on their way from a source to their scores.

A row stands from the transaction that brings a call in until its scores are in the tables. A run that is killed
anywhere in between leaves its rows to the next one, which takes them up where they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection

# What a run has just tried and not brought to an end is left alone for so long: its trouble may need a person.
TRY_AGAIN_MINUTES = 5
MINUTES_OF_PATIENCE = 20
DAYS_OF_PATIENCE = 1  # a run that Semarize has not ended by then is collected when its day is scored on purpose
TABLES_ONLY = ""  # in place of a call's id


class PendingCalls:
    """All calls on their way. Every method is one transaction, unless it is given the connection of another one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, calls: Mapping[str, date], *, connection: Connection | None = None) -> None:
        """These calls are on their way; those that were already stay as they are."""
        statement = """INSERT INTO copilot_ops.pending_calls (call_date, call_id)
        SELECT * FROM unnest(%s::date[], %s::text[]) AS new (call_date, call_id) ORDER BY 1, 2 ON CONFLICT DO NOTHING"""
        values = (list(calls.values()), list(calls))
        if connection is not None:
            connection.execute(statement, values)
        elif calls:
            with self._database.connection() as own:
                own.execute(statement, values)

    def add_partitions(self, days: Collection[date]) -> None:
        """The tables of these days are to be made anew, whichever calls they hold."""
        for day in days:
            self.add({TABLES_ONLY: day})

    def claim(self) -> dict[date, set[str]]:
        """Everything on its way, by day."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "UPDATE copilot_ops.pending_calls SET claimed_at = clock_timestamp() RETURNING call_date, call_id"
            ).fetchall()
        return _by_day(rows)

    def unfinished_days(self) -> list[date]:
        """Days of what a run that died, or failed, did not bring to its end; newest first."""
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT DISTINCT call_date FROM copilot_ops.pending_calls
                WHERE claimed_at < now() - make_interval(mins => %s) ORDER BY 1 DESC""",
                (TRY_AGAIN_MINUTES,),
            ).fetchall()
        return [row[0] for row in rows]

    def complete(self, day: date, call_ids: Collection[str]) -> None:
        """These calls are through, and so are the tables of their day."""
        with self._database.connection() as connection:
            connection.execute(
                "DELETE FROM copilot_ops.pending_calls WHERE call_date = %s AND call_id = ANY(%s)",
                (day, [TABLES_ONLY, *call_ids]),
            )

    def with_open_runs(self, kits: Mapping[str, str]) -> dict[date, set[str]]:
        """Calls with a Semarize run that whoever asked for it gave up on, by day: paid for and not collected.

        `kits` are the references by our names; a run of another kit, or of a transcript that has changed since, is
        nobody's any more. A little patience leaves alone what some run is doing right now.
        """
        with self._database.connection() as connection:
            rows = connection.execute(
                """SELECT runs.call_date, runs.call_id FROM copilot_ops.semarize_runs AS runs
                JOIN unnest(%s::text[], %s::text[]) AS kits (kit, kit_reference) USING (kit, kit_reference)
                JOIN copilot.transcripts USING (call_id, transcript_hash)
                WHERE status IN ('wanted', 'queued', 'running', 'unknown')
                  AND coalesce(next_attempt_at, requested_at + make_interval(mins => %s)) < now()
                  AND requested_at > now() - make_interval(days => %s)""",
                (list(kits), list(kits.values()), MINUTES_OF_PATIENCE, DAYS_OF_PATIENCE),
            ).fetchall()
        return _by_day(rows)


def _by_day(rows: Collection[tuple[date, str]]) -> dict[date, set[str]]:
    found: defaultdict[date, set[str]] = defaultdict(set)
    for day, call_id in rows:
        found[day].add(call_id)
    return dict(found)
