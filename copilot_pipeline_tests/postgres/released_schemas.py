"""The schema of each release, as a file: what a later release upgrades from.

`python -m copilot_pipeline_tests.postgres.released_schemas` writes the file of the present version.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import psycopg

from copilot_pipeline import __version__
from copilot_pipeline.postgres.migrate import run_migrations
from copilot_pipeline_tests.database_server import start_server
from copilot_pipeline_tests.postgres.schema_changes import Schema, read_schema

FOLDER = Path(__file__).parent / "released"
CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
_RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\].*\n+Database schema: (\d{4})", re.MULTILINE)


def releases() -> dict[str, str]:
    """Return the version of the schema of each release in the changelog."""
    return dict(_RELEASE.findall(CHANGELOG.read_text(encoding="utf-8")))


def file_of(version: str) -> Path:
    """Return the file of a release."""
    return FOLDER / f"{version}.txt"


def described(schema: Schema) -> str:
    """Return a line for each column, each function, and all that a table demands."""
    columns = (f"column {name} {kind}" for name, kind in schema.columns.items())
    functions = (f"function {name} {one}" for name, signatures in schema.functions.items() for one in signatures)
    demands = (f"demand {table}: {demand}" for table, demand in schema.demands)
    return "".join(f"{line}\n" for line in sorted([*columns, *functions, *demands]))


def main() -> None:
    """Write the schema of the present version."""
    address = start_server()
    run_migrations(address)
    with psycopg.connect(address) as connection:
        FOLDER.mkdir(exist_ok=True)
        file_of(__version__).write_text(described(read_schema(connection)), encoding="utf-8")
    sys.stdout.write(f"{file_of(__version__)}\n")


if __name__ == "__main__":
    main()
