"""`copilot-pipeline migrate`: applies what is missing, and only says it with `--check`."""

from __future__ import annotations

import json

import psycopg
import pytest

from copilot_pipeline.postgres.migrate import HEAD, run_migrations
from copilot_pipeline_tests.cli.conftest import Command


@pytest.mark.usefixtures("empty_database")
def test_check_lists_what_is_missing_and_changes_nothing(command: Command, database_address: str) -> None:
    """Exit code 1 while something is missing; `migrate` applies it, and then the check exits with 0."""
    assert command("migrate", "--check").code == 1
    with psycopg.connect(database_address, autocommit=True) as connection:
        assert connection.execute("SELECT to_regnamespace('copilot_ops')").fetchone() == (None,)
    run_migrations(database_address, "0031")
    result = command("migrate", "--check", "--json")
    found = json.loads(result.out)
    assert result.code == 1
    assert found["schema"] == "0031"
    assert found["missing"][0] == {"version": "0032", "description": "Phone numbers of participants"}
    applied = command("migrate")
    assert applied.code == 0
    assert f"The schema is {HEAD} now; {len(found['missing'])} migrations were applied." in applied.out
    done = command("migrate", "--check", "--json")
    assert json.loads(done.out) == {"release": HEAD, "schema": HEAD, "is_complete": True, "missing": []}
    assert done.code == 0


def test_a_newer_schema_is_named(command: Command, database_address: str) -> None:
    """If it supports this release there is nothing to do; otherwise one sentence and exit code 3."""
    assert command("migrate").code == 0
    with psycopg.connect(database_address, autocommit=True) as connection:
        connection.execute("UPDATE copilot_ops.alembic_version SET version_num = '9999'")
        connection.execute("UPDATE copilot_ops.schema_compatibility SET version = '9999'")
        assert command("migrate").out == f"The schema is 9999, of a newer release; it supports this one ({HEAD}).\n"
        connection.execute("UPDATE copilot_ops.schema_compatibility SET oldest_supported = '9999'")
    refused = command("migrate", "--check")
    assert refused.code == 3
    assert "was upgraded to 9999 by a newer release" in refused.err
    assert len(refused.err.splitlines()) <= 4
