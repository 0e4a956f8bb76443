"""The PostgreSQL server of a test session, on files in memory, and databases that are copied from a template."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.postgres import database_url
from copilot_pipeline.postgres.embedded_server.users import PID_FILE

MEMORY = Path("/dev/shm")
PREFIX = "copilot-pipeline-tests-"
MIN_FREE_BYTES = 2 << 30  # a server needs about 200 MB
# Nothing that a test promises depends on the data surviving a crash of the machine. Autovacuum would change plans, and
# which rows are visible to all, in the middle of a test.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "'128MB'",
    "autovacuum": "off",
}


def memory_folder() -> Path | None:
    """Return a folder for temporary files in memory, None if there is not enough space."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MIN_FREE_BYTES:
        return MEMORY
    return None


@dataclass(frozen=True)
class Server:
    """A server and a connection to its database `postgres`."""

    url: str
    connection: psycopg.Connection[tuple[object, ...]]

    def create(self, name: str, template: str = "template1") -> str:
        """Create a database; return its address."""
        # Without fsync, copying the files takes less time than logging each of their blocks.
        self.connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY".encode())
        return self.url.replace("/postgres?", f"/{name}?")

    @contextmanager
    def new_database(self, template: str = "template1") -> Iterator[str]:
        """Yield the address of a new database, which is dropped at the end."""
        name = f"test_{uuid.uuid4().hex}"
        address = self.create(name, template)
        try:
            yield address
        finally:
            self.connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def start_server() -> str:
    """Start a server that stops when this process exits; return its URL."""
    memory = memory_folder()
    if memory:
        _remove_abandoned(memory)
    home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=memory))
    home.chmod(0o755)  # run by root, the server belongs to another user
    # Registered before the server is started, and so called after it was stopped.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    url = database_url(Environment(copilot_pipeline_home=home, _env_file=None))  # type: ignore[call-arg]
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
        connection.execute("SELECT pg_reload_conf()")
    return url


def _remove_abandoned(folder: Path) -> None:
    """Stop the servers of test sessions that were killed, and free their memory."""
    for home in folder.glob(f"{PREFIX}*"):
        if psutil.pid_exists(int(home.name.removeprefix(PREFIX).partition("-")[0])):
            continue
        with suppress(OSError, psutil.NoSuchProcess):
            server = psutil.Process(int((home / "postgres" / PID_FILE).read_text().split()[0]))
            if server.name() == "postgres":
                server.kill()
        shutil.rmtree(home, ignore_errors=True)
