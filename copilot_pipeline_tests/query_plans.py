"""Filled databases and the plans of statements on them, for tests that forbid sequential scans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.migrate import run_migrations


@contextmanager
def migrated_database(server_url: str, name: str) -> Iterator[Database]:
    """Create a database with the schema of this release; close its connections at the end of the block."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = server_url.replace("/postgres?", f"/{name}?")
    run_migrations(url)
    database = Database(url)
    yield database
    database.close()


def scanned_tables(database: Database, statement: str, parameters: Mapping[str, Any]) -> set[str]:
    """Return the tables that the plan of a statement scans sequentially."""
    with database.connection() as connection:
        row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}".encode(), parameters).fetchone()
    assert row is not None
    return scanned_in(row[0][0]["Plan"])


def scanned_in(plan: Mapping[str, Any]) -> set[str]:
    """Return the tables that a plan, or a part of one, scans sequentially."""
    own = {str(plan["Relation Name"])} if plan["Node Type"].endswith("Seq Scan") else set()
    return own.union(*(scanned_in(part) for part in plan.get("Plans", [])))


def blocks_read(connection: psycopg.Connection[Any], statement: str, parameters: Mapping[str, Any]) -> int:
    """Execute a statement and return the blocks of 8 KB that it read, of tables and indexes, cached or not."""
    row = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}".encode(), parameters).fetchone()
    assert row is not None
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
