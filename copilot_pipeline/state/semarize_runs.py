"""State of the Semarize runs: one paid run per call, kit and speech (the words and the side that said them).

A row is written before the request is sent, and the run's id immediately after the response. A process that is killed
in between repeats the request with the same Idempotency-Key and body, and gets the run that exists. A run that takes
long is polled again later, with a growing delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_one, fetch_values
from copilot_pipeline.privacy.stored_tombstones import current_tombstones
from copilot_pipeline.state.bodies import pack, unpack
from copilot_pipeline.state.quarantine import quarantine

OPEN_STATUSES = ("pending", "queued", "running", "unknown")  # as in the view copilot_ops.open_semarize_runs
REGISTRATION_LOCK = 7_203_114_013  # also of an erasure that changes transcripts
_SQL = load_queries(f"{__package__}.sql", "semarize_runs.sql")


@dataclass(frozen=True, slots=True)
class RunIntent:
    """A run that should exist."""

    call_id: str
    kit: str
    kit_reference: str
    transcript_hash: str
    call_date: date
    idempotency_key: str
    speech_hash: str = ""  # empty if it is not known; then only the same text is the same run


@dataclass(frozen=True, slots=True)
class SemarizeRun:
    """A stored run."""

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
    packed_answer: bytes | None
    rescore_id: int | None = None
    speech_hash: str | None = None

    @property
    def is_open(self) -> bool:
        """Not finished."""
        return self.status in OPEN_STATUSES

    @property
    def answer(self) -> bytes | None:
        """Body of the result, None before the run has finished."""
        return unpack(self.packed_answer) if self.packed_answer is not None else None


@dataclass(frozen=True, slots=True)
class _ScoredText:
    call_id: str
    transcript_hash: str


@dataclass(frozen=True, slots=True)
class _Text:
    call_id: str
    transcript_hash: str
    text: str


class SemarizeRunStore:
    """All runs. Every method is one transaction whose commit waits for the disk, because a run costs money."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, intents: Sequence[RunIntent]) -> list[SemarizeRun]:
        """Add the runs that do not exist; return those of all intents that have not finished, in their order.

        A run of the same speech is the run of an intent, also if speakers had other names when it was registered.
        The first idempotency key of a run stays, because a request with it may have been sent. A rescore takes the key
        of its first request. Erased calls are not registered.
        """
        if not intents:
            return []
        with self._database.transaction() as connection:
            tombstones = current_tombstones(connection)
            intents = [intent for intent in intents if not tombstones.is_erased(intent.call_id)]
            return self._register(connection, intents)

    def _register(self, connection: Connection, intents: Sequence[RunIntent]) -> list[SemarizeRun]:
        names = [field.name for field in fields(RunIntent)]
        values = {name: [getattr(intent, name) for intent in intents] for name in names}
        connection.execute(_SQL["lock_registration"], {"lock": REGISTRATION_LOCK})
        connection.execute(_SQL["add_missing"], values)
        connection.execute(_SQL["update_known"], values)
        connection.execute(_SQL["add_sides"], values)
        return fetch_all(connection, SemarizeRun, _SQL["open_runs"], values)

    def refresh(self, run: SemarizeRun) -> SemarizeRun:
        """Return the current state of a run, which another process may have changed."""
        with self._database.connection() as connection:
            return fetch_one(connection, SemarizeRun, _SQL["find"], _key(run)) or run

    def find_by_run_id(self, connection: Connection, run_id: str) -> SemarizeRun | None:
        """Return the run with an id of Semarize, None if there is none, as part of a transaction."""
        return fetch_one(connection, SemarizeRun, _SQL["find_by_run_id"], {"run_id": run_id})

    def runs_for(self, kit: str, kit_reference: str, speeches: Sequence[tuple[str, str, str]]) -> list[SemarizeRun]:
        """Return the runs of a kit for these (call_id, transcript_hash, speech_hash), by call id."""
        with self._database.connection() as connection:
            values = _speech_values(kit, kit_reference, speeches)
            return fetch_all(connection, SemarizeRun, _SQL["runs_for"], values)

    def results_of_other_references(
        self, kit: str, kit_reference: str, speeches: Sequence[tuple[str, str, str]]
    ) -> list[SemarizeRun]:
        """Return the newest results of these speeches under other references of a kit, as for `runs_for`."""
        if not speeches:
            return []
        with self._database.connection() as connection:
            values = _speech_values(kit, kit_reference, speeches)
            return fetch_all(connection, SemarizeRun, _SQL["results_of_other_references"], values)

    def completed_by_webhook(self, run_ids: Sequence[str]) -> set[str]:
        """Return those of these run ids whose end a webhook has reported."""
        with self._database.connection() as connection:
            return set(fetch_values(connection, _SQL["completed_by_webhook"], {"run_ids": list(run_ids)}))

    # --- changes -----------------------------------------------------------------------------------------------

    def schedule_retry(self, run: SemarizeRun) -> None:
        """Record that a run timed out, and when it is polled again."""
        self._update("schedule_retry", run)

    def postpone(self, kit: str, kit_reference: str) -> None:
        """Retry the runs of a kit later, like runs that timed out, because Semarize does not know the kit."""
        with self._database.connection() as connection:
            connection.execute(_SQL["postpone"], {"kit": kit, "kit_reference": kit_reference})

    def mark_created(self, run: SemarizeRun, run_id: str, status: str) -> None:
        """Record the id that Semarize gave to a run."""
        self._update("mark_created", run, run_id=run_id, status=status)

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
        """Record the result of a run, with the whole response, in which erased people are masked."""
        with self._database.transaction() as connection:
            filtered = current_tombstones(connection).filtered(answer)
        answer = answer if filtered is None else filtered
        self._update(
            "mark_finished",
            run,
            run_id=run_id,
            status=status,
            kit_version_id=kit_version_id,
            duration_ms=duration_ms,
            error_code=error_code,
            error_message=error_message,
            packed_answer=pack(answer),
        )

    def mark_refused(self, run: SemarizeRun, code: str | None, message: str) -> None:
        """Record that Semarize refused the request; it is not sent again."""
        self._update("mark_refused", run, error_code=code, error_message=message)

    def quarantine(self, run: SemarizeRun, reason: str, body: bytes) -> None:
        """Keep a response about a run that cannot be parsed. The run itself stays open and is read again."""
        with self._database.transaction() as connection:
            quarantine(connection, run.call_id, run.call_date, "semarize run", reason, body)

    def _update(self, statement: str, run: SemarizeRun, **values: Any) -> None:
        """Change a run, unless a rescore has replaced it: a result of the replaced run is not one of the new run."""
        with self._database.transaction() as connection:
            connection.execute(_SQL[statement], {**_key(run), "rescore_id": run.rescore_id, **values})

    # --- transcripts -------------------------------------------------------------------------------------------

    def scored_texts(self, runs: Sequence[SemarizeRun]) -> dict[tuple[str, str], str]:
        """Return the texts of runs by (call_id, transcript_hash), as they were registered."""
        if not runs:
            return {}
        values = {"call_ids": [run.call_id for run in runs], "hashes": [run.transcript_hash for run in runs]}
        with self._database.connection() as connection:
            texts = fetch_all(connection, _Text, _SQL["scored_texts"], values)
        return {(text.call_id, text.transcript_hash): text.text for text in texts}

    def archive_replaced_transcripts(
        self, replacing: Connection, day: date, *, only_redaction: str | None = None
    ) -> None:
        """Keep the scored transcripts of a day that are being replaced in `replacing`'s transaction.

        With `only_redaction`, only those of that policy: if stored text is redacted, no other text may be kept.

        The old texts are read over another connection, which still reads them. Without changes nothing is read.
        """
        texts = fetch_all(replacing, _ScoredText, _SQL["to_archive"], {"day": day})
        if texts:
            values = {
                "call_ids": [text.call_id for text in texts],
                "hashes": [text.transcript_hash for text in texts],
                "only_redaction": only_redaction,
            }
            with self._database.connection() as connection:
                connection.execute(_SQL["archive_transcripts"], values)


def redaction_of(speech_hash: str) -> str:
    """Return the redaction policy in a speech hash, `<words>:<sides>:<policy>`; empty without redaction."""
    return speech_hash.partition(":")[2].partition(":")[2]


def _key(run: SemarizeRun) -> dict[str, Any]:
    return {
        "call_id": run.call_id,
        "kit": run.kit,
        "kit_reference": run.kit_reference,
        "transcript_hash": run.transcript_hash,
    }


def _speech_values(kit: str, kit_reference: str, speeches: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "kit": kit,
        "kit_reference": kit_reference,
        "call_ids": [call_id for call_id, _, _ in speeches],
        "transcript_hashes": [transcript_hash for _, transcript_hash, _ in speeches],
        "speech_hashes": [speech_hash for _, _, speech_hash in speeches],
    }
