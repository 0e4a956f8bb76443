"""The ledger of days: which bodies lie in whose raw file, and whose tables are older than it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from copilot_pipeline.clients.clari.models import Readiness
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state.bodies import pack, unpack


@dataclass(frozen=True, slots=True)
class PartitionCall:
    """What storing a day needs to know of a call."""

    call_id: str
    status_raw: str | None
    readiness: Readiness
    listed_at: datetime
    fetched_at: datetime | None
    removed_at: datetime | None
    stored_date: date | None
    quarantine_reason: str | None


@dataclass(frozen=True, slots=True)
class UnstoredBody:
    """A body in the ledger, not yet stored in the raw layer."""

    call_id: str
    part: str
    received_at: datetime
    body: bytes


UnstoredKey = tuple[str, str, datetime]  # call id, part, received at
# The first key of the two-part lock on a day's files: this pipeline's, and nobody else's locks.
_DAY_SPACE = 720_312


class PartitionStore:
    """Raw days and their tables. Every method is one transaction, unless it is given the connection of another one."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def needs_storing(self, day: date) -> bool:
        """Whether the raw file of a day is not what the ledger says."""
        with self.database.connection() as connection:
            row = connection.execute(
                """SELECT EXISTS (SELECT 1 FROM copilot_ops.calls WHERE call_date = %(day)s AND is_dirty)
                    OR EXISTS (SELECT 1 FROM copilot_ops.calls
                      WHERE stored_date = %(day)s AND stored_date IS DISTINCT FROM call_date)
                    OR NOT EXISTS (
                      SELECT 1 FROM copilot_ops.partitions WHERE call_date = %(day)s AND stored_at IS NOT NULL)""",
                {"day": day},
            ).fetchone()
        return bool(row and row[0])

    def moved_calls(self, day: date) -> dict[date, list[str]]:
        """Calls that moved to this day or away from it, by the day in whose raw file their bodies still lie."""
        with self.database.connection() as connection:
            rows = connection.execute(
                """SELECT stored_date, array_agg(call_id) FROM copilot_ops.calls
                WHERE stored_date IS NOT NULL AND stored_date IS DISTINCT FROM call_date
                  AND (stored_date = %(day)s OR call_date = %(day)s)
                GROUP BY stored_date""",
                {"day": day},
            ).fetchall()
        return {row[0]: list(row[1]) for row in rows}

    def left_out(self, day: date, call_ids: Sequence[str]) -> list[str]:
        """Calls that moved away and whose bodies lie in the raw file of the day, but for these."""
        with self.database.connection() as connection:
            rows = connection.execute(
                """SELECT call_id FROM copilot_ops.calls
                WHERE stored_date = %s AND stored_date IS DISTINCT FROM call_date AND NOT call_id = ANY(%s)""",
                (day, list(call_ids)),
            ).fetchall()
        return [row[0] for row in rows]

    def return_bodies(self, day: date, bodies: Sequence[UnstoredBody], call_ids: Sequence[str]) -> None:
        """Bodies of calls that moved away from a stored day return to the ledger, and that day becomes stale, as one.

        From here on the new day and the old one can be stored in any order, and a death between them loses nothing. A
        call that does not lie in this day any more is left alone: what the day's file held of it is old.
        """
        with self.database.transaction() as connection:
            lock_calls(connection, call_ids)
            rows = connection.execute(
                """UPDATE copilot_ops.calls SET stored_date = NULL, is_dirty = true
                WHERE call_id = ANY(%s) AND stored_date = %s RETURNING call_id""",
                (list(call_ids), day),
            ).fetchall()
            leaving = {str(row[0]) for row in rows}
            for held in bodies:
                if held.call_id in leaving:
                    connection.execute(
                        """INSERT INTO copilot_ops.bodies (call_id, part, received_at, body) VALUES (%s, %s, %s, %s)
                        ON CONFLICT (call_id, part) DO NOTHING""",
                        (held.call_id, held.part, held.received_at, pack(held.body)),
                    )
            if leaving:
                connection.execute(
                    """INSERT INTO copilot_ops.partitions (call_date, stored_at, is_stale) VALUES (%s, NULL, true)
                    ON CONFLICT (call_date) DO UPDATE SET stored_at = NULL, is_stale = true""",
                    (day,),
                )

    def calls_of(self, day: date) -> list[PartitionCall]:
        """The calls of a day, by id."""
        with self.database.connection() as connection:
            rows = connection.execute(
                """SELECT call_id, status_raw, readiness, listed_at, fetched_at, removed_at, stored_date,
                  quarantine_reason
                FROM copilot_ops.calls WHERE call_date = %s ORDER BY call_id COLLATE "C" """,
                (day,),
            ).fetchall()
        return [PartitionCall(row[0], row[1], Readiness(row[2]), *row[3:]) for row in rows]

    def unstored_bodies(self, call_ids: Sequence[str]) -> Iterator[UnstoredBody]:
        """Bodies received and not yet stored."""
        with self.database.connection() as connection:
            rows = connection.execute(
                "SELECT call_id, part, received_at, body FROM copilot_ops.bodies WHERE call_id = ANY(%s)",
                (list(call_ids),),
            ).fetchall()
        for call_id, part, received_at, body in rows:
            yield UnstoredBody(call_id, part, received_at, unpack(body))

    def begin_storing(self, day: date) -> None:
        """The raw file of the day is about to be replaced: until `mark_stored`, nobody knows what it holds.

        A death in between leaves a day that is written again, even if all its calls move away before that.
        """
        with self.database.connection() as connection:
            connection.execute("UPDATE copilot_ops.partitions SET stored_at = NULL WHERE call_date = %s", (day,))

    def mark_stored(
        self, day: date, calls: Sequence[PartitionCall], held: Sequence[UnstoredKey], as_of: datetime
    ) -> None:
        """The raw file of the day holds these calls and these bodies: exactly those bodies may leave the ledger.

        A call that changed while the file was written stays dirty, and the body that arrived meanwhile stays. One that
        moved away meanwhile keeps all its bodies in the ledger, and the day is stale: its file shows the call still.
        """
        with self.database.transaction() as connection:
            lock_calls(connection, [call.call_id for call in calls])
            rows = connection.execute(
                "SELECT call_id FROM copilot_ops.calls WHERE call_id = ANY(%s) AND call_date <> %s",
                ([call.call_id for call in calls], day),
            ).fetchall()
            moved = {row[0] for row in rows}
            held = [one for one in held if one[0] not in moved]
            connection.execute(
                """DELETE FROM copilot_ops.bodies WHERE (call_id, part, received_at) IN
                  (SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[]))""",
                ([one[0] for one in held], [one[1] for one in held], [one[2] for one in held]),
            )
            connection.execute(
                """UPDATE copilot_ops.calls AS known SET stored_date = %s, is_dirty =
                    (known.listed_at, known.fetched_at, known.removed_at)
                      IS DISTINCT FROM (stored.listed_at, stored.fetched_at, stored.removed_at)
                FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
                  AS stored (call_id, listed_at, fetched_at, removed_at)
                WHERE known.call_id = stored.call_id AND known.call_date = %s""",
                (
                    day,
                    [call.call_id for call in calls],
                    [call.listed_at for call in calls],
                    [call.fetched_at for call in calls],
                    [call.removed_at for call in calls],
                    day,
                ),
            )
            connection.execute(
                """INSERT INTO copilot_ops.partitions (call_date, stored_at, calls) VALUES (%s, %s, %s)
                ON CONFLICT (call_date) DO UPDATE SET stored_at = excluded.stored_at, calls = excluded.calls""",
                (day, None if moved else as_of, len(calls)),
            )

    @contextmanager
    def lock(self, day: date, *, wait: bool = True) -> Iterator[bool]:
        """Nobody else, in any process, stores this day or makes tables of it meanwhile.

        Two that did would each publish what they read, and the older of it might come last. Yields whether it is so:
        without `wait`, false where somebody else is at it.
        """
        lock = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
        with self.database.transaction() as connection:
            row = connection.execute(f"SELECT {lock}(%s, %s)", (_DAY_SPACE, day.toordinal())).fetchone()
            yield wait or bool(row and row[0])

    # --- tables ------------------------------------------------------------------------------------------------

    def stale_days(self) -> list[date]:
        """Days whose tables still show a call that moved away."""
        with self.database.connection() as connection:
            rows = connection.execute(
                "SELECT call_date FROM copilot_ops.partitions WHERE is_stale ORDER BY call_date DESC"
            ).fetchall()
        return [row[0] for row in rows]

    def days_with_outdated_scores(self) -> list[date]:
        """Days whose call tables were made anew after their score tables; newest first."""
        with self.database.connection() as connection:
            rows = connection.execute(
                "SELECT call_date FROM copilot_ops.partitions WHERE scored_at < loaded_at ORDER BY call_date DESC"
            ).fetchall()
        return [row[0] for row in rows]

    def mark_loaded(self, connection: Connection, day: date) -> None:
        """The tables of the day are made anew; part of the transaction that loads them."""
        connection.execute(
            "UPDATE copilot_ops.partitions SET is_stale = false, loaded_at = clock_timestamp() WHERE call_date = %s",
            (day,),
        )

    def mark_scored(self, connection: Connection, day: date) -> None:
        """The score tables of the day are made anew; part of the transaction that loads them."""
        connection.execute(
            """INSERT INTO copilot_ops.partitions (call_date, scored_at) VALUES (%s, clock_timestamp())
            ON CONFLICT (call_date) DO UPDATE SET scored_at = excluded.scored_at""",
            (day,),
        )


def lock_calls(connection: Connection, call_ids: Sequence[str]) -> None:
    """Locks calls in the order of their ids, as every writer of several does: two can never wait for each other."""
    connection.execute(
        "SELECT 1 FROM copilot_ops.calls WHERE call_id = ANY(%s) ORDER BY call_id FOR UPDATE", (list(call_ids),)
    )
