"""Create a role that may only read the schema for analysts."""

from __future__ import annotations

import re

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.warehouse.statements import SCHEMA
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.reader_roles import prepare_reader, unmet_limits

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_RESERVED = ("pg_", "copilot_readers_", "copilot_sql_")


def grant_reader(database: Database, name: str, password: str | None = None) -> str | None:
    """Let a role read all tables and views of `copilot`, future ones included, within limits that it cannot lift.

    Create it if it does not exist.

    Returns the password of the new role; None if the role exists and keeps its password. Raises `ConfigurationError`
    for an invalid name, for a role with other rights, and if the database user may not create roles.
    """
    if not _NAME.fullmatch(name) or name.startswith(_RESERVED):
        raise ConfigurationError(
            f"Invalid role name {name!r}: use lower-case letters, digits and _; {', '.join(_RESERVED)} are reserved"
        )
    with database.transaction() as connection:
        return prepare_reader(connection, name, [SCHEMA], password)


def limits_of_reader(database: Database, name: str) -> list[str]:
    """Return what a reader may do although it should not, because the database user could not prevent it."""
    with database.connection() as connection:
        return unmet_limits(connection, name)
