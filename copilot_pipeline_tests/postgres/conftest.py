"""Data folders of the embedded server: initialized once, because that takes seconds, and copied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from copilot_pipeline.postgres.embedded_server.account import server_account
from copilot_pipeline.postgres.embedded_server.binaries import server_programs
from copilot_pipeline.postgres.embedded_server.process import create_data_folder
from copilot_pipeline_tests.postgres.embedded_homes import copy_data_folder, kill_server, kill_users


@pytest.fixture(autouse=True)
def no_user_left() -> Iterator[None]:
    """Kill the processes that use an embedded server if a test fails to end them."""
    yield
    kill_users()


@pytest.fixture(scope="package")
def initialized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was initialized, to be copied."""
    folder = tmp_path_factory.mktemp("initialized") / "postgres"
    folder.mkdir(mode=0o700)
    account = server_account(folder)
    create_data_folder(folder, server_programs(account), account)
    with (folder / "postgresql.conf").open("a") as file:
        file.write("fsync = off\n")  # nothing of a test must survive a crash of the machine
    return folder


@pytest.fixture
def prepared(home: Path, initialized: Path) -> Iterator[Path]:
    """A home with an initialized data folder."""
    home.mkdir()
    copy_data_folder(initialized, home)
    yield home
    kill_server(home)
