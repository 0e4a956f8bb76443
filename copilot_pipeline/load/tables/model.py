"""What a column and a table are, and how each kind of column is called in Arrow and in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import pyarrow as pa


class Kind(Enum):
    """A column's type: (Arrow, PostgreSQL)."""

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
    """One column. `required` columns are never null."""

    name: str
    kind: Kind
    description: str
    required: bool = False
    is_long: bool = False  # pages of text, stored as they are: compressing them costs more than the rest of the load


@dataclass(frozen=True, slots=True)
class Table:
    """One table: in the lake under its name, in Postgres (where `in_warehouse`) in schema `copilot`."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partitioned: bool = True  # by call_date; the others are small snapshots
    in_warehouse: bool = True

    @property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema, descriptions included as field metadata."""
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
        """The columns, in order."""
        return tuple(column.name for column in self.columns)


def text(name: str, description: str, *, required: bool = False) -> Column:
    """A text column."""
    return Column(name, Kind.TEXT, description, required)


def integer(name: str, description: str, *, required: bool = False) -> Column:
    """A whole number."""
    return Column(name, Kind.INTEGER, description, required)


def number(name: str, description: str, *, required: bool = False) -> Column:
    """A floating-point number."""
    return Column(name, Kind.NUMBER, description, required)


def boolean(name: str, description: str, *, required: bool = False) -> Column:
    """True or false."""
    return Column(name, Kind.BOOLEAN, description, required)


def moment(name: str, description: str, *, required: bool = False) -> Column:
    """A point in time, UTC."""
    return Column(name, Kind.MOMENT, description, required)


def json(name: str, description: str) -> Column:
    """JSON, as text in Arrow."""
    return Column(name, Kind.JSON, description)


def texts(name: str, description: str) -> Column:
    """A list of texts."""
    return Column(name, Kind.TEXTS, description)


CALL_ID = text("call_id", "Clari Copilot's id of the call.", required=True)
CALL_DATE = Column("call_date", Kind.DATE, "The partition: the day of the call's time.", required=True)
