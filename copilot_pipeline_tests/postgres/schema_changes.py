"""What a change of the schema takes from processes of the release before, and what it demands of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]

_COLUMNS = """
SELECT format('%s.%s', relation, attname), format_type(atttypid, atttypmod)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
CROSS JOIN LATERAL (SELECT format('%s.%s', relnamespace::regnamespace, relname) AS relation) AS named
WHERE relnamespace IN ('copilot'::regnamespace, 'copilot_ops'::regnamespace) AND relkind IN ('r', 'p', 'v', 'm')
  AND attnum > 0 AND NOT attisdropped
"""
_FUNCTIONS = """
SELECT format('%s.%s', pronamespace::regnamespace, proname), pg_get_function_identity_arguments(oid)
  || ' -> ' || pg_get_function_result(oid)
FROM pg_proc WHERE pronamespace IN ('copilot'::regnamespace, 'copilot_ops'::regnamespace)
"""
# Triggers before or instead of a change, or for each row; those after a statement only record that it happened.
# Of each: the table, and what it demands of a row. A primary key is a unique index and columns that are not null.
_DEMANDS = """
SELECT attrelid::regclass::text, format('a value of %s', attname)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace IN ('copilot'::regnamespace, 'copilot_ops'::regnamespace) AND relkind IN ('r', 'p')
  AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef AND attidentity = ''
UNION ALL
SELECT conrelid::regclass::text, format('the constraint %s', conname) FROM pg_constraint
WHERE connamespace IN ('copilot'::regnamespace, 'copilot_ops'::regnamespace) AND contype IN ('c', 'f', 'x')
UNION ALL
SELECT indrelid::regclass::text, format('the unique index %s', relname) FROM pg_index JOIN pg_class ON oid = indexrelid
WHERE relnamespace IN ('copilot'::regnamespace, 'copilot_ops'::regnamespace) AND indisunique
UNION ALL
SELECT tgrelid::regclass::text, format('the trigger %s', tgname) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace IN ('copilot'::regnamespace, 'copilot_ops'::regnamespace) AND NOT tgisinternal
  AND tgtype & (1 | 2 | 64) <> 0
"""


@dataclass(frozen=True, slots=True)
class Schema:
    """What statements of a release can rely on: columns with their types, functions, and what tables demand."""

    columns: dict[str, str]
    functions: dict[str, frozenset[str]]
    demands: frozenset[tuple[str, str]]

    @property
    def tables(self) -> frozenset[str]:
        """Tables and views, with their schema."""
        return frozenset(column.rpartition(".")[0] for column in self.columns)


def read_schema(connection: Connection) -> Schema:
    """Read the schema of a database."""
    connection.execute("SET LOCAL search_path = pg_catalog")
    functions: dict[str, set[str]] = {}
    for name, signature in connection.execute(_FUNCTIONS).fetchall():
        functions.setdefault(name, set()).add(signature)
    return Schema(
        dict(connection.execute(_COLUMNS).fetchall()),
        {name: frozenset(signatures) for name, signatures in functions.items()},
        frozenset((table, demand) for table, demand in connection.execute(_DEMANDS.encode()).fetchall()),
    )


def breaking_changes(before: Schema, after: Schema) -> list[str]:
    """Return what statements of the earlier release would meet. Changed definitions of constraints are not compared."""
    tables_before, tables_after = before.tables, after.tables
    changes = [f"removes the table {table}" for table in sorted(tables_before - tables_after)]
    for column, kind in sorted(before.columns.items()):
        if column.rpartition(".")[0] in tables_after:
            now = after.columns.get(column)
            if now is None:
                changes.append(f"removes the column {column}")
            elif now != kind:
                changes.append(f"changes the type of {column} from {kind} to {now}")
    for name, signatures in sorted(before.functions.items()):
        if after.functions.get(name) != signatures:
            changes.append(f"changes or removes the function {name}: give the new one another name")
    for table, demand in sorted(after.demands - before.demands):
        if table in tables_before:
            changes.append(f"demands {demand} of {table}")
    return changes
