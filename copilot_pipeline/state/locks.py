"""Session-level advisory locks: which call or run is being worked on.

They need neither lease nor clean-up: when a process is killed its connection closes, and the server releases the locks.
"""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

import psycopg

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_values
from copilot_pipeline.postgres.session import connect

# Namespaces: the first key of the two-part lock, so that the locks do not collide with each other or with foreign ones.
DETAILS = 720_311
SCORING = 720_317
RUNS = 720_318  # Dagster runs in progress
MARTS = 720_319
_CHECK_SECONDS = 0.2
_MAX_ATTEMPTS = 25
_SQL = load_queries(f"{__package__}.sql", "locks.sql")


@contextlib.contextmanager
def exclusive(url: str, name: str, namespace: int = MARTS) -> Iterator[None]:
    """Hold the lock of a name for the block; wait while another process holds it."""
    connection = connect(url, application_name="copilot-pipeline locks")
    try:
        connection.execute(_SQL["wait_for"], {"namespace": namespace, "id": name})
        yield
    finally:
        _close(connection)


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
            _close(self._connection)

    def acquire(self, ids: Sequence[str]) -> set[str]:
        """Lock the ids that no other connection has locked, and return them.

        The caller must read the state again afterwards: the work may have been finished just before its lock was
        released.
        """
        return {str(locked) for locked in self._execute("acquire", ids)}

    def release(self, ids: Iterable[str]) -> None:
        """Release the locks on ids."""
        self._execute("release", ids)

    @contextlib.contextmanager
    def hold(self, ids: Sequence[str]) -> Iterator[set[str]]:
        """Lock the ids that no other connection has locked for the block, which gets them."""
        locked = self.acquire(ids) if ids else set()
        try:
            yield locked
        finally:
            if locked:
                self.release(sorted(locked))

    def _execute(self, statement: str, ids: Iterable[str]) -> list[object]:
        if self._connection is None:
            raise RuntimeError("advisory locks are used outside of their `with` block")
        return fetch_values(self._connection, _SQL[statement], {"namespace": self._namespace, "ids": list(ids)})


class RunLock:
    """The lock of a Dagster run, by which others see that its process exists. Acquired again if its connection is lost.

    A thread waits for the connection to be closed by the server. Used as a context manager.
    """

    def __init__(self, url: str, run_id: str) -> None:
        self._url = url
        self._run_id = run_id
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="run lock", daemon=True)
        self._connection: Connection | None = None

    def __enter__(self) -> RunLock:
        self._connection = self._acquire()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopped.set()
        self._thread.join()
        if self._connection is not None:
            _close(self._connection)

    def _acquire(self) -> Connection:
        """Connect and lock. The lock may be taken for a moment, by the check of another process."""
        connection = connect(self._url, application_name="copilot-pipeline run")
        parameters = {"namespace": RUNS, "ids": [self._run_id]}
        for _ in range(_MAX_ATTEMPTS):
            if fetch_values(connection, _SQL["acquire"], parameters):
                break
            self._is_stopped.wait(_CHECK_SECONDS)
        return connection

    def _keep(self) -> None:
        while not self._is_stopped.is_set():
            try:
                if self._connection is None:
                    self._connection = self._acquire()
                # Nothing is ever sent to this connection, except that the server closes it.
                if select.select([self._connection], [], [], _CHECK_SECONDS)[0]:
                    self._connection.execute("SELECT 1")
            except (psycopg.Error, OSError, ValueError, PipelineError):
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
                self._is_stopped.wait(_CHECK_SECONDS)


def _close(connection: Connection) -> None:
    """Release the locks and close. The server alone would release them some time after the connection is closed."""
    with contextlib.suppress(psycopg.Error):
        connection.execute("SELECT pg_advisory_unlock_all()")
    connection.close()
