"""A real PostgreSQL for the session, a database of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.postgres import Database, database_url, open_database


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PostgreSQL server that lives as long as the session."""
    home = tmp_path_factory.mktemp("server")
    return database_url(Environment(copilot_pipeline_home=home, _env_file=None))  # type: ignore[call-arg]


def _open(address: str) -> Database:
    return open_database(Environment(copilot_pipeline_database_url=address, _env_file=None))  # type: ignore[call-arg]


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of a database with the pipeline's schema, that others are copied from: migrating each takes longer."""
    name = "template_of_the_pipeline"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    _open(server_url.replace("/postgres?", f"/{name}?")).close()
    return name


@pytest.fixture
def database_address(request: pytest.FixtureRequest, server_url: str) -> Iterator[str]:
    """A database of the test's own: empty, or with the pipeline's schema where the test asks for `database` too."""
    name = f"test_{uuid.uuid4().hex}"
    template = request.getfixturevalue("template") if "database" in request.fixturenames else "template1"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_address: str) -> Iterator[Database]:
    """A database with the pipeline's schema."""
    opened = _open(database_address)
    yield opened
    opened.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder."""
    return tmp_path / "home"
