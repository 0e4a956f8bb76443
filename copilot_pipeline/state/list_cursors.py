"""The ledger of listings: how far each has come, and since when a day is listed.

Whatever dies, the next process goes on at the page that comes next: a position belongs to what was ordered, however
long ago that was, and a day that was listed since the order is not listed for it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from copilot_pipeline.clients.clari.models import ListedCall
from copilot_pipeline.state.calls import CallStore

# A command that was killed goes on with its own listing for so long; later, the same command is a new order.
ORDER_LASTS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CursorKey:
    """A window that is listed through a source."""

    source: str
    basis: str
    after: datetime
    before: datetime


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a listing has come."""

    began_at: datetime
    skip: int
    matched: int | None
    is_split: bool
    is_complete: bool


_KEY = "source = %(source)s AND basis = %(basis)s AND after = %(after)s AND before = %(before)s"


class ListCursors:
    """Listings under way, and days that were listed. Every method is one transaction."""

    def __init__(self, calls: CallStore) -> None:
        self._database = calls.database
        self._calls = calls

    def resume(self, listing: CursorKey, since: datetime) -> Cursor:
        """Where a listing that began since then goes on. An older one begins anew, as one that never began does."""
        with self._database.transaction() as connection:
            connection.execute(
                f"DELETE FROM copilot_ops.list_cursors WHERE {_KEY} AND began_at < %(since)s",
                {**_values(listing), "since": since},
            )
            connection.execute(
                """INSERT INTO copilot_ops.list_cursors (source, basis, after, before, skip, began_at)
                VALUES (%(source)s, %(basis)s, %(after)s, %(before)s, 0, clock_timestamp())
                ON CONFLICT (source, basis, after, before) DO NOTHING""",
                _values(listing),
            )
            row = connection.execute(
                f"SELECT began_at, skip, matched, is_split, is_complete FROM copilot_ops.list_cursors WHERE {_KEY}",
                _values(listing),
            ).fetchone()
        if row is None:
            raise RuntimeError("a row that was just written is not there")
        return Cursor(*row)

    def record_page(
        self,
        listing: CursorKey,
        calls: Sequence[ListedCall],
        *,
        next_skip: int | None,
        matched: int | None = None,
        unreadable: Sequence[str] = (),
    ) -> None:
        """A page, and the position after it, as one. `next_skip` None: the window is complete.

        `unreadable` calls were shown as well, so they are not gone.
        """
        with self._database.transaction() as connection:
            self._calls.record(connection, list({call.call_id: call for call in calls}.values()), listing.source)
            connection.execute(
                "UPDATE copilot_ops.calls SET seen_at = statement_timestamp() WHERE call_id = ANY(%s)",
                (sorted(unreadable),),
            )
            connection.execute(
                f"""UPDATE copilot_ops.list_cursors
                SET skip = %(skip)s, matched = %(matched)s, is_complete = %(complete)s
                WHERE {_KEY}""",
                {**_values(listing), "skip": next_skip or 0, "matched": matched, "complete": next_skip is None},
            )

    def mark_split(self, listing: CursorKey) -> None:
        """The window is too large: from here on it is listed in halves."""
        with self._database.connection() as connection:
            connection.execute(f"UPDATE copilot_ops.list_cursors SET is_split = true WHERE {_KEY}", _values(listing))

    def finish(self, listing: CursorKey, days: Sequence[date], began_at: datetime) -> int:
        """All of the window has been shown: calls of these days that were not are gone. Returns how many are new.

        The end of the listing, what it says of the days and what it says of the calls are one.
        """
        with self._database.transaction() as connection:
            gone = connection.execute(
                """UPDATE copilot_ops.calls SET removed_at = clock_timestamp(), is_dirty = true
                WHERE call_id IN (
                  SELECT call_id FROM copilot_ops.calls
                  WHERE call_date = ANY(%s) AND seen_at < %s AND removed_at IS NULL ORDER BY call_id FOR UPDATE)""",
                (list(days), began_at),
            ).rowcount
            connection.execute(
                """INSERT INTO copilot_ops.partitions (call_date, listed_at) SELECT unnest(%s::date[]), %s ORDER BY 1
                ON CONFLICT (call_date) DO UPDATE SET listed_at = greatest(partitions.listed_at, excluded.listed_at)""",
                (list(days), began_at),
            )
            connection.execute(
                """DELETE FROM copilot_ops.list_cursors
                WHERE source = %(source)s AND basis = %(basis)s AND after >= %(after)s AND before <= %(before)s""",
                _values(listing),
            )
        return gone

    def days_listed(self, days: Sequence[date], since: datetime) -> set[date]:
        """Those of the days whose last complete listing, through whichever source, began since then."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT call_date FROM copilot_ops.partitions WHERE call_date = ANY(%s) AND listed_at >= %s",
                (list(days), since),
            ).fetchall()
        return {row[0] for row in rows}

    def start_command(self, order: str) -> datetime:
        """When a command was first given that has not come to its end since: it may have been killed and repeated."""
        now = self._calls.now()
        with self._database.connection() as connection:
            row = connection.execute(
                """INSERT INTO copilot_ops.notes AS known (name, value) VALUES (%s, %s)
                ON CONFLICT (name) DO UPDATE SET
                  value = CASE WHEN known.value::timestamptz < %s THEN excluded.value ELSE known.value END
                RETURNING value::timestamptz""",
                (f"order {order}", now.isoformat(), now - ORDER_LASTS),
            ).fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment

    def finish_command(self, order: str) -> None:
        """The command has come to its end: given again, it is a new order."""
        with self._database.connection() as connection:
            connection.execute("DELETE FROM copilot_ops.notes WHERE name = %s", (f"order {order}",))


def _values(listing: CursorKey) -> dict[str, object]:
    return {"source": listing.source, "basis": listing.basis, "after": listing.after, "before": listing.before}
