"""Homes with an embedded server, and the processes that use them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.postgres import embedded
from copilot_pipeline.postgres.embedded_server.account import server_account
from copilot_pipeline.postgres.embedded_server.users import PID_FILE

_USER = """
import sys
from pathlib import Path
from copilot_pipeline.postgres import database_url
from copilot_pipeline.config.environment import Environment
print(database_url(Environment(copilot_pipeline_home=Path(sys.argv[1]), _env_file=None)), flush=True)
sys.stdin.readline()
"""


class User:
    """A process that uses the embedded server until `leave` or `kill`."""

    started: ClassVar[list[User]] = []

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.started.append(self)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def leave(self) -> None:
        """Let the process exit normally."""
        self.process.communicate("\n", timeout=30)

    def kill(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.communicate(timeout=30)


def kill_users() -> None:
    """Kill the processes that a failed test has left, and close the pipes of all."""
    while User.started:
        with User.started.pop().process as process:
            process.kill()


def server_of(home: Path) -> psutil.Process | None:
    """Return the process of the server, None if it does not run."""
    path = home / "postgres" / PID_FILE
    try:
        return psutil.Process(int(path.read_text().splitlines()[0]))
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


def connect(url: str) -> str:
    """Connect and return the role."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        return str(connection.execute("SELECT current_user").fetchone())


def socket_folder_of(url: str) -> Path:
    """Return the folder of the socket that an address names."""
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def copy_data_folder(initialized: Path, home: Path) -> None:
    """Copy a data folder; for root the copy belongs to root, as one that was restored from a backup."""
    shutil.copytree(initialized, home / "postgres")


def kill_server(home: Path) -> None:
    """Kill a server that a failed test has left."""
    server = server_of(home)
    if server is not None and server.name() == "postgres":
        server.kill()


def environment_of(home: Path) -> Environment:
    """An environment whose embedded database is in a home."""
    return Environment(copilot_pipeline_home=home, _env_file=None)  # type: ignore[call-arg]


def leave(home: Path) -> None:
    """Leave the server as at the end of a process, and stop it unless another process uses it."""
    folder = (home / "postgres").resolve()
    embedded._leave(folder, server_account(folder))
    embedded._registered.pop(folder)
