"""Recognize a connection pooler that gives each transaction another server connection (PgBouncer's transaction mode).

Session settings, advisory locks and prepared statements belong to a server connection. In such a mode they are lost
between two statements, and two runs fetch the same calls. Session mode keeps one server connection for each client.
"""

from __future__ import annotations

import contextlib

import psycopg

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.session import APPLICATION_NAME, CONNECT_TIMEOUT_SECONDS, Connection

_ROUNDS = 5
_REFUSED = (
    "the address of the database is a connection pooler in transaction or statement mode, which loses session settings "
    "and advisory locks: use its session mode (PgBouncer: pool_mode = session), or the address of the server, in "
    "COPILOT_PIPELINE_DATABASE_URL."
)


def refuse_transaction_pooling(connection: Connection, url: str) -> None:
    """Raise `ConfigurationError` if the server connection changes between transactions.

    Without a pooler it costs one query. A pooler is recognized because the process id that it names when a client
    connects is not the one of the server process.
    """
    first = _backend_pid(connection)
    if first == connection.info.backend_pid:
        return
    # A second client that occupies a server connection gets that of the first one, or forces it to change.
    with contextlib.closing(
        psycopg.connect(
            url, application_name=APPLICATION_NAME, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS
        )
    ) as other:
        for _ in range(_ROUNDS):
            try:
                other.execute("BEGIN")
                backend = _backend_pid(other)
                now = _backend_pid(connection) if backend != first else backend
                other.execute("COMMIT")
            except psycopg.errors.ProtocolViolation:  # statement mode has no transactions
                raise ConfigurationError(_REFUSED) from None
            if backend == first or now != first:
                raise ConfigurationError(_REFUSED)


def _backend_pid(connection: Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    return int(row[0]) if row else 0
