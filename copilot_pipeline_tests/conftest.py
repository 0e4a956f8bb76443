"""A real PostgreSQL for the session, a database of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from copilot_pipeline.database import Database, database_url, open_database
from copilot_pipeline.settings.environment import Environment


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PostgreSQL server that lives as long as the session."""
    home = tmp_path_factory.mktemp("server")
    return database_url(Environment(copilot_pipeline_home=home, _env_file=None))  # type: ignore[call-arg]


@pytest.fixture
def database_address(server_url: str) -> Iterator[str]:
    """An empty database."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_address: str) -> Iterator[Database]:
    """A database with the pipeline's schema."""
    opened = open_database(
        Environment(copilot_pipeline_database_url=database_address, _env_file=None)  # type: ignore[call-arg]
    )
    yield opened
    opened.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder."""
    return tmp_path / "home"
