"""Settings, PostgreSQL and the lake."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import Settings, load_environment, load_settings
from copilot_pipeline.load.lake import Lake, accept_lake
from copilot_pipeline.postgres import Database, open_database
from copilot_pipeline.state.locks import RunLock

_ACCEPTED_SECONDS = 60.0


def environment_with(**values: Any) -> Environment:
    """The validated environment, with the fields of a resource instead of its variables where they are set."""
    return load_environment(**{name: value for name, value in values.items() if value not in (None, "")})


class SettingsResource(dg.ConfigurableResource[Any]):
    """Kits, routes, polling and marts, as pipeline.yaml sets them.

    The file is read and validated when a run needs it, so that a mistake in it fails that run with the line to correct
    and leaves the code location loaded.
    """

    config_path: str | None = Field(
        default=None,
        description="Path of pipeline.yaml. Default: pipeline.yaml in the working directory, if it exists.",
    )
    _loaded: Settings | None = PrivateAttr(default=None)

    def load(self) -> Settings:
        """All settings. Raises `ConfigurationError` that names the line of each mistake."""
        if self._loaded is None:
            overrides = {"copilot_pipeline_config": self.config_path} if self.config_path else {}
            self._loaded = load_settings(**overrides)
            self._loaded.report_warnings(dg.get_dagster_logger().warning)
        return self._loaded


class PostgresResource(dg.ConfigurableResource[Any]):
    """The PostgreSQL database: the warehouse (schema copilot) and the state store (schema copilot_ops).

    Its schema is migrated when it is opened. A run opens one connection pool and closes it at its end. For as long as
    the run's process lives it holds an advisory lock, by which the run launcher detects a crashed run.
    """

    database_url: str | None = Field(
        default=None, description="PostgreSQL URL. Default: an embedded PostgreSQL in the home folder."
    )
    home: str | None = Field(default=None, description="Folder of the embedded database.")
    _database: Database | None = PrivateAttr(default=None)

    @property
    def database(self) -> Database:
        """The connection pool."""
        if self._database is None:
            raise RuntimeError("the database is open only while Dagster runs something that requires `postgres`")
        return self._database

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["PostgresResource"]:
        """Open the pool for a run, or the shared one for a sensor tick."""
        if context.run is None:
            self._database = _database_of_sensors(self.database_url, self.home)
            self._database.require_supported_schema()  # the process may be older than a migration of today
            yield self
            return
        with (
            closing(open_database(self._environment())) as self._database,
            RunLock(self._database.url, context.run.run_id),
        ):
            yield self

    def _environment(self) -> Environment:
        return environment_with(copilot_pipeline_database_url=self.database_url, copilot_pipeline_home=self.home)


@lru_cache(maxsize=1)
def _database_of_sensors(database_url: str | None, home: str | None) -> Database:
    """One pool for all ticks of this process: a sensor that runs every three seconds must not connect each time."""
    return open_database(environment_with(copilot_pipeline_database_url=database_url, copilot_pipeline_home=home))


class LakeResource(dg.ConfigurableResource[Any]):
    """The Parquet files, one per table and day: <lake>/<table>/call_date=YYYY-MM-DD/part.parquet."""

    url: str | None = Field(
        default=None, description="A folder, or s3://bucket/path. Default: the folder lake in the home folder."
    )
    home: str | None = Field(default=None, description="Home folder of the pipeline.")

    def open(self, database: Database) -> Lake:
        """The lake. Raises `ConfigurationError` if it is not the one of the state store."""
        lake = Lake(environment_with(copilot_pipeline_lake_url=self.url, copilot_pipeline_home=self.home).lake_url)
        if lake.store.is_remote:
            _accept_remote(lake, database)
        else:
            accept_lake(lake, database)
        return lake


_accepted_at: dict[tuple[str, str], float] = {}  # lakes that this process has accepted, by their and the database's URL


def _accept_remote(lake: Lake, database: Database) -> None:
    """Accept the lake of an object store, unless this process did so in the last minute: each step opens it."""
    key, now = (lake.url, database.url), time.monotonic()
    if key not in _accepted_at or now - _accepted_at[key] > _ACCEPTED_SECONDS:
        accept_lake(lake, database)
        _accepted_at[key] = now
