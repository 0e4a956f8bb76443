"""The receiver's connection to the database, and its end if the database does not answer.

PostgreSQL's own timeouts end a statement that waits for a lock. They do nothing if the server is stopped, overloaded or
behind a network that forwards nothing, and the client library waits for a response without limit. Therefore another
thread may interrupt a call by shutting the socket down, which the library reports as a lost connection.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence

import psycopg

from copilot_pipeline.errors import ConfigurationError, TemporaryFailure
from copilot_pipeline.postgres.connections import Connection, explained_schema_errors
from copilot_pipeline.postgres.session import connect, is_disconnection
from copilot_pipeline.state.inbox import InboundWebhook, PutResult, purge_inbox, put_webhooks
from copilot_pipeline.telemetry.recorder import Key, add_increments

CONNECT_TIMEOUT_SECONDS = 2  # the library's minimum
PURGE_INTERVAL_SECONDS = 600.0
RETRY_AFTER_SECONDS = 5

_logger = logging.getLogger(__name__)


class InboxConnection:
    """A connection that is opened when it is needed. `interrupt` and `is_purge_due` may be used by other threads."""

    def __init__(self, database_url: str, timeout_seconds: float) -> None:
        self._url = database_url
        self._statement_timeout_ms = int(timeout_seconds * 1000)
        self._connection: Connection | None = None
        self._lock = threading.Lock()  # of `_connection` and `_is_interrupted`
        self._is_interrupted = False
        self._is_unavailable = False
        self._purged_at = -PURGE_INTERVAL_SECONDS

    def put(self, webhooks: Sequence[InboundWebhook]) -> list[PutResult]:
        """Write webhooks in one transaction. Raises `TemporaryFailure` if the database is unavailable."""
        self._is_interrupted = False
        results: list[PutResult] | None = None
        try:
            with explained_schema_errors(self._url):
                results = self._put_with_retry(webhooks)
        except (psycopg.Error, ConfigurationError) as error:
            self.close()
            if not self._is_unavailable:
                _logger.error("the database is unavailable (%s): responding with 503", self._reason(error))
            self._is_unavailable = True
            error.with_traceback(None)  # its frames would keep a connection open that was not established
        if results is None:  # raised here, so that the error is not its context
            raise unavailable()
        if self._is_unavailable:
            self._is_unavailable = False
            _logger.warning("the database is available again")
        return results

    @property
    def is_purge_due(self) -> bool:
        """Whether there is a connection, and old rows were not deleted for a while."""
        return self._connection is not None and time.monotonic() - self._purged_at > PURGE_INTERVAL_SECONDS

    def purge(self) -> None:
        """Delete old rows. A failure is logged; nothing depends on it."""
        self._purged_at = time.monotonic()
        self._is_interrupted = False
        if self._connection is None:
            return
        try:
            purge_inbox(self._connection)
        except psycopg.Error as error:
            self.close()
            _logger.warning("old webhooks cannot be deleted from the inbox (%s): retrying later", type(error).__name__)

    def add_counts(self, increments: Mapping[Key, float]) -> bool:
        """Add increments of counters; return whether it was done. Nothing depends on it, so a failure is not raised."""
        self._is_interrupted = False
        if self._connection is None:
            return False
        try:
            add_increments(self._connection, increments)
        except psycopg.Error:
            self.close()
            return False
        return True

    def interrupt(self) -> None:
        """End the call that is in progress in the other thread, and its connection."""
        with self._lock:
            self._is_interrupted = True
            if self._connection is not None:
                _shut_down(self._connection)

    def close(self) -> None:
        """Close the connection, if there is one."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _reason(self, error: Exception) -> str:
        if self._is_interrupted:
            return "it does not answer"
        return str(error) if isinstance(error, ConfigurationError) else type(error).__name__

    def _put_with_retry(self, webhooks: Sequence[InboundWebhook]) -> list[PutResult]:
        try:
            return put_webhooks(self._connection or self._connect(), webhooks)
        except psycopg.OperationalError as error:
            if self._connection is None or self._is_interrupted or not is_disconnection(error):
                raise
        # Most likely, the server was restarted since the last batch. If the first attempt was committed, its hashes are
        # in the database and the second one writes nothing.
        self.close()
        return put_webhooks(self._connect(), webhooks)

    def _connect(self) -> Connection:
        connection = connect(
            self._url,
            application_name="copilot-pipeline receiver",
            on_open=self._opened,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
        )
        # A response promises that the webhook is on disk, whatever the server's default is.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false), set_config('statement_timeout', %s, false)",
            (str(self._statement_timeout_ms),),
        )
        return connection

    def _opened(self, connection: Connection) -> None:
        with self._lock:
            if self._is_interrupted:
                connection.close()
            self._connection = connection


def _shut_down(connection: Connection) -> None:
    """Shut down the socket of a connection that another thread uses. The thread itself closes the connection."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)


def unavailable() -> TemporaryFailure:
    """503: the sender should send the webhook again."""
    return TemporaryFailure("the database is unavailable: send it again", retry_after_seconds=RETRY_AFTER_SECONDS)
