"""The ledger of Semarize runs: one paid run per call, kit and transcript, ever.

The intent is written before the request and the run id right after the answer. A process killed in between repeats the
request with the same Idempotency-Key and the same body, and is given the run that exists.
A run that takes long is looked at again by itself, later and later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.state.bodies import pack, unpack

OPEN_STATUSES = ("wanted", "queued", "running", "unknown")


@dataclass(frozen=True, slots=True)
class RunIntent:
    """A run that should exist."""

    call_id: str
    kit: str
    kit_reference: str
    transcript_hash: str
    call_date: date
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class SemarizeRun:
    """A run as the ledger knows it."""

    call_id: str
    kit: str
    kit_reference: str
    transcript_hash: str
    call_date: date
    idempotency_key: str
    status: str
    run_id: str | None
    kit_version_id: str | None
    requested_at: datetime
    finished_at: datetime | None
    duration_ms: int | None
    error_code: str | None
    error_message: str | None
    answer: bytes | None
    rescore_id: int | None = None

    @property
    def is_open(self) -> bool:
        """Not at its end yet."""
        return self.status in OPEN_STATUSES


COLUMNS = """call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status, run_id, kit_version_id,
requested_at, finished_at, duration_ms, error_code, error_message, answer"""

_INTEND = """
INSERT INTO copilot_ops.semarize_runs AS known
  (call_id, kit, kit_reference, transcript_hash, call_date, idempotency_key, status)
SELECT *, 'wanted' FROM unnest(%(call_id)s::text[], %(kit)s::text[], %(kit_reference)s::text[],
  %(transcript_hash)s::text[], %(call_date)s::date[], %(idempotency_key)s::text[]) ORDER BY 1, 2, 3, 4
ON CONFLICT (call_id, kit, kit_reference, transcript_hash) DO UPDATE SET
  call_date = excluded.call_date,
  idempotency_key = CASE WHEN known.idempotency_key = ''
    THEN excluded.idempotency_key || ':again' || known.rescore_id ELSE known.idempotency_key END
WHERE known.call_date <> excluded.call_date OR known.idempotency_key = ''
"""


class SemarizeRunStore:
    """All runs. Every method is one transaction, and these commits wait for the disk: a run costs money."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, wishes: Sequence[RunIntent]) -> list[SemarizeRun]:
        """Writes the intents that are new, and returns the runs that are not at their end, in the order of the wishes.

        The first key of a run stays: it may have been sent. Scoring again takes the key of today, with its order.
        """
        if not wishes:
            return []
        names = [field.name for field in fields(RunIntent)]
        values = {name: [getattr(wish, name) for wish in wishes] for name in names}
        with self._database.transaction() as connection:
            # Sorted, so that two processes never wait for each other. Nothing is written where nothing changes.
            connection.execute(_INTEND, values)
            rows = connection.execute(
                f"""SELECT {", ".join(f"runs.{name.strip()}" for name in COLUMNS.split(","))}, runs.rescore_id
                FROM copilot_ops.semarize_runs AS runs JOIN unnest(%(call_id)s::text[], %(kit)s::text[],
                  %(kit_reference)s::text[], %(transcript_hash)s::text[]) WITH ORDINALITY
                  AS wished (call_id, kit, kit_reference, transcript_hash, place)
                USING (call_id, kit, kit_reference, transcript_hash)
                WHERE runs.status = ANY(%(open)s) ORDER BY place""",
                {**values, "open": list(OPEN_STATUSES)},
            ).fetchall()
        return [_run(row) for row in rows]

    def schedule_retry(self, run: SemarizeRun) -> None:
        """It is not at its end yet: looked at again by itself, later and later."""
        self._update(
            run,
            """next_attempt_at = now()
              + least(interval '6 hours', greatest(interval '5 minutes', (now() - requested_at) / 2))""",
            (),
        )

    def completed_by_webhook(self, run_ids: Sequence[str]) -> set[str]:
        """Those of these runs whose end a webhook has announced."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT subject FROM copilot_ops.inbox WHERE kind = 'run' AND subject = ANY(%s)", (list(run_ids),)
            ).fetchall()
        return {str(row[0]) for row in rows}

    def refresh(self, run: SemarizeRun) -> SemarizeRun:
        """The run as it stands now: another process may have asked for it since."""
        with self._database.connection() as connection:
            row = connection.execute(
                f"""SELECT {COLUMNS}, rescore_id FROM copilot_ops.semarize_runs
                WHERE (call_id, kit, kit_reference, transcript_hash) = (%s, %s, %s, %s)""",
                (run.call_id, run.kit, run.kit_reference, run.transcript_hash),
            ).fetchone()
        return _run(row) if row is not None else run

    def mark_created(self, run: SemarizeRun, run_id: str, status: str) -> None:
        """Semarize answered with a run."""
        self._update(run, "run_id = %s, status = %s, created_at = coalesce(created_at, now())", (run_id, status))

    def mark_finished(
        self,
        run: SemarizeRun,
        *,
        run_id: str,
        status: str,
        kit_version_id: str | None,
        duration_ms: int | None,
        error_code: str | None,
        error_message: str | None,
        answer: bytes,
    ) -> None:
        """The run is at its end: the whole answer is kept."""
        self._update(
            run,
            """run_id = %s, status = %s, kit_version_id = %s, duration_ms = %s, error_code = %s, error_message = %s,
            answer = %s, finished_at = now(), created_at = coalesce(created_at, now())""",
            (run_id, status, kit_version_id, duration_ms, error_code, error_message, pack(answer)),
        )

    def mark_refused(self, run: SemarizeRun, code: str | None, message: str) -> None:
        """Semarize refuses the request for good; it is not sent again."""
        self._update(
            run, "status = 'refused', error_code = %s, error_message = %s, finished_at = now()", (code, message)
        )

    def _update(self, run: SemarizeRun, assignments: str, values: tuple[object, ...]) -> None:
        """Changes the run, unless it was ordered anew since: the answer to a former run is no answer to the new one."""
        with self._database.connection() as connection:
            connection.execute(
                f"""UPDATE copilot_ops.semarize_runs SET {assignments}
                WHERE (call_id, kit, kit_reference, transcript_hash) = (%s, %s, %s, %s)
                  AND rescore_id IS NOT DISTINCT FROM %s""",
                (*values, run.call_id, run.kit, run.kit_reference, run.transcript_hash, run.rescore_id),
            )

    def archive_replaced_transcripts(self, replacing: Connection, day: date) -> None:
        """Keeps the texts that were scored and that this replacement of a day, not committed yet, takes away.

        The old texts are read over another connection, which still sees them. Nothing is read where nothing changed.
        """
        lost = replacing.execute(
            """SELECT runs.transcript_hash FROM copilot_ops.semarize_runs AS runs
            WHERE runs.call_id IN (SELECT call_id FROM copilot.calls WHERE call_date = %s)
              AND NOT EXISTS (SELECT 1 FROM copilot.transcripts AS texts
                WHERE (texts.call_id, texts.transcript_hash) = (runs.call_id, runs.transcript_hash))
              AND NOT EXISTS (SELECT 1 FROM copilot_ops.former_transcripts AS former
                WHERE former.transcript_hash = runs.transcript_hash)""",
            (day,),
        ).fetchall()
        if not lost:
            return
        with self._database.connection() as connection:
            connection.execute(
                """INSERT INTO copilot_ops.former_transcripts (transcript_hash, call_id, text)
                SELECT DISTINCT ON (transcript_hash) transcript_hash, call_id, text FROM copilot.transcripts
                WHERE transcript_hash = ANY(%s) ORDER BY transcript_hash, call_id ON CONFLICT DO NOTHING""",
                ([row[0] for row in lost],),
            )

    def runs_for(self, kit: str, kit_reference: str, transcripts: Sequence[tuple[str, str]]) -> list[SemarizeRun]:
        """The runs that answer these (call_id, transcript_hash) pairs for a kit, by call id."""
        with self._database.connection() as connection:
            rows = connection.execute(
                f"""SELECT {COLUMNS}, rescore_id FROM copilot_ops.semarize_runs
                WHERE kit = %s AND kit_reference = %s AND (call_id, transcript_hash) IN
                  (SELECT * FROM unnest(%s::text[], %s::text[])) ORDER BY call_id COLLATE "C" """,
                (kit, kit_reference, [pair[0] for pair in transcripts], [pair[1] for pair in transcripts]),
            ).fetchall()
        return [_run(row) for row in rows]


def _run(row: tuple[Any, ...]) -> SemarizeRun:
    values = (*row[:14], unpack(row[14]) if row[14] is not None else None, row[15])
    return SemarizeRun(*values)
