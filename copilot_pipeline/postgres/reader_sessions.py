"""End sessions of readers that exceed their limits.

A role may set its own timeouts to any value, so they are only defaults. What a reader cannot lift is that the pipeline
ends its sessions: every process that has a database open looks for them.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import asdict, dataclass

import psycopg

from copilot_pipeline.errors import PipelineError
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.session import CONNECT_TIMEOUT_SECONDS, Connection, connect

_SQL = load_queries(__package__, "reader_roles.sql")
_FIRST_SECONDS = 3.0
_SECONDS = 15.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """For how many seconds a session of a reader may do something. Advisory locks are not allowed at all."""

    statement: float = 600
    transaction: float = 1800
    idle_in_transaction: float = 300
    idle: float = 3600
    blocking: float = 10  # a statement of the pipeline, which needs a lock on what the reader reads


LIMITS = ReaderLimits()


def end_overdue_sessions(connection: Connection, limits: ReaderLimits = LIMITS) -> int:
    """End the sessions of readers of this database that exceed a limit; return how many."""
    overdue = connection.execute(_SQL["overdue_sessions"], asdict(limits)).fetchall()
    ended = 0
    for (process_id,) in overdue:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):  # `reader` has warned of it
            connection.execute("SELECT pg_terminate_backend(%s)", (process_id,))
            ended += 1
    if ended:
        _LOG.warning("ended %d session(s) of readers that exceeded a limit or blocked the pipeline", ended)
    return ended


class ReaderWatch:
    """A thread that ends overdue sessions of readers. Used as a context manager, or with `start` and `stop`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.stopped = threading.Event()

    def start(self) -> None:
        """Start the thread; it does not keep the process alive."""
        threading.Thread(target=_watch, args=(self._url, self.stopped), name="reader watch", daemon=True).start()

    def stop(self) -> None:
        """Stop the thread."""
        self.stopped.set()

    def __enter__(self) -> ReaderWatch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _watch(url: str, stopped: threading.Event) -> None:
    """Connect for each check: a pool may be exhausted by statements that wait for a lock of a reader."""
    seconds = _FIRST_SECONDS
    while not stopped.wait(seconds):
        seconds = _SECONDS
        # Whatever is wrong with the database is reported by the statements of the pipeline.
        with (
            contextlib.suppress(psycopg.Error, PipelineError),
            contextlib.closing(
                connect(url, application_name="copilot-pipeline", connect_timeout=CONNECT_TIMEOUT_SECONDS)
            ) as connection,
        ):
            end_overdue_sessions(connection)
