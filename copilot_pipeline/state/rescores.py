"""Rescores: requests to score again, each of which replaces finished runs by new ones once.

An interrupted rescore continues under its id: runs that it has replaced are not replaced, and not paid for, again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_value

_SQL = load_queries(f"{__package__}.sql", "rescores.sql")


@dataclass(frozen=True, slots=True)
class RescoreRequest:
    """What to score again: days (both included) and kits as (name, reference)."""

    first: date
    last: date
    kits: Sequence[tuple[str, str]]
    only_failed: bool = False
    other_redaction_than: str | None = None  # only runs of other texts than those of this policy; '' is none

    @property
    def name(self) -> str:
        """Name of the rescore, the same for the same request."""
        kits = ",".join(f"{name}={reference}" for name, reference in sorted(self.kits))
        redaction = "" if self.other_redaction_than is None else f" redaction {self.other_redaction_than or 'none'}"
        return f"{self.first}..{self.last} {kits}{' failed' if self.only_failed else ''}{redaction}"


@dataclass(frozen=True, slots=True)
class _RunCount:
    kit: str
    runs: int


class Rescores:
    """All rescores."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unfinished(self, name: str) -> int | None:
        """Return the id of an interrupted rescore, None if there is none with this name."""
        with self._database.connection() as connection:
            rescore_id: int | None = fetch_value(connection, _SQL["unfinished"], {"name": name})
        return rescore_id

    def cost(self, request: RescoreRequest, rescore_id: int | None = None) -> dict[str, int]:
        """Return the number of runs that would be paid for again, by kit."""
        with self._database.connection() as connection:
            counts = fetch_all(connection, _RunCount, _SQL["count_runs"], _values(request, rescore_id))
        return {count.kit: count.runs for count in counts}

    def results_of_other_redaction(
        self, first: date, last: date, kits: Sequence[str], redaction: str
    ) -> dict[str, int]:
        """Return the number of results of texts that were not redacted by this policy, by kit."""
        with self._database.connection() as connection:
            values = {"first": first, "last": last, "kits": list(kits), "redaction": redaction}
            counts = fetch_all(connection, _RunCount, _SQL["count_results_of_other_redaction"], values)
        return {count.kit: count.runs for count in counts}

    def texts_of_other_redaction(self, first: date, last: date, redaction: str) -> int:
        """Return the number of stored transcripts that were not redacted by this policy."""
        with self._database.connection() as connection:
            values = {"first": first, "last": last, "redaction": redaction}
            number: int = fetch_value(connection, _SQL["count_texts_of_other_redaction"], values)
        return number

    def start(self, request: RescoreRequest, name: str) -> int:
        """Replace the runs in one transaction, keeping their results; return the id of the rescore.

        The new runs have no idempotency key before their first request.
        """
        with self._database.transaction() as connection:
            connection.execute(_SQL["add"], {"name": name})
            rescore_id: int = fetch_value(connection, _SQL["lock"], {"name": name})
            connection.execute(_SQL["replace_runs"], _values(request, rescore_id))
        return rescore_id

    def finish(self, rescore_id: int) -> None:
        """Mark a rescore as finished."""
        with self._database.connection() as connection:
            connection.execute(_SQL["finish"], {"rescore_id": rescore_id})


def _values(request: RescoreRequest, rescore_id: int | None) -> dict[str, Any]:
    return {
        "first": request.first,
        "last": request.last,
        "kits": [name for name, _ in request.kits],
        "references": [reference for _, reference in request.kits],
        "rescore_id": rescore_id,
        "only_failed": request.only_failed,
        "other_redaction_than": request.other_redaction_than,
    }
