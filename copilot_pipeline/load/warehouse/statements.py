"""SQL that is generated from the column list."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from copilot_pipeline.load.tables import WAREHOUSE_TABLES, Column, Kind, Table

SCHEMA = "copilot"


def table_identifier(table: Table) -> sql.Identifier:
    """Return the quoted name of a table in the warehouse."""
    return sql.Identifier(SCHEMA, table.name)


def create_statements(names: Sequence[str]) -> str:
    """Return the SQL that creates tables, for a migration.

    Run this module with table names to print it.
    """
    tables = {table.name: table for table in WAREHOUSE_TABLES}
    return "\n".join(statement for name in names for statement in table_statements(tables[name])) + "\n"


def table_statements(table: Table) -> list[str]:
    """Return CREATE TABLE, indexes and comments of one table."""
    name = f"{SCHEMA}.{table.name}"
    columns = [f"  {column.name} {_type_of(table, column)}" for column in table.columns]
    body = ",\n".join([*columns, f"  PRIMARY KEY ({', '.join(table.key)})"])
    statements = [f"CREATE TABLE {name} (\n{body}\n);", f"COMMENT ON TABLE {name} IS {quoted(table.description)};"]
    statements += [
        f"ALTER TABLE {name} ALTER COLUMN {column.name} SET STORAGE EXTERNAL;"
        for column in table.columns
        if column.is_long
    ]
    if table.partitioned:
        statements.append(f"CREATE INDEX {table.name}_by_call_date ON {name} (call_date);")
    statements += [
        f"COMMENT ON COLUMN {name}.{column.name} IS {quoted(column.description)};" for column in table.columns
    ]
    return statements


def _type_of(table: Table, column: Column) -> str:
    # Keys are ordered byte by byte, as in Python: faster than a language's collation, and the same on every system.
    collation = ' COLLATE "C"' if column.kind is Kind.TEXT and column.name in table.key else ""
    return f"{column.kind.postgres}{collation}{' NOT NULL' if column.required else ''}"


def quoted(text: str) -> str:
    """Return the text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    import sys

    sys.stdout.write(create_statements(sys.argv[1:]))
