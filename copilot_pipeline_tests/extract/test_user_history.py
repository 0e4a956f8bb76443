"""Versions of users: their former names and teams."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.dialects import dialect_named
from copilot_pipeline.clients.http import HttpClient, RetryPolicy
from copilot_pipeline.errors import SnapshotRefused
from copilot_pipeline.extract.reference import Reference
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import USER_HISTORY
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.extract.test_history import history
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply, serving
from copilot_pipeline_tests.load.warehouse.rows import column


@pytest.fixture
def lake(home: Path) -> Lake:
    return Lake(str(home))


class Workspace:
    """A server of /users."""

    def __init__(self, *users: dict[str, Any]) -> None:
        self.users: tuple[dict[str, Any], ...] = users

    def __call__(self, received: ReceivedRequest) -> Reply:
        return reply({"users": list(self.users)})

    @contextmanager
    def client(self) -> Any:
        """A client of these users."""
        rest = dialect_named("rest")
        with serving(self) as service:
            caller = HttpClient(
                "clari", service.url, rest.auth_headers("key", "password"), policy=RetryPolicy(attempts=1)
            )
            yield ClariClient(rest, caller)
            caller.close()


def test_the_directory_has_the_former_names_of_users(database: Database, lake: Lake) -> None:
    """Calls list who joined by the name of the time."""
    dana = {"id": "u-1", "name": "Dana", "manager_id": "m-1"}
    workspace, reference = Workspace(dana), Reference(lake, database)
    with workspace.client() as client:
        reference.refresh_users(client)
        assert reference.user_directory().former_names("u-1") == frozenset()
        workspace.users = ({**dana, "name": "Dana Bell"},)
        reference.refresh_users(client)
    assert reference.user_directory().former_names("u-1") == {"Dana"}


def test_users_keep_their_former_teams_and_an_empty_answer_changes_nothing(database: Database, lake: Lake) -> None:
    """A user who moves to another manager has a version for each; a user who leaves is closed."""
    dana, sam = {"id": "u-1", "name": "Dana", "manager_id": "m-1"}, {"id": "u-2", "name": "Sam", "manager_id": "m-1"}
    workspace, reference = Workspace(dana, sam), Reference(lake, database)
    with workspace.client() as client:
        assert reference.refresh_users(client) == 2
        workspace.users = ({**dana, "manager_id": "m-2"},)
        assert reference.refresh_users(client) == 1
        before = history(database, lake, USER_HISTORY)
        workspace.users = ()
        with pytest.raises(SnapshotRefused, match=r"^users: there would be 0 rows where 1 are stored"):
            reference.refresh_users(client)
        assert column(database, "SELECT user_id FROM copilot.users") == ["u-1"]
        assert len(reference.user_directory()) == 1
        assert history(database, lake, USER_HISTORY) == before
        workspace.users = ({**dana, "manager_id": "m-2"},)
        reference.refresh_users(client)
    found = history(database, lake, USER_HISTORY)
    assert found == before
    assert [(version["user_id"], version["manager_id"], version["valid_to"] is None) for version in found] == [
        ("u-1", "m-1", False), ("u-1", "m-2", True), ("u-2", "m-1", False),
    ]  # fmt: skip
