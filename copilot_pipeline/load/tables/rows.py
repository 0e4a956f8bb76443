"""Build Arrow tables from rows by column name, never by position."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import pyarrow as pa

from copilot_pipeline.clients.text import clean_text
from copilot_pipeline.load.tables.model import Table


def rows_to_arrow(table: Table, rows: Sequence[object]) -> pa.Table:
    """Return the rows as Arrow.

    Each row has an attribute for every column of `table`.
    """
    columns = {name: list(map(attrgetter(name), rows)) for name in table.column_names}
    return _to_arrow(table, columns)


def columns_to_arrow(table: Table, columns: object) -> pa.Table:
    """Return the columns as Arrow.

    `columns` has a sequence of values for every column of `table`.
    """
    values = {name: getattr(columns, name) for name in table.column_names}
    return _to_arrow(table, values)


def _to_arrow(table: Table, columns: dict[str, list[Any]]) -> pa.Table:
    try:
        return pa.table(columns, schema=table.arrow_schema)
    except UnicodeEncodeError:  # a lone surrogate, which neither store can hold
        cleaned = {name: [_clean(value) for value in values] for name, values in columns.items()}
        return pa.table(cleaned, schema=table.arrow_schema)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value
