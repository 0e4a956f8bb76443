"""The address of the database: the configured one, or that of the embedded database."""

from __future__ import annotations

import re

import psycopg
from psycopg.conninfo import conninfo_to_dict

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError


def database_url(environment: Environment) -> str:
    """Return the URL of the configured database; without one, start the embedded database and return its URL.

    The scheme is plain `postgresql://`, as libpq and psycopg read it. Raises `ConfigurationError`.
    """
    configured = environment.copilot_pipeline_database_url
    if configured is None:
        from copilot_pipeline.postgres.embedded import use_embedded  # a server needs nothing of it

        return use_embedded(environment.home)
    return checked_url(configured, "COPILOT_PIPELINE_DATABASE_URL")


def checked_url(configured: str, variable: str) -> str:
    """Return a configured URL with the scheme `postgresql://`. Raises `ConfigurationError`, without the URL."""
    url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", configured.strip())
    if not _is_valid(url):
        raise ConfigurationError(
            f"{variable} must look like postgresql://user:password@host:5432/database; write characters other than "
            "letters and digits in the password as %XX (@ is %40, / is %2F, % is %25)"
        )
    return url


def _is_valid(url: str) -> bool:
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # its message contains the URL with the password
        return False
    address = url.partition("?")[0]
    # libpq would take the end of a password with an unescaped @ for the host, and name it in its errors.
    if address.count("@") > 1 or "@" in address.removeprefix("postgresql://").partition("/")[2]:
        return False
    return url.startswith("postgresql://") and re.fullmatch(r"[\d,]*", str(parts.get("port") or "")) is not None
