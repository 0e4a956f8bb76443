"""The rows of the marts against their tables."""

from __future__ import annotations

import pytest

from copilot_pipeline.load.tables import Table
from copilot_pipeline.load.tables.marts import MART_TABLES
from copilot_pipeline.marts.build import MART_ROWS


def test_every_mart_has_a_row_type() -> None:
    """A new table needs an entry."""
    assert set(MART_ROWS) == {table.name for table in MART_TABLES}


@pytest.mark.parametrize("table", MART_TABLES, ids=lambda table: table.name)
def test_fields_of_a_row_are_the_columns_of_its_table(table: Table) -> None:
    """Rows are written by position, so names and order must match."""
    assert MART_ROWS[table.name]._fields == tuple(column.name for column in table.columns)  # type: ignore[attr-defined]
