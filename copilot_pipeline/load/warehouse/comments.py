"""Print `COMMENT ON` statements for all tables, views and columns.

Run `python -m copilot_pipeline.load.warehouse.comments` for a new migration after a description has changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from copilot_pipeline.load.tables import VIEWS, WAREHOUSE_TABLES, Column
from copilot_pipeline.load.warehouse.statements import quoted


def comments() -> str:
    """Return one statement per line, in the order of the column list."""
    lines: list[str] = []
    for table in WAREHOUSE_TABLES:
        lines += _comments("TABLE", table.name, table.description, table.columns)
    for view in VIEWS:
        lines += _comments("VIEW", view.name, view.description, view.columns)
    return "\n".join(lines) + "\n"


def _comments(kind: str, name: str, description: str, columns: Sequence[Column]) -> Iterator[str]:
    yield f"COMMENT ON {kind} copilot.{name} IS {quoted(description)};"
    for column in columns:
        yield f"COMMENT ON COLUMN copilot.{name}.{column.name} IS {quoted(column.description)};"


if __name__ == "__main__":
    print(comments(), end="")  # noqa: T201
