"""A virtual clock for a whole tree of processes: Python, the sandbox and the PostgreSQL server.

A small library, loaded before the C library (LD_PRELOAD), adds the seconds in a shared file to the calendar time that a
process reads. Nothing of the pipeline is replaced: `now()` in SQL, `datetime.now` in Python and Dagster's events all
have the virtual time. Sleeping and the monotonic clock stay real. Needs Linux and a C compiler.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from copilot_pipeline.postgres.embedded_server.access import (
    SUPERUSER,
    server_environment,
    server_settings,
    write_access_rules,
)
from copilot_pipeline.postgres.embedded_server.account import server_account
from copilot_pipeline.postgres.embedded_server.binaries import server_programs
from copilot_pipeline.postgres.embedded_server.process import create_data_folder, wait_until_ready

SLOW_MS = 50
SOURCE = Path(__file__).with_name("virtual_clock.c")
_FILE, _LIBRARY = "VIRTUAL_CLOCK_FILE", "LD_PRELOAD"
_SECONDS = struct.Struct("q")
# Nothing depends on the data surviving a crash of the machine. Slow statements go to a log that is read during the run.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "log_destination": "jsonlog",
    "log_min_duration_statement": str(SLOW_MS),
    "log_rotation_age": "0",
    "log_filename": "server.log",
    "log_min_messages": "warning",
}


def is_available() -> bool:
    """Return whether this machine can change the clock of processes."""
    return sys.platform == "linux" and shutil.which("cc") is not None


class VirtualClock:
    """A clock that only this object and `advance_to` move."""

    def __init__(self, folder: Path, seconds_ahead: int = 0) -> None:
        """Compile the library and start so far ahead of the present time, or behind it if that is negative.

        The folder must be readable by every user.
        """
        self._file = folder / "clock"
        self._library = folder / "virtual_clock.so"
        self._file.write_bytes(_SECONDS.pack(seconds_ahead))
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that give a process and its children this clock."""
        return {_FILE: str(self._file), _LIBRARY: str(self._library)}


def advance_to(moment: datetime) -> None:
    """Move the clock of this process forward; no effect if it is later already.

    Raises `RuntimeError` if the process does not have a virtual clock.
    """
    if _FILE not in os.environ:
        raise RuntimeError("this process has no virtual clock")
    seconds = int((moment - datetime.now(UTC)).total_seconds())
    if seconds <= 0:
        return
    with Path(os.environ[_FILE]).open("r+b") as file:
        (present,) = _SECONDS.unpack(file.read(_SECONDS.size))
        file.seek(0)
        file.write(_SECONDS.pack(present + seconds))


@contextmanager
def database_server(clock: VirtualClock, folder: Path) -> Iterator[tuple[str, Path]]:
    """Run a PostgreSQL server with the clock; yield its URL and its log of slow statements, as JSON lines."""
    folder.mkdir()
    account = server_account(folder)
    programs = server_programs(account)
    create_data_folder(folder, programs, account)
    write_access_rules(folder, account)
    sockets = folder.with_name("sockets")
    sockets.mkdir()
    if not account.is_current:
        os.chown(sockets, account.user_id, account.group_id)
    path = account.path_of(folder)
    changed = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    server = subprocess.Popen(
        [programs / "postgres", "-D", path, *server_settings(path, sockets), *changed],
        cwd=folder,
        env={**server_environment(), **clock.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **account.process_options,
    )
    try:
        while wait_until_ready(folder) is None:
            if server.poll() is not None:
                raise RuntimeError(f"the server ended with code {server.returncode}")
        yield f"postgresql://{SUPERUSER}@/{SUPERUSER}?host={sockets}", folder / "log" / "server.json"
    finally:
        server.terminate()
        server.wait(60)
