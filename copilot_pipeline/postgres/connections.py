"""Connections to PostgreSQL, and the schema brought up to date on the first one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.embedded import database_url
from copilot_pipeline.postgres.migrate import upgrade_schema

Connection = psycopg.Connection[tuple[Any, ...]]
CONNECT_TIMEOUT_SECONDS = 10
MOST_CONNECTIONS = 24
ENCODING = "UTF8"


class Database:
    """A pool of autocommitting connections. `transaction()` is the only way to do several things as one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url,
            min_size=1,
            max_size=MOST_CONNECTIONS,
            open=False,
            kwargs={"autocommit": True, "application_name": "copilot-pipeline"},
        )
        self._pool.open()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in which every statement is its own transaction."""
        with self._pool.connection() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection in which everything happens, or nothing."""
        with self._pool.connection() as connection, connection.transaction():
            yield connection

    def close(self) -> None:
        """Closes every connection."""
        self._pool.close()


def open_database(environment: Environment) -> Database:
    """The database in use, its schema up to date."""
    url = database_url(environment)
    with open_connection(url) as connection:
        upgrade_schema(connection, url)
    return Database(url)


@contextmanager
def open_connection(url: str) -> Iterator[Connection]:
    """A connection for a moment. Raises `ConfigurationError` where this database cannot be used, and says why."""
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS, autocommit=True) as connection:
            encoding = connection.info.parameter_status("server_encoding")
            if encoding != ENCODING:
                raise ConfigurationError(
                    f"the database {connection.info.dbname} is encoded in {encoding}, which cannot hold every "
                    "language: make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name it in "
                    "COPILOT_PIPELINE_DATABASE_URL."
                )
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"the database user may not create or read what the pipeline keeps there: {_first_line(error)}. Grant it "
            "CREATE on the database, or name another user in COPILOT_PIPELINE_DATABASE_URL."
        ) from None
    except psycopg.OperationalError as error:
        raise ConfigurationError(
            f"the database does not answer: {_first_line(error)}. Check COPILOT_PIPELINE_DATABASE_URL."
        ) from None


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
