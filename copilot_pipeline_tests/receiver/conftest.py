"""One receiver for the tests of a module; its inbox is empty at the start of each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.postgres import Database, open_database
from copilot_pipeline_tests.receiver.process import Receiver, running


@pytest.fixture(scope="module")
def module_database(server_url: str) -> Iterator[Database]:
    """A database for the tests of a module."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    opened = open_database(
        Environment(  # type: ignore[call-arg]
            copilot_pipeline_database_url=server_url.replace("/postgres?", f"/{name}?"), _env_file=None
        )
    )
    yield opened
    opened.close()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def module_receiver(module_database: Database) -> Iterator[Receiver]:
    """A receiver with default limits."""
    with running(module_database.url) as receiver:
        yield receiver


@pytest.fixture
def receiver(module_receiver: Receiver, module_database: Database) -> Receiver:
    """The receiver, with an empty inbox."""
    with module_database.connection() as connection:
        connection.execute("TRUNCATE copilot_ops.inbox, copilot_ops.seen_webhooks")
    return module_receiver
