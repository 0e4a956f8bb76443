"""One receiver for the tests of a module; its inbox is empty at the start of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.database_server import Server
from copilot_pipeline_tests.receiver.process import Receiver, running


@pytest.fixture(scope="module")
def module_database(server: Server, template: str) -> Iterator[Database]:
    """A database for the tests of a module."""
    with server.new_database(template) as address, closing(Database(address)) as opened:
        yield opened


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
