"""The ledger of calls: what was listed, which version is held, and what is still wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from copilot_pipeline.clients.backoff import Backoff
from copilot_pipeline.clients.clari.models import ListedCall, Readiness
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state.bodies import pack, unpack
from copilot_pipeline.state.partitions import PartitionStore, lock_calls

# A call whose details are missing or cannot be parsed is retried after 1 h, 5 h, 25 h, 5 days, then every week.
_BACKOFF = Backoff(first_seconds=3600.0, max_seconds=7 * 86_400.0, factor=5.0, jitter=0.0)
LOOK_AGAIN_HOURS = tuple(round(_BACKOFF.delay(attempt) / 3600) for attempt in range(1, 6))
TRIES_AT_ONCE = 3  # of a call that the server does not give out though it knows it


@dataclass(frozen=True, slots=True)
class DeferredCall:
    """A call that could not be had: what the server said, and when it is asked for again."""

    call_id: str
    call_date: date
    problem: str | None
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True)
class CallToFetch:
    """A call whose details are to be fetched, and the version they will be."""

    call_id: str
    call_date: date
    version: str


@dataclass(frozen=True, slots=True)
class ReceivedDetails:
    """A details body as received, packed, and why it cannot be read (None: it can)."""

    call: CallToFetch
    packed: bytes
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class CallState:
    """A call that somebody names, as the ledger knows it."""

    call_id: str
    call_date: date
    started_at: datetime
    readiness: Readiness
    is_fetched: bool  # the details of the version that was listed last
    is_loaded: bool
    finished_runs: int


# A call whose listed version is not held. Those set aside wait for their time.
_IS_WANTED = """readiness = 'ready' AND fetched_version IS DISTINCT FROM version AND removed_at IS NULL
  AND (next_attempt_at IS NULL OR next_attempt_at <= now())"""


class CallStore:
    """All that is known of calls. Every method is one transaction."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self.database = database
        self.partitions = PartitionStore(database)
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

    def record(self, connection: Connection, calls: Sequence[ListedCall], source: str) -> None:
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
                 listed_at, seen_at, fetched_version, fetched_at, next_attempt_at, source)
              SELECT call_id, call_date, started_at, modified_at, status_raw, readiness, version, content_hash,
                statement_timestamp(), statement_timestamp(),
                CASE WHEN has_details THEN version END, CASE WHEN has_details THEN statement_timestamp() END,
                CASE WHEN readiness IN ('pending', 'unknown') THEN now() + make_interval(hours => %s) END, %s
              FROM listed ORDER BY call_id
              ON CONFLICT (call_id) DO UPDATE SET
                call_date = excluded.call_date, started_at = excluded.started_at, modified_at = excluded.modified_at,
                status_raw = excluded.status_raw, readiness = excluded.readiness,
                attempts = CASE WHEN known.version = excluded.version THEN known.attempts ELSE 0 END,
                next_attempt_at = CASE WHEN known.version = excluded.version THEN known.next_attempt_at
                                    ELSE excluded.next_attempt_at END,
                source = CASE WHEN known.version = excluded.version AND known.content_hash = excluded.content_hash
                            THEN known.source ELSE excluded.source END,
                listed_at = CASE WHEN known.content_hash = excluded.content_hash THEN known.listed_at
                                 ELSE excluded.listed_at END,
                is_dirty = known.is_dirty OR known.content_hash <> excluded.content_hash
                           OR known.removed_at IS NOT NULL OR known.call_date <> excluded.call_date,
                version = excluded.version, content_hash = excluded.content_hash,
                fetched_version = coalesce(excluded.fetched_version, known.fetched_version),
                fetched_at = CASE WHEN known.content_hash = excluded.content_hash THEN known.fetched_at
                                  ELSE coalesce(excluded.fetched_at, known.fetched_at) END,
                seen_at = excluded.seen_at, removed_at = NULL
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
                source,
            ),
        )

    # --- fetching ----------------------------------------------------------------------------------------------

    def to_fetch(self, days: Sequence[date], *, among: Sequence[str] | None = None) -> list[CallToFetch]:
        """Ready calls whose listed version is not held, newest day first. Those set aside wait for their time."""
        with self.database.connection() as connection:
            rows = connection.execute(
                f"""SELECT call_id, call_date, version FROM copilot_ops.calls
                WHERE call_date = ANY(%s) AND {_IS_WANTED}
                  AND (%s::text[] IS NULL OR call_id = ANY(%s))
                ORDER BY call_date DESC, call_id""",
                (list(days), among, among),
            ).fetchall()
        return [CallToFetch(*row) for row in rows]

    def deferred(self, days: Sequence[date]) -> list[DeferredCall]:
        """Ready calls of these days that could not be had and are looked at again later; but for those set aside."""
        with self.database.connection() as connection:
            rows = connection.execute(
                """SELECT call_id, call_date, last_problem, next_attempt_at FROM copilot_ops.calls
                WHERE call_date = ANY(%s) AND readiness = 'ready' AND fetched_version IS DISTINCT FROM version
                  AND removed_at IS NULL AND next_attempt_at > now() AND quarantine_reason IS NULL
                ORDER BY call_date DESC, call_id""",
                (list(days),),
            ).fetchall()
        return [DeferredCall(*row) for row in rows]

    def store_details(self, received: Sequence[ReceivedDetails]) -> None:
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
                lock_calls(connection, [details.call.call_id for details in received])
            attempts = connection.execute(
                "SELECT call_id, attempts FROM copilot_ops.calls WHERE call_id = ANY(%s)", (unreadable,)
            ).fetchall()
            self.store_details_in(connection, received)
            for call_id, times in attempts:
                connection.execute(
                    """UPDATE copilot_ops.calls SET fetched_version = NULL, attempts = %s,
                      next_attempt_at = now() + make_interval(hours => %s) WHERE call_id = %s""",
                    (times + 1, LOOK_AGAIN_HOURS[min(times, len(LOOK_AGAIN_HOURS) - 1)], call_id),
                )

    def store_details_in(self, connection: Connection, received: Sequence[ReceivedDetails]) -> None:
        """Bodies that can be read, as part of a transaction."""
        connection.execute(
            "SELECT copilot_ops.store_details(%s::text[], %s::text[], %b::bytea[], %s::text[])",
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

    def record_failure(self, call_id: str, problem: str, *, defer: bool) -> None:
        """A call that could not be had. With `defer` it rests, longer each time.

        Without, the next run tries at once, a few times: a call that fails for ever rests as well, and keeps neither a
        backfill from its end nor runs going round in circles.
        """
        tries = 0 if defer else TRIES_AT_ONCE
        with self.database.connection() as connection:
            connection.execute(
                """UPDATE copilot_ops.calls SET last_problem = %(problem)s, attempts = attempts + 1,
                  next_attempt_at = CASE WHEN attempts + 1 > %(tries)s THEN now() + make_interval(
                    hours => (%(hours)s::integer[])[least(attempts + 1 - %(tries)s, %(most)s)]) END
                WHERE call_id = %(call_id)s""",
                {
                    "problem": problem,
                    "tries": tries,
                    "hours": list(LOOK_AGAIN_HOURS),
                    "most": len(LOOK_AGAIN_HOURS),
                    "call_id": call_id,
                },
            )

    # --- what is left to do ------------------------------------------------------------------------------------

    def to_fetch_from(self, sources: Sequence[str], most: int) -> list[CallToFetch]:
        """Ready calls that these sources brought and whose version is not held; newest day first, at most `most`."""
        with self.database.connection() as connection:
            rows = connection.execute(
                f"""SELECT call_id, call_date, version FROM copilot_ops.calls
                WHERE source = ANY(%s) AND {_IS_WANTED} ORDER BY call_date DESC, call_id LIMIT %s""",
                (list(sources), most),
            ).fetchall()
        return [CallToFetch(*row) for row in rows]

    def unfinished_days(self, sources: Sequence[str]) -> list[date]:
        """Days with calls that these sources brought and that are not fetched or not stored yet; newest first."""
        return self._days_where(f"is_dirty OR ({_IS_WANTED})", sources)

    def days_to_store(self, sources: Sequence[str]) -> list[date]:
        """Days whose raw file does not show what these sources brought; newest first."""
        return self._days_where("is_dirty", sources)

    def _days_where(self, condition: str, sources: Sequence[str]) -> list[date]:
        with self.database.connection() as connection:
            rows = connection.execute(
                f"""SELECT DISTINCT call_date FROM copilot_ops.calls WHERE source = ANY(%s) AND ({condition})
                ORDER BY call_date DESC""",
                (list(sources),),
            ).fetchall()
        return [row[0] for row in rows]

    def find(self, call_id: str) -> CallState | None:
        """What the ledger says of a call that was named; None where it does not know it."""
        with self.database.connection() as connection:
            row = connection.execute(
                """SELECT call_id, calls.call_date, started_at, readiness,
                  fetched_version IS NOT DISTINCT FROM version AND removed_at IS NULL,
                  NOT is_dirty AND coalesce(loaded_at >= stored_at, false),
                  (SELECT count(*) FROM copilot_ops.semarize_runs AS runs WHERE runs.call_id = calls.call_id
                    AND runs.finished_at IS NOT NULL)
                FROM copilot_ops.calls LEFT JOIN copilot_ops.partitions USING (call_date) WHERE call_id = %s""",
                (call_id,),
            ).fetchone()
        if row is None:
            return None
        name, day, started_at, readiness, *facts = row
        return CallState(name, day, started_at, Readiness(readiness), *facts)

    def due_for_retry(self, max_attempts: int, limit: int) -> list[tuple[str, int]]:
        """Calls that were not ready and may be by now: (id, attempts so far), the longest waiting first."""
        with self.database.connection() as connection:
            rows = connection.execute(
                """SELECT call_id, attempts FROM copilot_ops.calls
                WHERE readiness IN ('pending', 'unknown') AND removed_at IS NULL AND next_attempt_at <= now()
                  AND started_at <= now() AND attempts < %s ORDER BY next_attempt_at LIMIT %s""",
                (max_attempts, limit),
            ).fetchall()
        return [(str(row[0]), int(row[1])) for row in rows]
