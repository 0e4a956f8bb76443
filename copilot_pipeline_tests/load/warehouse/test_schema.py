"""The migrated database has the tables, views and comments of the column list."""

from __future__ import annotations

from alembic.config import Config
from alembic.script import ScriptDirectory

from copilot_pipeline.load.tables import VIEWS, WAREHOUSE_TABLES
from copilot_pipeline.load.warehouse import refresh_kit_views
from copilot_pipeline.postgres import Database, migrate
from copilot_pipeline_tests.load.warehouse.rows import load_scores, score


def test_tables_have_the_columns_and_comments_of_the_column_list(database: Database) -> None:
    """Names, types, nullability, order and comments are equal."""
    with database.connection() as connection:
        rows = connection.execute(
            """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                      col_description(c.oid, a.attnum), obj_description(c.oid)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'copilot'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
              AND NOT a.attisdropped ORDER BY c.relname, a.attnum"""
        ).fetchall()
    types = {"timestamptz": "timestamp with time zone"}
    expected = [
        (
            table.name,
            column.name,
            types.get(column.kind.postgres, column.kind.postgres),
            column.required,
            column.description,
            table.description,
        )
        for table in sorted(WAREHOUSE_TABLES, key=lambda table: table.name)
        for column in table.columns
    ]
    assert rows == expected


def test_views_have_the_comments_of_the_column_list(database: Database) -> None:
    """Each view, its columns and their descriptions are in the list."""
    with database.connection() as connection:
        rows = connection.execute(
            """SELECT c.relname, obj_description(c.oid), a.attname, col_description(c.oid, a.attnum)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'copilot'::regnamespace AND c.relkind = 'v' AND a.attnum > 0"""
        ).fetchall()
    expected = {
        (view.name, view.description, column.name, column.description) for view in VIEWS for column in view.columns
    }
    assert set(rows) == expected


def test_every_view_and_its_columns_have_comments(database: Database) -> None:
    """Also the views of the kits, which are created at run time."""
    load_scores(database, score("champion", True, kit="deal"))
    refresh_kit_views(database, ["deal"])
    with database.connection() as connection:
        rows = connection.execute(
            """SELECT c.relname, a.attname, obj_description(c.oid), col_description(c.oid, a.attnum)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'copilot'::regnamespace AND c.relkind = 'v' AND a.attnum > 0"""
        ).fetchall()
    assert {"win_drivers", "scores_deal"} <= {row[0] for row in rows}
    assert [row for row in rows if not (row[2] and row[3])] == []


def test_head_is_the_newest_migration() -> None:
    """`migrate.HEAD`, compared at start-up, is the newest revision."""
    config = Config()
    config.set_main_option("script_location", str(migrate.__file__).replace("migrate.py", "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD
