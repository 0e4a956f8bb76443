"""The page size that works, remembered between runs and by all processes."""

from __future__ import annotations

from copilot_pipeline.postgres import Database

_NOTE = "clari page size"


class PageSize:
    """A size that the server refused pages above. It doubles with every week that has passed since.

    A gateway answers 502 to a page that is too large, and now and then to one that is not. Without growing again, one
    such hiccup a month would end at pages of a single call. Growing costs one refused request where the size was right.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, largest: int) -> int:
        """The size to begin with, no more than `largest`, which it is where nothing was refused yet."""
        with self._database.connection() as connection:
            row = connection.execute(
                """SELECT least(%(largest)s, split_part(value, ' ', 1)::integer
                    * power(2, least(30, floor(extract(epoch FROM now() - substring(value FROM ' (.*)')::timestamptz)
                                               / 604800))))
                FROM copilot_ops.notes WHERE name = %(name)s""",
                {"largest": largest, "name": _NOTE},
            ).fetchone()
        return int(row[0]) if row else largest

    def save(self, size: int) -> None:
        """From now on pages are of this size."""
        with self._database.connection() as connection:
            connection.execute(
                """INSERT INTO copilot_ops.notes (name, value)
                VALUES (%s, %s || ' ' || now())
                ON CONFLICT (name) DO UPDATE SET value = excluded.value""",
                (_NOTE, str(size)),
            )
