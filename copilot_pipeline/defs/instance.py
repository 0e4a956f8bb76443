"""Dagster's instance: storage in the pipeline's database, and a run launcher that detects crashed runs.

`dagster.yaml` names the classes below, so that `dagster dev`, the daemon, the UI and our commands store runs and events
in the same PostgreSQL, external or embedded, without a URL in the file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from configparser import ConfigParser
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import alembic.config
import dagster as dg
import dagster_postgres

# Private, because Dagster has no public way to open an instance with another compute log manager than that of
# dagster.yaml: `DagsterInstance.from_config` takes only the file (docs of dagster.yaml:
# https://docs.dagster.io/deployment/oss/dagster-yaml).
from dagster._core.instance.ref import InstanceRef
from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import Engine
from sqlalchemy.exc import ProgrammingError

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import load_environment
from copilot_pipeline.defs.event_log import EventLog
from copilot_pipeline.defs.run_health import RunLockHealth
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import database_url, open_connection
from copilot_pipeline.postgres.engines import configure_engine
from copilot_pipeline.private_files import create_private_folder, write_private_files

CONFIG_FILE = "dagster.yaml"
STATEMENT_TIMEOUT_MS = 120_000
RECYCLE_SECONDS = 1800
INSUFFICIENT_PRIVILEGE = "42501"  # PostgreSQL's code
CREATE_TABLES_LOCK = 7_203_114_004  # of a PostgreSQL advisory lock
MOST_CONNECTIONS = 20
_NOT_CAPTURED = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
    "config": {},
}


class PipelineStorage(DagsterPostgresStorage):
    """DagsterPostgresStorage in the database that the environment configures."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No configuration: the URL comes from the environment."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> PipelineStorage:
        """Storage in the configured database; starts the embedded one if none is configured."""
        write_private_files()  # every process of Dagster opens this storage, and writes logs and files after it
        url = database_url(load_environment())
        # Of the class, because Dagster's storages create their engines themselves and use them immediately.
        configure_engine(Engine)
        _accept_percent_signs_in_paths()
        # An unreachable database is reported here, because Dagster would retry and end in a traceback. The lock keeps
        # two processes from creating the tables at the same time, which fails. Closing the connection releases it.
        with open_connection(url) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (CREATE_TABLES_LOCK,))
            try:
                storage = PipelineStorage(postgres_url=url, should_autocreate_tables=True, inst_data=inst_data)
            except ProgrammingError as error:
                if getattr(error.orig, "pgcode", None) != INSUFFICIENT_PRIVILEGE:
                    raise
                raise ConfigurationError(
                    "the database user may not create Dagster's tables: GRANT CREATE ON SCHEMA public to it, or name "
                    "another user in COPILOT_PIPELINE_DATABASE_URL."
                ) from None
        storage.keep_connections()
        return storage

    @cached_property
    def event_log_storage(self) -> EventLog:
        """The event log. Its tables are created by the one that the class of Dagster makes."""
        return EventLog(self.postgres_url, should_autocreate_tables=False)

    def keep_connections(self) -> None:
        """Keep connections open in each part, as Dagster does for its webserver.

        Without it each event opens a connection of its own, which takes longer than everything else about it.
        """
        for part in (self.run_storage, self.event_log_storage, self.schedule_storage):
            part.optimize_for_webserver(
                statement_timeout=STATEMENT_TIMEOUT_MS, pool_recycle=RECYCLE_SECONDS, max_overflow=MOST_CONNECTIONS
            )


def _accept_percent_signs_in_paths() -> None:
    """Let Alembic read Dagster's configuration if the project is in a folder such as `100% calls`.

    Alembic passes the folder of the file to a parser that replaces %, and fails for others. Dagster's file needs no
    replacement.
    """
    if "%" in str(dagster_postgres.__file__):
        alembic.config.ConfigParser = partial(ConfigParser, interpolation=None)  # type: ignore[attr-defined,assignment]


class PipelineRunLauncher(RunLockHealth, dg.DefaultRunLauncher):
    """Runs are processes of the code server; crashed ones are detected by their lock."""


def speed_up_events() -> None:
    """Write the events at the end of a run in batches, ten times faster, in this process and its children."""
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "100")


def dagster_home(environment: Environment) -> Path:
    """The folder of Dagster's files. Exported as DAGSTER_HOME if that is not set.

    Our own folder always has the present `dagster.yaml`. A folder that DAGSTER_HOME names gets it if it has none:
    without it Dagster would keep runs in SQLite files there, which no other process of the pipeline reads.
    """
    speed_up_events()
    named = os.environ.get("DAGSTER_HOME")
    home = Path(named).expanduser().absolute() if named else environment.home / "dagster"
    try:
        if named:
            home.mkdir(parents=True, exist_ok=True)
        else:
            create_private_folder(home)
        if not named or not (home / CONFIG_FILE).exists():
            shutil.copyfile(project_file(CONFIG_FILE), home / CONFIG_FILE)
    except OSError as error:
        variable = "DAGSTER_HOME" if named else "COPILOT_PIPELINE_HOME"
        raise ConfigurationError(
            f"the folder {home} of Dagster's files cannot be written ({error.strerror}): change its permissions, free "
            f"space, or name another folder in {variable}"
        ) from None
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def project_file(name: str) -> Path:
    """Path of a file of the project, such as `dagster.yaml`: in the wheel beside the package's code, else in the
    checkout.
    """
    package = Path(__file__).parents[1]
    in_wheel = package / name
    return in_wheel if in_wheel.exists() else package.parent / name


def open_instance(environment: Environment) -> dg.DagsterInstance:
    """The instance that the UI shows, for a command.

    The output of a command goes to its terminal only. Captured like that of a run, its progress would be delayed by a
    file and two more processes, which print errors on Ctrl-C.
    """
    home = dagster_home(environment)
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides={"compute_logs": _NOT_CAPTURED}))
