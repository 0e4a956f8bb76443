"""The embedded server is started again after a crash, an upgrade, an interrupted start, and by one of two processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from copilot_pipeline.postgres import database_url
from copilot_pipeline.postgres.embedded_server.access import HBA_FILE
from copilot_pipeline.postgres.embedded_server.account import server_account
from copilot_pipeline.postgres.embedded_server.binaries import server_programs
from copilot_pipeline.postgres.embedded_server.process import running_server
from copilot_pipeline.postgres.embedded_server.sockets import SOCKET
from copilot_pipeline.postgres.embedded_server.users import PID_FILE, is_alive
from copilot_pipeline_tests.postgres.embedded_homes import (
    User,
    connect,
    environment_of,
    leave,
    server_of,
    socket_folder_of,
)

pytestmark = pytest.mark.e2e

SPOKEN = "wordsthatwerespoken"


def test_a_server_of_an_earlier_version_is_replaced(prepared: Path) -> None:
    """It trusted everyone and logged statements: its rules, its log and its public link are removed."""
    folder = prepared / "postgres"
    account = server_account(folder)
    (folder / HBA_FILE).write_text("local all all trust\n")
    (folder / "log").write_text(f"STATEMENT:  {SPOKEN}\n")
    for path in (folder / HBA_FILE, folder / "log"):
        os.chown(path, account.user_id, account.group_id)
    link = Path(f"/tmp/copilot-pipeline-{os.geteuid()}-{os.getpid():016x}")
    link.symlink_to(folder.resolve())
    subprocess.run(
        ["/bin/sh", "-c", '"$@" >/dev/null 2>&1 &', "sh", server_programs(account) / "postgres",
         "-D", account.path_of(folder), "-k", account.path_of(folder), "-h", ""],
        cwd=folder, check=True, **account.process_options,
    )  # fmt: skip
    while (earlier := running_server(folder)) is None or not earlier.is_ready:
        pass
    url = database_url(environment_of(prepared))
    assert server_of(prepared) not in (None, psutil.Process())
    assert not is_alive(earlier.process_id)
    assert connect(url) == "('postgres',)"
    assert "trust" not in (folder / HBA_FILE).read_text()
    assert (folder / "log").is_dir()
    assert not link.is_symlink()
    leave(prepared)


def test_two_processes_that_start_together_use_one_server(prepared: Path) -> None:
    """The second one waits for the first, and is listed before the first may stop the server."""
    with ThreadPoolExecutor() as executor:
        first, second = executor.map(User, [prepared, prepared])
    assert first.url == second.url != ""
    first.leave()
    assert connect(second.url) == "('postgres',)"
    second.leave()
    assert server_of(prepared) is None


def test_a_crashed_server_is_started_again(prepared: Path) -> None:
    """By the same process, with the socket and the PID file that the killed server has left."""
    url = database_url(environment_of(prepared))
    server = server_of(prepared)
    assert server is not None
    children = server.children()
    server.kill()
    for process in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    server.wait(timeout=10)
    assert (prepared / "postgres" / PID_FILE).exists()
    assert database_url(environment_of(prepared)) == url
    assert connect(url) == "('postgres',)"
    assert server_of(prepared) != server
    # A clean-up of temporary files removes the socket of the running server.
    (socket_folder_of(url) / SOCKET).unlink()
    assert connect(database_url(environment_of(prepared))) == "('postgres',)"
    leave(prepared)
    assert server_of(prepared) is None


def test_an_interrupted_initialization_is_repeated(prepared: Path) -> None:
    """Files of a data folder that was never complete are removed; nothing else is."""
    shutil.rmtree(prepared / "postgres" / "global")
    (prepared / "postgres.initializing").touch()
    assert connect(database_url(environment_of(prepared))) == "('postgres',)"
    assert not (prepared / "postgres.initializing").exists()
    leave(prepared)
