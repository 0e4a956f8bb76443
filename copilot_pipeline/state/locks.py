"""Session-level advisory locks: which call or run is being worked on.

They need neither lease nor clean-up: when a process is killed its connection closes, and the server releases the locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType

from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_values
from copilot_pipeline.postgres.session import connect

# Namespaces: the first key of the two-part lock, so that the locks do not collide with each other or with foreign ones.
DETAILS = 720_311
SCORING = 720_317
RUNS = 720_318  # Dagster runs in progress
_SQL = load_queries(f"{__package__}.sql", "locks.sql")


class AdvisoryLocks:
    """Locks on ids in a namespace, held by one connection. Leaving the block releases all of them. Thread-safe."""

    def __init__(self, url: str, namespace: int = DETAILS) -> None:
        self._url = url
        self._namespace = namespace
        self._connection: Connection | None = None

    def __enter__(self) -> AdvisoryLocks:
        self._connection = connect(self._url, application_name="copilot-pipeline locks")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()

    def acquire(self, ids: Sequence[str]) -> set[str]:
        """Lock the ids that no other connection has locked, and return them.

        The caller must read the state again afterwards: the work may have been finished just before its lock was
        released.
        """
        return {str(locked) for locked in self._execute("acquire", ids)}

    def release(self, ids: Iterable[str]) -> None:
        """Release the locks on ids."""
        self._execute("release", ids)

    def _execute(self, statement: str, ids: Iterable[str]) -> list[object]:
        if self._connection is None:
            raise RuntimeError("advisory locks are used outside of their `with` block")
        return fetch_values(self._connection, _SQL[statement], {"namespace": self._namespace, "ids": list(ids)})
