"""Every table is a place that is searched, and every column of bytes has a form."""

from __future__ import annotations

from dagster_postgres import DagsterPostgresStorage

from copilot_pipeline.load.tables import RAW_CALL_DETAILS, WAREHOUSE_TABLES
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_values
from copilot_pipeline.privacy.places import DAGSTER_SCHEMA, LAKE_TABLES, SCHEMAS, TABLES

_SQL = load_queries("copilot_pipeline.privacy", "table_places.sql")
_BYTES = """SELECT table_schema || '.' || table_name || '.' || column_name FROM information_schema.columns
JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_type = 'BASE TABLE' AND table_schema = ANY(%(schemas)s) AND udt_name IN ('bytea', '_bytea', 'json')"""
_IDS = """SELECT table_schema || '.' || table_name || '.' || column_name FROM information_schema.columns
JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_type = 'BASE TABLE' AND table_schema = ANY(%(schemas)s)
  AND (column_name LIKE '%%call\\_id' OR column_name LIKE '%%call\\_ids')"""


def test_every_table_is_a_place_and_every_column_of_bytes_has_a_form(database: Database) -> None:
    """A new table must be added to `privacy/places.py`, and a place whose table is gone must be removed.

    Text, lists and JSON are recognized by the type of their column; what bytes hold must be said.
    """
    DagsterPostgresStorage(database.url, should_autocreate_tables=True)
    with database.connection() as connection:
        tables = set(fetch_values(connection, _SQL["tables"], {"schemas": list(SCHEMAS)}))
        columns = set(fetch_values(connection, _BYTES, {"schemas": list(SCHEMAS)}))
    assert {place.name for place in TABLES} == tables
    assert len(TABLES) == len(tables)
    assert {f"{place.name}.{column}" for place in TABLES for column in place.forms} == columns


def test_every_column_of_call_ids_is_known(database: Database) -> None:
    """A row of an erased call is found by its id, in whichever column it is."""
    with database.connection() as connection:
        columns = set(fetch_values(connection, _IDS, {"schemas": [s for s in SCHEMAS if s != DAGSTER_SCHEMA]}))
    known = {f"{place.name}.{column}" for place in TABLES for column in place.calls}
    assert columns - known == set()
    assert known - columns == {"copilot_ops.inbox.external_id"}


def test_every_table_of_the_lake_is_a_place() -> None:
    """A new table of the lake must be added to `privacy/places.py`."""
    assert {place.table for place in LAKE_TABLES} == {RAW_CALL_DETAILS, *WAREHOUSE_TABLES}
