"""Scoring again on purpose: an order replaces runs that are at their end by new ones, each once.

An order that is cut off goes on under its id: what it has replaced already is not replaced, and not paid for, again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.postgres import Database
from copilot_pipeline.state.semarize_runs import COLUMNS, OPEN_STATUSES

# Runs of these kits that answer the transcripts as they are now. One that has not ended for a day counts as failed.
_CURRENT = """
FROM copilot_ops.semarize_runs AS runs JOIN copilot.transcripts AS texts USING (call_id, transcript_hash)
WHERE texts.call_date BETWEEN %(first)s AND %(last)s
  AND (runs.kit, runs.kit_reference) IN (SELECT * FROM unnest(%(kits)s::text[], %(references)s::text[]))
  AND (runs.status <> ALL(%(open)s) OR %(only_failed)s AND runs.run_id IS NOT NULL
    AND runs.created_at < now() - interval '1 day')
  AND (%(order)s::bigint IS NULL OR runs.rescore_id IS DISTINCT FROM %(order)s)
  AND (NOT %(only_failed)s OR runs.status <> 'succeeded')
"""


@dataclass(frozen=True, slots=True)
class RescoreRequest:
    """What is to be scored again: both days included, kits as (our name, reference)."""

    first: date
    last: date
    kits: Sequence[tuple[str, str]]
    only_failed: bool = False

    @property
    def name(self) -> str:
        """The same for the same wish."""
        kits = ",".join(f"{name}={reference}" for name, reference in sorted(self.kits))
        return f"{self.first}..{self.last} {kits}{' failed' if self.only_failed else ''}"


class Rescores:
    """All orders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unfinished(self, name: str) -> int | None:
        """The id of an order under this name that was cut off."""
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT id FROM copilot_ops.rescores WHERE name = %s AND finished_at IS NULL", (name,)
            ).fetchone()
        return int(row[0]) if row else None

    def cost(self, wanted: RescoreRequest, order: int | None = None) -> dict[str, int]:
        """Runs that would be paid for again, by kit."""
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT runs.kit, count(*) {_CURRENT} GROUP BY runs.kit ORDER BY runs.kit", _values(wanted, order)
            ).fetchall()
        return {str(kit): int(count) for kit, count in rows}

    def start(self, wanted: RescoreRequest, name: str) -> int:
        """Replaces the runs, in one transaction: the answers so far are kept, the new runs are wanted.

        Their key is left open: the request that is made of it next decides.
        """
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO copilot_ops.rescores (name) VALUES (%s)
                ON CONFLICT (name) WHERE finished_at IS NULL DO NOTHING""",
                (name,),
            )
            row = connection.execute(
                "SELECT id FROM copilot_ops.rescores WHERE name = %s AND finished_at IS NULL FOR UPDATE", (name,)
            ).fetchone()
            if row is None:
                raise RuntimeError("an order that was just written is not there")
            order = int(row[0])
            values = _values(wanted, order)
            connection.execute(
                f"""INSERT INTO copilot_ops.former_runs ({COLUMNS}, created_at, rescore_id)
                SELECT {", ".join(f"runs.{name.strip()}" for name in COLUMNS.split(","))}, runs.created_at,
                  runs.rescore_id {_CURRENT} FOR UPDATE OF runs""",
                values,
            )
            connection.execute(
                f"""UPDATE copilot_ops.semarize_runs AS old SET rescore_id = %(order)s, status = 'wanted',
                  idempotency_key = '', next_attempt_at = NULL, run_id = NULL, kit_version_id = NULL,
                  requested_at = now(), created_at = NULL, finished_at = NULL,
                  duration_ms = NULL, error_code = NULL, error_message = NULL, answer = NULL
                FROM (SELECT runs.call_id, runs.kit, runs.kit_reference, runs.transcript_hash {_CURRENT}) AS again
                WHERE (old.call_id, old.kit, old.kit_reference, old.transcript_hash)
                  = (again.call_id, again.kit, again.kit_reference, again.transcript_hash)""",
                values,
            )
        return order

    def finish(self, order: int) -> None:
        """Everything of the order is scored."""
        with self._database.connection() as connection:
            connection.execute("UPDATE copilot_ops.rescores SET finished_at = now() WHERE id = %s", (order,))


def _values(wanted: RescoreRequest, order: int | None) -> dict[str, object]:
    return {
        "first": wanted.first,
        "last": wanted.last,
        "kits": [name for name, _ in wanted.kits],
        "references": [reference for _, reference in wanted.kits],
        "open": list(OPEN_STATUSES),
        "order": order,
        "only_failed": wanted.only_failed,
    }
