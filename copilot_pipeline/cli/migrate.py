"""`copilot-pipeline migrate`: bring the schema of the database up to date, or say what is missing."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from copilot_pipeline.cli.console import echo, print_json
from copilot_pipeline.cli.exit_codes import INCOMPLETE
from copilot_pipeline.config.loading import load_environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import database_url, open_connection
from copilot_pipeline.postgres.migrate import (
    HEAD,
    missing_migrations,
    newer_schema_problem,
    schema_version,
    upgrade_schema,
)


@click.command("migrate")
@click.option("--check", is_flag=True, help="Only say what is missing; exit with 1 if something is.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(check: bool, as_json: bool) -> None:
    """Apply the migrations that the schema of the database lacks. Each one is applied completely or not at all.

    Every command does this when it starts; this one does only this, such as before new processes are started beside old
    ones. It reads no pipeline.yaml and no lake.
    """
    url = database_url(load_environment())
    with open_connection(url) as connection:
        before = schema_version(connection)
        if (problem := newer_schema_problem(connection)) is not None:
            raise ConfigurationError(problem)
        missing = missing_migrations(before)
        if not check:
            upgrade_schema(connection, url)
        after = schema_version(connection)
    if as_json:
        migrations = [asdict(migration) for migration in missing]
        print_json(
            json.dumps({"release": HEAD, "schema": after, "is_complete": not (check and missing),
                        "missing" if check else "applied": migrations})
        )  # fmt: skip
    else:
        for migration in missing:
            echo(f"{migration.version}  {migration.description}")
        echo(_summary(after, len(missing), check=check))
    if check and missing:
        raise click.exceptions.Exit(INCOMPLETE)


def _summary(schema: str | None, migrations: int, *, check: bool) -> str:
    if schema is not None and schema > HEAD:
        return f"The schema is {schema}, of a newer release; it supports this one ({HEAD})."
    if not migrations:
        return f"The schema is {schema}, the newest of this release."
    if check:
        return f"The schema is {schema or 'empty'}; {migrations} migrations are missing: copilot-pipeline migrate"
    return f"The schema is {schema} now; {migrations} migrations were applied."
