"""Build Arrow tables from rows by column name, never by position."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import pyarrow as pa

from copilot_pipeline.load.tables.model import Table


def rows_to_arrow(table: Table, rows: Sequence[object]) -> pa.Table:
    """Return the rows as Arrow.

    Each row has an attribute for every column of `table`.
    """
    columns = {name: list(map(attrgetter(name), rows)) for name in table.column_names}
    return pa.table(columns, schema=table.arrow_schema)


def columns_to_arrow(table: Table, columns: object) -> pa.Table:
    """Return the columns as Arrow.

    `columns` has a sequence of values for every column of `table`.
    """
    values = {name: getattr(columns, name) for name in table.column_names}
    return pa.table(values, schema=table.arrow_schema)
