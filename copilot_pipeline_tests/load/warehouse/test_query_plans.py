"""Statements that run per batch or per partition use indexes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from psycopg import sql

from copilot_pipeline.load.tables import CALL_TABLES, PARTICIPANTS, SCORE_TABLES, Column, Kind, Table
from copilot_pipeline.load.warehouse.checksums import CHECKSUM_OF_CALLS, CHECKSUM_OF_DAY, DELETE_CALLS, DELETE_OTHERS
from copilot_pipeline.load.warehouse.day_writers import DELETE_DAY
from copilot_pipeline.load.warehouse.loader import DELETE_MOVED, SELECT_MOVED
from copilot_pipeline.load.warehouse.statements import table_identifier
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_value
from copilot_pipeline_tests.query_plans import blocks_read, migrated_database, scanned_tables

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

STATEMENTS = {
    "day": DELETE_DAY,
    "select moved": SELECT_MOVED,
    "moved": DELETE_MOVED,
    "checksum of day": CHECKSUM_OF_DAY,
    "checksum of calls": CHECKSUM_OF_CALLS,
    "calls": DELETE_CALLS,
    "others": DELETE_OTHERS,
}
FEW = {
    "deal_value_raw": sql.SQL("(number % 50)::text"),
    "deal_id": sql.SQL("nullif('d-' || number % 50, 'd-0')"),
    "account_id": sql.SQL("nullif('a-' || number % 50, 'a-0')"),
    "kit": sql.SQL("'kit-' || number % 3"),
    "brick": sql.SQL("'brick-' || number % 7"),
    "value_kind": sql.SQL("CASE WHEN number % 5 = 0 THEN 'null' ELSE 'kind-' || number % 2 END"),
}


def fill(table: Table) -> sql.Composed:
    """The statement that fills the required columns of a table and the amounts, in the order of days."""
    required = [column for column in table.columns if column.required or column.name in FEW]
    return sql.SQL("INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, {rows}) AS number").format(
        table=table_identifier(table),
        columns=sql.SQL(", ").join(sql.Identifier(column.name) for column in required),
        values=sql.SQL(", ").join(map(value, required)),
        rows=sql.Literal(ROWS),
    )


def value(column: Column) -> sql.Composable:
    """The expression for a column; kits, bricks and kinds of values are few, as in production."""
    return FEW.get(column.name, VALUES[column.kind])


@pytest.fixture(scope="module")
def filled(server_url: str) -> Iterator[Database]:
    """A database with 300 days in each partitioned table."""
    with migrated_database(server_url, "filled_warehouse") as database:
        with database.connection() as connection:
            for table in TABLES:
                connection.execute(fill(table))
                connection.execute(sql.SQL("VACUUM ANALYZE {table}").format(table=table_identifier(table)))
        yield database


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_loading_a_partition_does_not_scan_its_tables(filled: Database, table: Table, statement: sql.SQL) -> None:
    assert scanned_tables(filled, statement.format(table=table_identifier(table)).as_string(), PARAMETERS) == set()


def test_an_old_day_is_found_among_rebuilt_ones(filled: Database) -> None:
    """A rebuild, newest day first, moves rows into the space of other days; a day reads the blocks of its rows."""
    table = table_identifier(PARTICIPANTS)
    again = sql.SQL("INSERT INTO {table} SELECT * FROM day").format(table=table)
    with filled.connection() as connection:
        for number in range(ROWS // ROWS_PER_DAY, -1, -1):
            day = {"day": date(2026, 1, 1) + timedelta(days=number)}
            connection.execute(
                sql.SQL("WITH day AS ({delete} RETURNING *) {insert}").format(
                    delete=DELETE_DAY.format(table=table), insert=again
                ),
                day,
            )
            if number % 60 == 0:
                connection.execute(sql.SQL("VACUUM ANALYZE {table}").format(table=table))
        query = sql.SQL("SELECT * FROM {table} WHERE call_date = %(day)s").format(table=table)
        read = blocks_read(connection, query.as_string(), PARAMETERS)
        own = fetch_value(
            connection,
            sql.SQL("SELECT count(DISTINCT (ctid::text::point)[0]) FROM {table} WHERE call_date = %(day)s")
            .format(table=table)
            .as_string(),
            PARAMETERS,
        )
        whole = fetch_value(connection, "SELECT pg_relation_size('copilot.participants') / 8192")
    assert read <= own + 3  # the blocks of the index
    assert read < whole / 50


def test_known_bricks_are_read_without_all_scores(filled: Database) -> None:
    """Each batch reads them; a kit with a third of the scores costs a few blocks for each brick."""
    statement = load_queries("copilot_pipeline.load.warehouse", "views.sql")["bricks_of_kit"]
    with filled.connection() as connection:
        read = blocks_read(connection, statement, {"kit": "kit-1"})
        found = connection.execute(statement.encode(), {"kit": "kit-1"}).fetchall()
        expected = connection.execute(
            """SELECT brick, coalesce(array_agg(DISTINCT value_kind ORDER BY value_kind)
              FILTER (WHERE value_kind <> 'null'), '{}')
            FROM copilot.semarize_scores WHERE kit = 'kit-1' GROUP BY brick ORDER BY brick"""
        ).fetchall()
    assert found == expected
    assert len(found) == 7
    assert read < 150


def test_amounts_are_read_without_all_calls(filled: Database) -> None:
    """Each batch reads them, to tell whether a comma separates decimals; the index is searched once for each amount."""
    statement = load_queries("copilot_pipeline.extract", "crm.sql")["amounts_of_calls"]
    with filled.connection() as connection:
        assert {row[0] for row in connection.execute(statement.encode())} == {str(number) for number in range(50)}
        assert blocks_read(connection, statement, {}) < 300


@pytest.mark.parametrize("kind", ["deal", "account"])
def test_new_records_of_the_crm_are_found_without_all_calls(filled: Database, kind: str) -> None:
    """Each night reads which deals and accounts are new; the index is searched once for each of them."""
    statement = load_queries("copilot_pipeline.extract", "crm_mirror.sql")[f"{kind}s_to_read"]
    with filled.connection() as connection:
        found = [row[0] for row in connection.execute(statement.encode(), {"read_again_after": timedelta(hours=20)})]
        assert found == sorted(f"{kind[0]}-{number}" for number in range(1, 50))
        assert blocks_read(connection, statement, {"read_again_after": timedelta(hours=20)}) < 300


@pytest.mark.parametrize("name", ["versions", "bricks"])
def test_kit_changes_read_the_scores_of_recent_days_only(filled: Database, name: str) -> None:
    statement = load_queries("copilot_pipeline.score", "kit_changes.sql")[name]
    assert "semarize_scores" not in scanned_tables(filled, statement, PARAMETERS)


def test_a_search_does_not_read_all_utterances(filled: Database) -> None:
    """The functions of the view's users are inlined, so that the index on words is used."""
    parameters = {"words": "c-77", "first": date(2026, 1, 1), "last": date(2026, 12, 31), "rep": None, "limit": 20}
    statement = load_queries("copilot_pipeline.cli", "search.sql")["in_all_calls"]
    assert "utterances" not in scanned_tables(filled, statement, parameters)
