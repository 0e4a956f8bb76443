"""Read rows by column name, or the values of a single column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from psycopg.rows import kwargs_row, scalar_row

from copilot_pipeline.postgres.connections import Connection

Row = TypeVar("Row")
Parameters = Mapping[str, Any] | None


def fetch_all(
    connection: Connection, make: Callable[..., Row], statement: str, parameters: Parameters = None
) -> list[Row]:
    """Return all rows; `make`, often a dataclass, is called with the columns as keyword arguments."""
    with connection.cursor(row_factory=kwargs_row(make)) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def fetch_one(
    connection: Connection, make: Callable[..., Row], statement: str, parameters: Parameters = None
) -> Row | None:
    """Return the first row, None if there is none."""
    with connection.cursor(row_factory=kwargs_row(make)) as cursor:
        return cursor.execute(statement, parameters).fetchone()


def fetch_values(connection: Connection, statement: str, parameters: Parameters = None) -> list[Any]:
    """Return the values of the only column."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def fetch_value(connection: Connection, statement: str, parameters: Parameters = None) -> Any:
    """Return the value of the only column of the first row, None if there is no row."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(statement, parameters).fetchone()
