"""Statements that run per batch or per partition use indexes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
from psycopg import sql

from copilot_pipeline.load.tables import CALL_TABLES, SCORE_TABLES, Column, Kind, Table
from copilot_pipeline.load.warehouse.loader import DELETE_DAY, DELETE_MOVED, SELECT_MOVED
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.migrate import run_migrations
from copilot_pipeline.postgres.queries import load_queries

ROWS = 60_000
ROWS_PER_DAY = 200
TABLES = (*CALL_TABLES, *SCORE_TABLES)
PARAMETERS = {
    "day": date(2026, 6, 1),
    "call_ids": [f"c-{number}" for number in range(30_000, 30_050)],
    "since": date(2026, 10, 20),
}
VALUES = {
    Kind.TEXT: sql.SQL("'c-' || number"),
    Kind.INTEGER: sql.SQL("number"),
    Kind.NUMBER: sql.SQL("1.0"),
    Kind.BOOLEAN: sql.SQL("true"),
    Kind.DATE: sql.SQL("date '2026-01-01' + number / {per_day}").format(per_day=sql.Literal(ROWS_PER_DAY)),
    Kind.MOMENT: sql.SQL("timestamptz '2026-01-01 UTC'"),
}


def fill(table: Table) -> sql.Composed:
    """The statement that fills the required columns of a table, in the order of days."""
    required = [column for column in table.columns if column.required]
    return sql.SQL("INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, {rows}) AS number").format(
        table=table_identifier(table),
        columns=sql.SQL(", ").join(sql.Identifier(column.name) for column in required),
        values=sql.SQL(", ").join(map(value, required)),
        rows=sql.Literal(ROWS),
    )


def value(column: Column) -> sql.Composable:
    """The expression for a column; kits are few, as in production."""
    return sql.SQL("'kit-' || number % 3") if column.name == "kit" else VALUES[column.kind]


@pytest.fixture(scope="module")
def filled(server_url: str) -> Iterator[Database]:
    """A database with 300 days in each partitioned table."""
    url = server_url.replace("/postgres?", "/filled_warehouse?")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE filled_warehouse")
    run_migrations(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(fill(table))
            connection.execute(sql.SQL("VACUUM ANALYZE {table}").format(table=table_identifier(table)))
    database = Database(url)
    yield database
    database.close()


def scanned_tables(database: Database, statement: sql.Composable | str) -> set[str]:
    """The tables that the plan of a statement scans sequentially."""
    query = statement.as_string(None) if isinstance(statement, sql.Composable) else statement
    with database.connection() as connection:
        row = connection.execute(f"EXPLAIN (FORMAT JSON) {query}".encode(), PARAMETERS).fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return {str(node["Relation Name"]) for node in nodes(plan[0]["Plan"]) if node["Node Type"].endswith("Seq Scan")}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("statement", [DELETE_DAY, SELECT_MOVED, DELETE_MOVED], ids=["day", "select moved", "moved"])
def test_loading_a_partition_does_not_scan_its_tables(filled: Database, table: Table, statement: sql.SQL) -> None:
    assert scanned_tables(filled, statement.format(table=table_identifier(table))) == set()


@pytest.mark.parametrize("name", ["versions", "bricks"])
def test_kit_changes_read_the_scores_of_recent_days_only(filled: Database, name: str) -> None:
    statement = load_queries("copilot_pipeline.score", "kit_changes.sql")[name]
    assert "semarize_scores" not in scanned_tables(filled, statement)
