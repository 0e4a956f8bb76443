"""Connections to PostgreSQL; opening a database brings its schema up to date."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import ConnectionPool

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.addresses import database_url
from copilot_pipeline.postgres.migrate import newer_schema_problem, upgrade_schema
from copilot_pipeline.postgres.poolers import refuse_transaction_pooling
from copilot_pipeline.postgres.reader_sessions import ReaderWatch
from copilot_pipeline.postgres.session import APPLICATION_NAME, CONNECT_TIMEOUT_SECONDS, configure, connect
from copilot_pipeline.postgres.session import Connection as Connection

MAX_CONNECTIONS = 24
ENCODING = "UTF8"


class Database:
    """A pool of connections in autocommit mode. Use `transaction()` to run several statements atomically.

    A statement that fails because a newer release has changed the schema raises `ConfigurationError`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            min_size=1,
            max_size=MAX_CONNECTIONS,
            open=False,
            kwargs={"autocommit": True, "application_name": APPLICATION_NAME},
            configure=configure,
            # A connection that the server has closed is replaced, instead of failing the next statement.
            check=ConnectionPool.check_connection,
        )
        self._pool.open()
        watch = ReaderWatch(url)
        watch.start()
        self._stop_watch = weakref.finalize(self, watch.stop)
        self._before_close: list[Callable[[], None]] = []

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yield a connection on which every statement is a transaction of its own."""
        with explained_schema_errors(self.url), self._pool.connection() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield a connection inside a transaction, which an exception rolls back."""
        with explained_schema_errors(self.url), self._pool.connection() as connection, connection.transaction():
            yield connection

    def require_supported_schema(self) -> None:
        """Raise `ConfigurationError` if a newer release has ended the support of this one."""
        with self._pool.connection() as connection:
            problem = newer_schema_problem(connection)
        if problem is not None:
            raise ConfigurationError(problem)

    def before_close(self, action: Callable[[], None]) -> None:
        """Call a function before the connections are closed."""
        self._before_close.append(action)

    def close(self) -> None:
        """Close all connections."""
        while self._before_close:
            self._before_close.pop()()
        self._stop_watch()
        self._pool.close()


def open_database(environment: Environment) -> Database:
    """Return the database of an environment, with its schema up to date. Raises `ConfigurationError`."""
    url = database_url(environment)
    with open_connection(url) as connection:
        upgrade_schema(connection, url)
    return Database(url)


@contextmanager
def explained_schema_errors(url: str) -> Iterator[None]:
    """Replace an error of a missing table, column or function if a newer release has removed it.

    Raises `ConfigurationError` in its place.
    """
    try:
        yield
    except (psycopg.errors.ProgrammingError, psycopg.errors.NotNullViolation):
        problem = None
        # Whatever else is wrong, the first error is the one to show.
        with (
            contextlib.suppress(psycopg.Error, ConfigurationError),
            contextlib.closing(
                connect(url, application_name=APPLICATION_NAME, connect_timeout=CONNECT_TIMEOUT_SECONDS)
            ) as connection,
        ):
            problem = newer_schema_problem(connection)
        if problem is None:
            raise
        raise ConfigurationError(problem) from None


@contextmanager
def open_connection(url: str) -> Iterator[Connection]:
    """Yield a connection outside of any pool. Raises `ConfigurationError` with the reason if there is none."""
    try:
        with connect(url, application_name=APPLICATION_NAME, connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            encoding = connection.info.parameter_status("server_encoding")
            if encoding != ENCODING:
                raise ConfigurationError(
                    f"the database {connection.info.dbname} is encoded in {encoding}, which cannot represent every "
                    "language: create one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and configure it "
                    "in COPILOT_PIPELINE_DATABASE_URL."
                )
            if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
                raise ConfigurationError(
                    "the database is a standby, which cannot be written to: name the primary server in "
                    "COPILOT_PIPELINE_DATABASE_URL."
                )
            refuse_transaction_pooling(connection, url)
            with ReaderWatch(url):  # a reader's lock must not keep a migration waiting
                yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"the database user may not create the schema or read its tables: {_first_line(error)}. Grant it CREATE on "
            "the database, or configure another user in COPILOT_PIPELINE_DATABASE_URL."
        ) from None
    except psycopg.OperationalError as error:
        raise ConfigurationError(
            f"the database does not answer: {_first_line(error)}. Check COPILOT_PIPELINE_DATABASE_URL."
        ) from None


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
