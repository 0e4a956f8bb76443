"""The ledger of calls: what was listed, which version is held, and what is still wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from copilot_pipeline.database import Database
from copilot_pipeline.database.connections import Connection
from copilot_pipeline.ledger.bodies import pack, unpack
from copilot_pipeline.records import ListedCall, Readiness

# A call that was set aside or could not be had is looked at again after this many hours, each time later.
LOOK_AGAIN_HOURS = (1, 6, 24, 72, 168)
TRIES_AT_ONCE = 3  # of a call that the server does not give out though it knows it


@dataclass(frozen=True, slots=True)
class RestingCall:
    """A call that could not be had: what the server said, and when it is asked for again."""

    call_id: str
    call_date: date
    problem: str | None
    next_look_at: datetime


@dataclass(frozen=True, slots=True)
class WantedCall:
    """A call whose details are to be fetched, and the version they will be."""

    call_id: str
    call_date: date
    version: str


@dataclass(frozen=True, slots=True)
class ReceivedDetails:
    """A details body as received, packed, and why it cannot be read (None: it can)."""

    call: WantedCall
    packed: bytes
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerCall:
    """What storing a day needs to know of a call."""

    call_id: str
    status_raw: str | None
    readiness: Readiness
    listed_at: datetime
    fetched_at: datetime | None
    gone_at: datetime | None
    stored_date: date | None
    quarantine_reason: str | None


@dataclass(frozen=True, slots=True)
class HeldBody:
    """A body in the ledger, not yet stored in the raw layer."""

    call_id: str
    part: str
    received_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A call that somebody names, as the ledger knows it."""

    call_id: str
    call_date: date
    started_at: datetime
    readiness: Readiness
    is_held: bool  # the details of the version that was listed last
    is_tabulated: bool
    runs_ended: int


HeldId = tuple[str, str, datetime]  # call id, part, received at
# The first key of the two-part lock on a day's files: this pipeline's, and nobody else's locks.
_DAY_SPACE = 720_312
# A call whose listed version is not held. Those set aside wait for their time.
_IS_WANTED = """readiness = 'ready' AND held_version IS DISTINCT FROM version AND gone_at IS NULL
  AND (next_look_at IS NULL OR next_look_at <= now())"""


class CallLedger:
    """All that is known of calls. Every method is one transaction."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self.database = database
        self.zone = zone

    def day_of(self, moment: datetime) -> date:
        """The partition a call's time falls in."""
        return moment.astimezone(self.zone).date()

    # --- listing -----------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The database's clock: the only one all processes share."""
        with self.database.connection() as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        moment: datetime = row[0]
        return moment

    def record(self, connection: Connection, calls: Sequence[ListedCall], door: str) -> None:
        """What a page shows or a call's own answer, each call once, as part of a transaction.

        An item is kept only where it is new or differs from the one before.
        """
        if not calls:
            return
        connection.execute(
            """WITH listed AS (
              SELECT * FROM unnest(%s::text[], %s::date[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[],
                %s::text[], %s::text[], %b::bytea[], %s::boolean[]
              ) AS page (call_id, call_date, started_at, modified_at, status_raw, readiness, version, content_hash,
                body, has_details)
            ), recorded AS (
              INSERT INTO copilot_ops.calls AS known
                (call_id, call_date, started_at, modified_at, status_raw, readiness, version, content_hash,
                 listed_at, seen_at, held_version, fetched_at, next_look_at, door)
              SELECT call_id, call_date, started_at, modified_at, status_raw, readiness, version, content_hash,
                statement_timestamp(), statement_timestamp(),
                CASE WHEN has_details THEN version END, CASE WHEN has_details THEN statement_timestamp() END,
                CASE WHEN readiness IN ('pending', 'unknown') THEN now() + make_interval(hours => %s) END, %s
              FROM listed ORDER BY call_id
              ON CONFLICT (call_id) DO UPDATE SET
                call_date = excluded.call_date, started_at = excluded.started_at, modified_at = excluded.modified_at,
                status_raw = excluded.status_raw, readiness = excluded.readiness,
                looks = CASE WHEN known.version = excluded.version THEN known.looks ELSE 0 END,
                next_look_at = CASE WHEN known.version = excluded.version THEN known.next_look_at
                                    ELSE excluded.next_look_at END,
                door = CASE WHEN known.version = excluded.version AND known.content_hash = excluded.content_hash
                            THEN known.door ELSE excluded.door END,
                listed_at = CASE WHEN known.content_hash = excluded.content_hash THEN known.listed_at
                                 ELSE excluded.listed_at END,
                is_dirty = known.is_dirty OR known.content_hash <> excluded.content_hash
                           OR known.gone_at IS NOT NULL OR known.call_date <> excluded.call_date,
                version = excluded.version, content_hash = excluded.content_hash,
                held_version = coalesce(excluded.held_version, known.held_version),
                fetched_at = CASE WHEN known.content_hash = excluded.content_hash THEN known.fetched_at
                                  ELSE coalesce(excluded.fetched_at, known.fetched_at) END,
                seen_at = excluded.seen_at, gone_at = NULL
              RETURNING call_id, listed_at = seen_at AS is_changed
            )
            INSERT INTO copilot_ops.bodies AS kept (call_id, part, received_at, body)
            SELECT call_id, 'listed', statement_timestamp(), body FROM listed JOIN recorded USING (call_id)
            WHERE is_changed
            ON CONFLICT (call_id, part) DO UPDATE SET received_at = excluded.received_at, body = excluded.body""",
            (
                [call.call_id for call in calls],
                [self.day_of(call.started_at) for call in calls],
                [call.started_at for call in calls],
                [call.modified_at for call in calls],
                [call.status_raw for call in calls],
                [call.readiness.value for call in calls],
                [call.version for call in calls],
                [call.content_hash for call in calls],
                [pack(call.body) for call in calls],
                [call.has_details and call.readiness is Readiness.READY for call in calls],
                LOOK_AGAIN_HOURS[0],
                door,
            ),
        )

    # --- fetching ----------------------------------------------------------------------------------------------

    def wanted(self, days: Sequence[date], *, among: Sequence[str] | None = None) -> list[WantedCall]:
        """Ready calls whose listed version is not held, newest day first. Those set aside wait for their time."""
        with self.database.connection() as connection:
            rows = connection.execute(
                f"""SELECT call_id, call_date, version FROM copilot_ops.calls
                WHERE call_date = ANY(%s) AND {_IS_WANTED}
                  AND (%s::text[] IS NULL OR call_id = ANY(%s))
                ORDER BY call_date DESC, call_id""",
                (list(days), among, among),
            ).fetchall()
        return [WantedCall(*row) for row in rows]

    def resting(self, days: Sequence[date]) -> list[RestingCall]:
        """Ready calls of these days that could not be had and are looked at again later; but for those set aside."""
        with self.database.connection() as connection:
            rows = connection.execute(
                """SELECT call_id, call_date, last_problem, next_look_at FROM copilot_ops.calls
                WHERE call_date = ANY(%s) AND readiness = 'ready' AND held_version IS DISTINCT FROM version
                  AND gone_at IS NULL AND next_look_at > now() AND quarantine_reason IS NULL
                ORDER BY call_date DESC, call_id""",
                (list(days),),
            ).fetchall()
        return [RestingCall(*row) for row in rows]

    def keep_details(self, received: Sequence[ReceivedDetails]) -> None:
        """Keeps bodies and marks their versions as held, as one. Those that cannot be read are set aside first.

        What is set aside may be the gateway's doing, so that call is asked for again, later and later.
        """
        unreadable = []
        for details in received:
            if details.problem is not None:
                call = details.call
                self.quarantine(call.call_id, call.call_date, "call-details", details.problem, unpack(details.packed))
                unreadable.append(call.call_id)
        with self.database.transaction() as connection:
            if unreadable:
                _lock(connection, [details.call.call_id for details in received])
            looks = connection.execute(
                "SELECT call_id, looks FROM copilot_ops.calls WHERE call_id = ANY(%s)", (unreadable,)
            ).fetchall()
            self.keep_on(connection, received)
            for call_id, times in looks:
                connection.execute(
                    """UPDATE copilot_ops.calls SET held_version = NULL, looks = %s,
                      next_look_at = now() + make_interval(hours => %s) WHERE call_id = %s""",
                    (times + 1, LOOK_AGAIN_HOURS[min(times, len(LOOK_AGAIN_HOURS) - 1)], call_id),
                )

    def keep_on(self, connection: Connection, received: Sequence[ReceivedDetails]) -> None:
        """Bodies that can be read, as part of a transaction."""
        connection.execute(
            "SELECT copilot_ops.keep_details(%s::text[], %s::text[], %b::bytea[], %s::text[])",
            (
                [details.call.call_id for details in received],
                [details.call.version for details in received],
                [details.packed for details in received],
                [details.problem for details in received],
            ),
        )

    def quarantine(self, call_id: str | None, day: date | None, origin: str, reason: str, body: bytes) -> None:
        """Sets bytes aside with the reason. The same bytes of the same call and place are kept once.

        Of the same call: an empty answer or a page of the gateway is the same for many.
        """
        whose = body if call_id is None else b"\n".join((call_id.encode(), body))
        with self.database.connection() as connection:
            connection.execute(
                """INSERT INTO copilot_ops.quarantine (call_id, call_date, origin, reason, body, body_hash)
                VALUES (%s, %s, %s, %s, %s, %s)
                ON CONFLICT (origin, body_hash) DO UPDATE SET reason = excluded.reason""",
                (call_id, day, origin, reason, body, hashlib.sha256(whose).hexdigest()),
            )

    def note_problem(self, call_id: str, problem: str, *, look_again: bool) -> None:
        """A call that could not be had. With `look_again` it rests, longer each time.

        Without, the next run tries at once, a few times: a call that fails for ever rests as well, and keeps neither a
        backfill from its end nor runs going round in circles.
        """
        tries = 0 if look_again else TRIES_AT_ONCE
        with self.database.connection() as connection:
            connection.execute(
                """UPDATE copilot_ops.calls SET last_problem = %(problem)s, looks = looks + 1,
                  next_look_at = CASE WHEN looks + 1 > %(tries)s THEN now() + make_interval(
                    hours => (%(hours)s::integer[])[least(looks + 1 - %(tries)s, %(most)s)]) END
                WHERE call_id = %(call_id)s""",
                {
                    "problem": problem,
                    "tries": tries,
                    "hours": list(LOOK_AGAIN_HOURS),
                    "most": len(LOOK_AGAIN_HOURS),
                    "call_id": call_id,
                },
            )

    # --- storing -----------------------------------------------------------------------------------------------

    def needs_storing(self, day: date) -> bool:
        """Whether the raw file of a day is not what the ledger says."""
        with self.database.connection() as connection:
            row = connection.execute(
                """SELECT EXISTS (SELECT 1 FROM copilot_ops.calls WHERE call_date = %(day)s AND is_dirty)
                    OR EXISTS (SELECT 1 FROM copilot_ops.calls
                      WHERE stored_date = %(day)s AND stored_date IS DISTINCT FROM call_date)
                    OR NOT EXISTS (
                      SELECT 1 FROM copilot_ops.days WHERE call_date = %(day)s AND stored_at IS NOT NULL)""",
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

    def take_back(self, day: date, bodies: Sequence[HeldBody], call_ids: Sequence[str]) -> None:
        """Bodies of calls that moved away from a stored day return to the ledger, and that day becomes stale, as one.

        From here on the new day and the old one can be stored in any order, and a death between them loses nothing. A
        call that does not lie in this day any more is left alone: what the day's file held of it is old.
        """
        with self.database.transaction() as connection:
            _lock(connection, call_ids)
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
                    """INSERT INTO copilot_ops.days (call_date, stored_at, lost_a_call) VALUES (%s, NULL, true)
                    ON CONFLICT (call_date) DO UPDATE SET stored_at = NULL, lost_a_call = true""",
                    (day,),
                )

    def calls_of(self, day: date) -> list[LedgerCall]:
        """The calls of a day, by id."""
        with self.database.connection() as connection:
            rows = connection.execute(
                """SELECT call_id, status_raw, readiness, listed_at, fetched_at, gone_at, stored_date, quarantine_reason
                FROM copilot_ops.calls WHERE call_date = %s ORDER BY call_id COLLATE "C" """,
                (day,),
            ).fetchall()
        return [LedgerCall(row[0], row[1], Readiness(row[2]), *row[3:]) for row in rows]

    def held_bodies(self, call_ids: Sequence[str]) -> Iterator[HeldBody]:
        """Bodies received and not yet stored."""
        with self.database.connection() as connection:
            rows = connection.execute(
                "SELECT call_id, part, received_at, body FROM copilot_ops.bodies WHERE call_id = ANY(%s)",
                (list(call_ids),),
            ).fetchall()
        for call_id, part, received_at, body in rows:
            yield HeldBody(call_id, part, received_at, unpack(body))

    def begin_storing(self, day: date) -> None:
        """The raw file of the day is about to be replaced: until `mark_stored`, nobody knows what it holds.

        A death in between leaves a day that is written again, even if all its calls move away before that.
        """
        with self.database.connection() as connection:
            connection.execute("UPDATE copilot_ops.days SET stored_at = NULL WHERE call_date = %s", (day,))

    def mark_stored(self, day: date, calls: Sequence[LedgerCall], held: Sequence[HeldId], as_of: datetime) -> None:
        """The raw file of the day holds these calls and these bodies: exactly those bodies may leave the ledger.

        A call that changed while the file was written stays dirty, and the body that arrived meanwhile stays. One that
        moved away meanwhile keeps all its bodies in the ledger, and the day is stale: its file shows the call still.
        """
        with self.database.transaction() as connection:
            _lock(connection, [call.call_id for call in calls])
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
                    (known.listed_at, known.fetched_at, known.gone_at)
                      IS DISTINCT FROM (stored.listed_at, stored.fetched_at, stored.gone_at)
                FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
                  AS stored (call_id, listed_at, fetched_at, gone_at)
                WHERE known.call_id = stored.call_id AND known.call_date = %s""",
                (
                    day,
                    [call.call_id for call in calls],
                    [call.listed_at for call in calls],
                    [call.fetched_at for call in calls],
                    [call.gone_at for call in calls],
                    day,
                ),
            )
            connection.execute(
                """INSERT INTO copilot_ops.days (call_date, stored_at, calls) VALUES (%s, %s, %s)
                ON CONFLICT (call_date) DO UPDATE SET stored_at = excluded.stored_at, calls = excluded.calls""",
                (day, None if moved else as_of, len(calls)),
            )

    @contextmanager
    def alone_with(self, day: date, *, wait: bool = True) -> Iterator[bool]:
        """Nobody else, in any process, stores this day or makes tables of it meanwhile.

        Two that did would each publish what they read, and the older of it might come last. Yields whether it is so:
        without `wait`, false where somebody else is at it.
        """
        lock = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
        with self.database.transaction() as connection:
            row = connection.execute(f"SELECT {lock}(%s, %s)", (_DAY_SPACE, day.toordinal())).fetchone()
            yield wait or bool(row and row[0])

    # --- what is left to do ------------------------------------------------------------------------------------

    def wanted_by(self, doors: Sequence[str], most: int) -> list[WantedCall]:
        """Ready calls that these doors brought and whose version is not held; newest day first, at most `most`."""
        with self.database.connection() as connection:
            rows = connection.execute(
                f"""SELECT call_id, call_date, version FROM copilot_ops.calls
                WHERE door = ANY(%s) AND {_IS_WANTED} ORDER BY call_date DESC, call_id LIMIT %s""",
                (list(doors), most),
            ).fetchall()
        return [WantedCall(*row) for row in rows]

    def days_in_work(self, doors: Sequence[str]) -> list[date]:
        """Days with calls that these doors brought and that are not fetched or not stored yet; newest first."""
        return self._days(f"is_dirty OR ({_IS_WANTED})", doors)

    def days_to_store(self, doors: Sequence[str]) -> list[date]:
        """Days whose raw file does not show what these doors brought; newest first."""
        return self._days("is_dirty", doors)

    def _days(self, condition: str, doors: Sequence[str]) -> list[date]:
        with self.database.connection() as connection:
            rows = connection.execute(
                f"""SELECT DISTINCT call_date FROM copilot_ops.calls WHERE door = ANY(%s) AND ({condition})
                ORDER BY call_date DESC""",
                (list(doors),),
            ).fetchall()
        return [row[0] for row in rows]

    def known(self, call_id: str) -> KnownCall | None:
        """What the ledger says of a call that was named; None where it does not know it."""
        with self.database.connection() as connection:
            row = connection.execute(
                """SELECT call_id, calls.call_date, started_at, readiness,
                  held_version IS NOT DISTINCT FROM version AND gone_at IS NULL,
                  NOT is_dirty AND coalesce(tabulated_at >= stored_at, false),
                  (SELECT count(*) FROM copilot_ops.semarize_runs AS runs WHERE runs.call_id = calls.call_id
                    AND runs.finished_at IS NOT NULL)
                FROM copilot_ops.calls LEFT JOIN copilot_ops.days USING (call_date) WHERE call_id = %s""",
                (call_id,),
            ).fetchone()
        if row is None:
            return None
        name, day, started_at, readiness, *facts = row
        return KnownCall(name, day, started_at, Readiness(readiness), *facts)

    def due_for_a_look(self, most_looks: int, limit: int) -> list[tuple[str, int]]:
        """Calls that were not ready and may be by now: (id, looks so far), the longest waiting first."""
        with self.database.connection() as connection:
            rows = connection.execute(
                """SELECT call_id, looks FROM copilot_ops.calls
                WHERE readiness IN ('pending', 'unknown') AND gone_at IS NULL AND next_look_at <= now()
                  AND started_at <= now() AND looks < %s ORDER BY next_look_at LIMIT %s""",
                (most_looks, limit),
            ).fetchall()
        return [(str(row[0]), int(row[1])) for row in rows]

    def days_that_lost_a_call(self) -> list[date]:
        """Days whose tables still show a call that moved away."""
        with self.database.connection() as connection:
            rows = connection.execute(
                "SELECT call_date FROM copilot_ops.days WHERE lost_a_call ORDER BY call_date DESC"
            ).fetchall()
        return [row[0] for row in rows]

    def days_with_older_scores(self) -> list[date]:
        """Days whose call tables were made anew after their score tables; newest first."""
        with self.database.connection() as connection:
            rows = connection.execute(
                "SELECT call_date FROM copilot_ops.days WHERE scored_at < tabulated_at ORDER BY call_date DESC"
            ).fetchall()
        return [row[0] for row in rows]

    def mark_scored(self, connection: Connection, day: date) -> None:
        """The score tables of the day are made anew; part of the transaction that loads them."""
        connection.execute(
            """INSERT INTO copilot_ops.days (call_date, scored_at) VALUES (%s, clock_timestamp())
            ON CONFLICT (call_date) DO UPDATE SET scored_at = excluded.scored_at""",
            (day,),
        )

    def mark_tabulated(self, connection: Connection, day: date) -> None:
        """The tables of the day are made anew; part of the transaction that loads them."""
        connection.execute(
            "UPDATE copilot_ops.days SET lost_a_call = false, tabulated_at = clock_timestamp() WHERE call_date = %s",
            (day,),
        )


def _lock(connection: Connection, call_ids: Sequence[str]) -> None:
    """Locks calls in the order of their ids, as every writer of several does: two can never wait for each other."""
    connection.execute(
        "SELECT 1 FROM copilot_ops.calls WHERE call_id = ANY(%s) ORDER BY call_id FOR UPDATE", (list(call_ids),)
    )
