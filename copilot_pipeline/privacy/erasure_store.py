"""The audit of erasures, and the plan by which one that was killed continues."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import psycopg

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_one, fetch_value
from copilot_pipeline.privacy.identity import Identity, from_lists, lists
from copilot_pipeline.privacy.stored_tombstones import add_tombstones
from copilot_pipeline.privacy.tombstones import Mode, Tombstone
from copilot_pipeline.state.bodies import pack, unpack

_SQL = load_queries(__package__, "erasure.sql")
_LABEL_BYTES = 4
CANCELLED = "deliveries that were not sent"  # among the places of an audit row; they are rows of the outbox as well


@dataclass(slots=True)
class Plan:
    """What is erased. `hashes` are those of transcripts before they are masked, by day and call."""

    identity: Identity
    mode: Mode
    label: str
    hashes: dict[str, dict[str, list[str | None]]] = field(default_factory=dict)
    erasure_id: int = 0

    def packed(self) -> bytes:
        """Return the plan as it is stored."""
        document = {"identity": lists(self.identity), "mode": self.mode, "label": self.label, "hashes": self.hashes}
        return pack(json.dumps(document).encode())

    @staticmethod
    def unpacked(body: bytes, erasure_id: int) -> Plan:
        """Return a stored plan."""
        document = json.loads(unpack(body))
        return Plan(**{**document, "identity": from_lists(document["identity"])}, erasure_id=erasure_id)


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """An audit row, without the plan."""

    id: int
    subject: Literal["person", "call"]
    mode: Mode
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    calls: int
    removed: Mapping[str, int]

    @property
    def places(self) -> dict[str, int]:
        """The number of rows and files that were changed or removed, by place."""
        return {place: rows for place, rows in self.removed.items() if place != CANCELLED}

    @property
    def cancelled(self) -> int:
        """The number of deliveries that were cancelled, because their text was masked before they were sent."""
        return self.removed.get(CANCELLED, 0)


@dataclass(frozen=True, slots=True)
class _Unfinished:
    id: int
    plan: bytes


def new_label() -> str:
    """Return a random label."""
    return secrets.token_hex(_LABEL_BYTES)


class ErasureStore:
    """All erasures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unfinished(self, request_hash: bytes) -> Plan | None:
        """Return the plan of an erasure that was killed, None if there is none of this request."""
        with self._database.connection() as connection:
            found = fetch_one(connection, _Unfinished, _SQL["unfinished"], {"request_hash": request_hash})
        return Plan.unpacked(found.plan, found.id) if found else None

    def begin(
        self,
        plan: Plan,
        label: str,
        request_hash: bytes,
        subject: str,
        requested_by: str,
        tombstones: Sequence[Tombstone],
    ) -> None:
        """Store the plan and the tombstones in one transaction, when no other process is storing."""
        values = {
            "label": label,
            "subject": subject,
            "mode": plan.mode,
            "request_hash": request_hash,
            "requested_by": requested_by,
            "calls": len(plan.identity.calls),
            "plan": plan.packed(),
        }
        try:
            with self._database.transaction() as connection:
                if tombstones:
                    add_tombstones(connection, tombstones)
                plan.erasure_id = fetch_value(connection, _SQL["begin"], values)
        except psycopg.errors.UniqueViolation:
            raise PipelineError(
                "another process has begun the same erasure: wait for it (copilot-pipeline privacy log); if it was "
                "killed, run the same command again"
            ) from None

    def save(self, plan: Plan, tombstones: Sequence[Tombstone] = ()) -> None:
        """Store a plan that has grown, with further tombstones."""
        values = {"id": plan.erasure_id, "plan": plan.packed(), "calls": len(plan.identity.calls)}
        with self._database.transaction() as connection:
            if tombstones:
                add_tombstones(connection, tombstones)
            connection.execute(_SQL["save"], values)

    def count(self, connection: Connection, plan: Plan, place: str, rows: int) -> None:
        """Add to the number of rows of a place, in the transaction that changes them."""
        if rows:
            connection.execute(_SQL["count"], {"id": plan.erasure_id, "place": place, "rows": rows})

    def finish(self, plan: Plan) -> ErasureRecord:
        """Delete the plan, and return the audit row."""
        with self._database.connection() as connection:
            record = fetch_one(connection, ErasureRecord, _SQL["finish"], {"id": plan.erasure_id})
        assert record is not None
        return record

    def records(self) -> list[ErasureRecord]:
        """Return all audit rows, the newest first."""
        with self._database.connection() as connection:
            return fetch_all(connection, ErasureRecord, _SQL["records"])

    def hashes_of(self, day: date) -> dict[str, list[str | None]]:
        """Return the hashes of the transcripts of a day, by call."""
        with self._database.connection() as connection:
            found = fetch_all(connection, _Hashes, _SQL["hashes_of_day"], {"day": day})
        return {one.call_id: [one.transcript_hash, one.speech_hash] for one in found}

    def carry_runs_over(self, day: date, hashes: Mapping[str, Sequence[str | None]]) -> None:
        """Let the runs of transcripts be those of the masked transcripts, so that none is paid again."""
        values: dict[str, Any] = {
            "day": day,
            "call_ids": list(hashes),
            "transcript_hashes": [one[0] for one in hashes.values()],
            "speech_hashes": [one[1] for one in hashes.values()],
        }
        with self._database.connection() as connection:
            connection.execute(_SQL["carry_runs_over"], values)


@dataclass(frozen=True, slots=True)
class _Hashes:
    call_id: str
    transcript_hash: str
    speech_hash: str | None
