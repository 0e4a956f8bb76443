"""Print `COMMENT ON` statements for all tables and columns of the warehouse, for a new migration.

Run `python -m copilot_pipeline.load.warehouse.comments` after a description in the column list has changed.
"""

from __future__ import annotations

from copilot_pipeline.load.tables import WAREHOUSE_TABLES


def comments() -> str:
    """Return one statement a line, in the order of the column list."""
    lines = []
    for table in WAREHOUSE_TABLES:
        lines.append(f"COMMENT ON TABLE copilot.{table.name} IS {_literal(table.description)};")
        lines += [
            f"COMMENT ON COLUMN copilot.{table.name}.{column.name} IS {_literal(column.description)};"
            for column in table.columns
        ]
    return "\n".join(lines) + "\n"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    print(comments(), end="")  # noqa: T201
