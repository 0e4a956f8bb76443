"""SQL made from the column list."""

from __future__ import annotations

from collections.abc import Sequence

from copilot_pipeline.load.tables import WAREHOUSE_TABLES, Column, Kind, Table

SCHEMA = "copilot"


def create_statements(names: Sequence[str]) -> str:
    """The SQL that creates some tables: what a migration holds. Run this module with their names to print it."""
    tables = {table.name: table for table in WAREHOUSE_TABLES}
    return "\n".join(statement for name in names for statement in table_statements(tables[name])) + "\n"


def table_statements(table: Table) -> list[str]:
    """CREATE, indexes and comments of one table."""
    name = f"{SCHEMA}.{table.name}"
    columns = [f"  {column.name} {_type_of(table, column)}" for column in table.columns]
    body = ",\n".join([*columns, f"  PRIMARY KEY ({', '.join(table.key)})"])
    statements = [f"CREATE TABLE {name} (\n{body}\n);", f"COMMENT ON TABLE {name} IS {_quoted(table.description)};"]
    statements += [
        f"ALTER TABLE {name} ALTER COLUMN {column.name} SET STORAGE EXTERNAL;"
        for column in table.columns
        if column.is_long
    ]
    if table.partitioned:
        # A day's rows lie together because a day is loaded at once: a block-range index finds them at almost no cost.
        statements.append(f"CREATE INDEX {table.name}_by_date ON {name} USING brin (call_date) WITH (autosummarize);")
    statements += [
        f"COMMENT ON COLUMN {name}.{column.name} IS {_quoted(column.description)};" for column in table.columns
    ]
    return statements


def _type_of(table: Table, column: Column) -> str:
    # Ids are compared byte by byte, as Python orders them: quicker than a language's rules, and the same everywhere.
    collation = ' COLLATE "C"' if column.kind is Kind.TEXT and column.name in table.key else ""
    return f"{column.kind.postgres}{collation}{' NOT NULL' if column.required else ''}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    import sys

    sys.stdout.write(create_statements(sys.argv[1:]))
