"""A role that reads what analysts read, and nothing else."""

from __future__ import annotations

import re
import secrets

from psycopg import sql

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.warehouse.statements import SCHEMA
from copilot_pipeline.postgres import Database

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")


def grant_reader(database: Database, name: str, password: str | None = None) -> str | None:
    """Lets a role read every table and view of `copilot`, those to come included; makes the role where it is not there.

    Returns the new role's password; None where the role was there and keeps its own. Raises `ConfigurationError` for
    a name that is none.
    """
    if not _NAME.match(name):
        raise ConfigurationError(f"{name!r} is no name for a role: use lower-case letters, digits and _")
    role = sql.Identifier(name)
    schema = sql.Identifier(SCHEMA)
    with database.transaction() as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
        made = None if known else password or secrets.token_urlsafe(18)
        if made is not None:
            connection.execute(
                sql.SQL("CREATE ROLE {role} LOGIN PASSWORD {password}").format(role=role, password=sql.Literal(made))
            )
            # A transaction that writes is refused, whatever somebody grants the role later.
            connection.execute(sql.SQL("ALTER ROLE {role} SET default_transaction_read_only = on").format(role=role))
        for statement in (
            "GRANT USAGE ON SCHEMA {schema} TO {role}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
            # Tables and views of later versions, and the wide views that are made anew.
            "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role}",
        ):
            connection.execute(sql.SQL(statement).format(schema=schema, role=role))
    return made
