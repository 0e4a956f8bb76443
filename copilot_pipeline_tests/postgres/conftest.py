"""A data folder of the embedded server that is initialized once, because that takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from copilot_pipeline.postgres.embedded_server.account import server_account
from copilot_pipeline.postgres.embedded_server.binaries import server_programs
from copilot_pipeline.postgres.embedded_server.process import create_data_folder


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
