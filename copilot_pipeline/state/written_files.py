"""The files that commands wrote: reports and exports, which quote what was said."""

from __future__ import annotations

from pathlib import Path

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries

_SQL = load_queries(f"{__package__}.sql", "written_files.sql")


def remember_file(database: Database, path: Path, kind: str) -> None:
    """Record that a file was written, so that `privacy` finds it."""
    with database.connection() as connection:
        connection.execute(_SQL["remember"], {"path": str(path.expanduser().absolute()), "kind": kind})
