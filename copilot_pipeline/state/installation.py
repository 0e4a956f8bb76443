"""What the stored data were made with: the lake, the time zone and the configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_one

_LOCK = 7_203_114_014  # of a PostgreSQL advisory lock
_SQL = load_queries(f"{__package__}.sql", "installation.sql")


@dataclass(frozen=True, slots=True)
class StoredInstallation:
    """The stored values; None if there is none. `new_lake_id` is the id of a lake that is being created."""

    lake_id: str | None = None
    lake_url: str | None = None
    new_lake_id: str | None = None
    timezone: str | None = None
    config_path: str | None = None


@dataclass(frozen=True, slots=True)
class CallsByZone:
    """The number of calls, and of those whose partition is not their day in a time zone."""

    calls: int
    on_other_days: int


@dataclass(frozen=True, slots=True)
class Loss:
    """The calls and days to fetch again without the lake, and the calls that the vendor has removed since."""

    calls: int
    removed: int
    days: int


class Installation:
    """Values in the state store by which a later process recognizes its lake and its settings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold a lock within the block, so that processes that start together do not both create a lake."""
        with self._database.connection() as connection:
            connection.execute(_SQL["lock"], {"lock": _LOCK})
            try:
                yield
            finally:
                connection.execute(_SQL["unlock"], {"lock": _LOCK})

    def load(self) -> StoredInstallation:
        """Return the stored values."""
        names = {name.replace("_", " "): name for name in StoredInstallation.__dataclass_fields__}
        with self._database.connection() as connection:
            rows = connection.execute(_SQL["values"], {"names": list(names)}).fetchall()
        return StoredInstallation(**{names[name]: value for name, value in rows})

    def save(self, **values: str | None) -> None:
        """Store values by the names of `StoredInstallation`, in one transaction; None deletes a value."""
        with self._database.transaction() as connection:
            for name, value in values.items():
                statement = _SQL["delete" if value is None else "save"]
                connection.execute(statement, {"name": name.replace("_", " "), "value": value})

    def calls_by_zone(self, zone: str) -> CallsByZone:
        """Count the calls whose partition is not their day in a time zone."""
        with self._database.connection() as connection:
            counted = fetch_one(connection, CallsByZone, _SQL["calls_on_other_days"], {"zone": zone})
        assert counted is not None
        return counted

    def loss(self) -> Loss:
        """Count what would be fetched again if no raw file existed."""
        with self._database.connection() as connection:
            counted = fetch_one(connection, Loss, _SQL["loss"])
        assert counted is not None
        return counted

    def mark_all_lost(self) -> None:
        """Mark all bytes of the lake as missing, so that all calls are listed and fetched again."""
        with self._database.transaction() as connection:
            connection.execute(_SQL["mark_all_lost"])
            connection.execute(_SQL["mark_all_unstored"])
