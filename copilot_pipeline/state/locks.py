"""Who is doing what right now: session-level advisory locks, which die with the process that holds them.

A claim needs no lease and no clean-up: `kill -9` closes the connection and the server lets go of the locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

import psycopg

# The first key of the two-part lock: what the claims are on, and nobody else's locks.
DETAILS = 720_311
SCORING = 720_317
RUNS = 720_318  # a run of Dagster's that somebody is working on


class AdvisoryLocks:
    """A connection that holds claims on calls. Leave the block, or die, and they are gone. Thread-safe."""

    def __init__(self, url: str, space: int = DETAILS) -> None:
        self._url = url
        self._space = space
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def __enter__(self) -> AdvisoryLocks:
        self._connection = psycopg.connect(self._url, autocommit=True, application_name="copilot-pipeline claims")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()

    def acquire(self, call_ids: Sequence[str]) -> set[str]:
        """Claims what nobody else holds; returns those ids.

        The caller must look at the ledger again afterwards: a call may have been finished just before its claim
        became free.
        """
        rows = self._execute(
            "SELECT id FROM unnest(%s::text[]) AS id WHERE pg_try_advisory_lock(%s, hashtext(id))",
            (list(call_ids), self._space),
        )
        return {str(row[0]) for row in rows}

    def release(self, call_ids: Iterable[str]) -> None:
        """Lets go of claims."""
        self._execute(
            "SELECT pg_advisory_unlock(%s, hashtext(id)) FROM unnest(%s::text[]) AS id", (self._space, list(call_ids))
        )

    def _execute(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            raise RuntimeError("claims are used outside of their block")
        return self._connection.execute(statement, values).fetchall()
