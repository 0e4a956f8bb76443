"""Create a role that may only read the schema for analysts."""

from __future__ import annotations

import re
import secrets

from psycopg import sql

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.warehouse.statements import SCHEMA
from copilot_pipeline.postgres import Database

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_CREATE_ROLE = sql.SQL("CREATE ROLE {role} LOGIN PASSWORD {password}")
# The role cannot write, whatever is granted to it later.
_READ_ONLY = sql.SQL("ALTER ROLE {role} SET default_transaction_read_only = on")
_GRANTS = (
    sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {role}"),
    sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"),
    # Also tables and views that are created later, such as recreated views of kits.
    sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}"),
)


def grant_reader(database: Database, name: str, password: str | None = None) -> str | None:
    """Let a role read all tables and views of `copilot`, future ones included.

    Create it if it does not exist.

    Returns the password of the new role; None if the role exists and keeps its password. Raises `ConfigurationError`
    for an invalid name.
    """
    if not _NAME.match(name):
        raise ConfigurationError(f"Invalid role name {name!r}: use lower-case letters, digits and _")
    role = sql.Identifier(name)
    with database.transaction() as connection:
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone() is not None
        new_password = None if exists else password or secrets.token_urlsafe(18)
        if new_password is not None:
            connection.execute(_CREATE_ROLE.format(role=role, password=sql.Literal(new_password)))
            connection.execute(_READ_ONLY.format(role=role))
        for grant in _GRANTS:
            connection.execute(grant.format(schema=sql.Identifier(SCHEMA), role=role))
    return new_password
