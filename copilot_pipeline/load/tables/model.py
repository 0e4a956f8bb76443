"""Columns and tables, and the Arrow and PostgreSQL type of each kind of column."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

# An entry of a PostgreSQL index has at most 2,704 bytes, which the columns of a key share.
MAX_CALL_ID_BYTES = 1024  # longer ones are quarantined when they are listed
MAX_ID_BYTES = 500
MAX_COMPOSED_ID_BYTES = 2000  # of a value that is the whole key
MAX_TEXT_CHARS = 2000


class Kind(Enum):
    """The type of a column: (PostgreSQL, Arrow)."""

    TEXT = ("text", pa.string())
    TEXTS = ("text[]", pa.list_(pa.string()))
    INTEGER = ("bigint", pa.int64())
    NUMBER = ("double precision", pa.float64())
    BOOLEAN = ("boolean", pa.bool_())
    DATE = ("date", pa.date32())
    MOMENT = ("timestamptz", pa.timestamp("us", tz="UTC"))
    JSON = ("jsonb", pa.string())
    BYTES = ("bytea", pa.binary())

    def __init__(self, postgres: str, arrow: pa.DataType) -> None:
        self.postgres = postgres
        self.arrow = arrow


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `required` columns are never null.

    A longer text than `max_chars` is cut. A longer id than `max_bytes` is shortened to a prefix and a hash, the same in
    every table, so that joins still work. Text without either has no limit: it is in no index.
    """

    name: str
    kind: Kind
    description: str
    required: bool = False
    is_long: bool = False  # pages of text, stored uncompressed: compression would take longer than the rest of the load
    max_chars: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the lake and, if `in_warehouse`, of schema `copilot` in PostgreSQL."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partitioned: bool = True  # by call_date; other tables are replaced as a whole
    in_warehouse: bool = True

    @property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema, with descriptions as field metadata."""
        return pa.schema(
            [
                pa.field(
                    column.name,
                    column.kind.arrow,
                    nullable=not column.required,
                    metadata={"description": column.description},
                )
                for column in self.columns
            ]
        )

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)


def text(name: str, description: str, *, required: bool = False, max_chars: int = MAX_TEXT_CHARS) -> Column:
    """Return a text column for names and other short texts."""
    return Column(name, Kind.TEXT, description, required, max_chars=max_chars)


def long_text(name: str, description: str, *, required: bool = False) -> Column:
    """Return a text column without a limit, for what people or models wrote or said. It must not be in a key."""
    return Column(name, Kind.TEXT, description, required)


def identifier(name: str, description: str, *, required: bool = False, max_bytes: int = MAX_ID_BYTES) -> Column:
    """Return a text column for ids, addresses and other values that tables are joined by."""
    return Column(name, Kind.TEXT, description, required, max_bytes=max_bytes)


def integer(name: str, description: str, *, required: bool = False) -> Column:
    """Return an integer column."""
    return Column(name, Kind.INTEGER, description, required)


def number(name: str, description: str, *, required: bool = False) -> Column:
    """Return a floating-point column."""
    return Column(name, Kind.NUMBER, description, required)


def boolean(name: str, description: str, *, required: bool = False) -> Column:
    """Return a boolean column."""
    return Column(name, Kind.BOOLEAN, description, required)


def moment(name: str, description: str, *, required: bool = False) -> Column:
    """Return a timestamp column (UTC)."""
    return Column(name, Kind.MOMENT, description, required)


def json(name: str, description: str) -> Column:
    """Return a JSON column, which is text in Arrow."""
    return Column(name, Kind.JSON, description)


def texts(name: str, description: str, *, max_chars: int | None = MAX_TEXT_CHARS) -> Column:
    """Return a column of text lists. `max_chars` applies to each item; None: no limit."""
    return Column(name, Kind.TEXTS, description, max_chars=max_chars)


def identifiers(name: str, description: str) -> Column:
    """Return a column of lists of ids."""
    return Column(name, Kind.TEXTS, description, max_bytes=MAX_ID_BYTES)


CALL_ID = identifier("call_id", "Call id of Clari Copilot.", required=True, max_bytes=MAX_CALL_ID_BYTES)
CALL_DATE = Column(
    "call_date",
    Kind.DATE,
    "Day of the call's start time in the configured time zone (default UTC); the partition of partitioned tables.",
    required=True,
)
