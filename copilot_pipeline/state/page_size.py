"""The page size that the API accepts, stored between runs and shared by all processes."""

from __future__ import annotations

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_value

_NAME = "clari page size"
_SQL = load_queries(f"{__package__}.sql", "page_size.sql")


class PageSize:
    """The largest page size that was not refused. It doubles with every week since it was stored.

    A gateway answers 502 to a page that is too large, and occasionally to one that is not. If the size did not grow
    again, one such error a month would end in pages of a single call. Growing costs one refused request if the size was
    right.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, maximum: int) -> int:
        """Return the size to begin with: `maximum` if no page was refused yet."""
        with self._database.connection() as connection:
            size = fetch_value(connection, _SQL["load"], {"maximum": maximum, "name": _NAME})
        return int(size) if size is not None else maximum

    def save(self, size: int) -> None:
        """Store the size that the API accepted."""
        with self._database.connection() as connection:
            connection.execute(_SQL["save"], {"name": _NAME, "size": size})
