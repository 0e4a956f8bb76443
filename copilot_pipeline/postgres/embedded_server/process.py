"""Create a data folder, start its server, and stop it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.embedded_server.access import (
    LOG_FOLDER,
    STARTUP_LOG,
    SUPERUSER,
    server_environment,
    server_settings,
    write_access_rules,
)
from copilot_pipeline.postgres.embedded_server.account import Account
from copilot_pipeline.postgres.embedded_server.binaries import MAJOR_VERSION
from copilot_pipeline.postgres.embedded_server.users import PID_FILE, existed, is_alive

VERSION_FILE = "PG_VERSION"
_START_SECONDS = 120.0  # a server that was killed reads its log of changes first
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.02
# Started by a shell that exits, so that the server is not a child of this process. The arguments are not part of the
# script: no character in them is interpreted.
_LAUNCH = f'"$@" </dev/null >{STARTUP_LOG} 2>&1 & echo "$!"'


@dataclass(frozen=True, slots=True)
class Postmaster:
    """A running server, as its PID file describes it."""

    process_id: int
    socket_folder: Path
    is_ready: bool


def running_server(folder: Path) -> Postmaster | None:
    """Return the running server of a data folder; None if there is none."""
    lines = _pid_file(folder)
    if len(lines) < 3 or not existed(int(lines[0]), float(lines[2])):
        return None
    socket_folder = Path(lines[4]) if len(lines) > 4 else folder
    return Postmaster(int(lines[0]), socket_folder, len(lines) > 7 and lines[7].strip() == "ready")


def last_socket_folder(folder: Path) -> Path | None:
    """Return the socket folder that the PID file names, also if the server was killed."""
    lines = _pid_file(folder)
    return Path(lines[4]) if len(lines) > 4 and lines[4] else None


def _pid_file(folder: Path) -> list[str]:
    try:
        lines = (folder / PID_FILE).read_text(encoding="utf-8").splitlines()
        int(lines[0]), float(lines[2])
    except (OSError, ValueError, IndexError):  # no server, or one that is writing the file at the moment
        return []
    return lines


def create_data_folder(folder: Path, programs: Path, account: Account) -> None:
    """Initialize an empty data folder. Repeats an initialization that was interrupted.

    Raises `ConfigurationError` if the folder was created by another major version.
    """
    interrupted = folder.with_name(f"{folder.name}.initializing")
    version = folder / VERSION_FILE
    if interrupted.exists():
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    elif version.exists():
        if (created_by := version.read_text(encoding="utf-8").strip()) != str(MAJOR_VERSION):
            raise ConfigurationError(
                f"the embedded database in {folder} was created by PostgreSQL {created_by}, and this release starts "
                f"{MAJOR_VERSION}: move the folder away to start with an empty one."
            )
        return
    interrupted.touch()
    command: list[str | Path] = [programs / "initdb", "-D", account.path_of(folder), "-U", SUPERUSER, "--encoding=UTF8"]
    _run([*command, "--auth-local=peer", "--auth-host=reject", "--no-instructions"], folder, account)
    interrupted.unlink()


def start_server(folder: Path, programs: Path, account: Account, socket_folder: Path) -> Postmaster:
    """Start the server and return it when it accepts connections. Raises `ConfigurationError` if it does not."""
    write_access_rules(folder, account)
    with contextlib.suppress(OSError):  # a file of earlier versions, with statements; the folder has its name
        (folder / LOG_FOLDER).unlink()
    path = account.path_of(folder)
    command: list[str | Path] = [programs / "postgres", "-D", path, *server_settings(path, socket_folder)]
    process_id = int(_run(["/bin/sh", "-c", _LAUNCH, "sh", *command], folder, account))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        server = running_server(folder)
        if server is not None and server.process_id == process_id and server.is_ready:
            return server
        if not is_alive(process_id):
            break
        time.sleep(_POLL_SECONDS)
    raise ConfigurationError(
        f"the embedded PostgreSQL in {folder} does not start; see {STARTUP_LOG} and {LOG_FOLDER}/ in it. Configure "
        "another database in COPILOT_PIPELINE_DATABASE_URL, or move the folder away to start with an empty one."
    )


def wait_until_ready(folder: Path) -> Postmaster | None:
    """Return the running server when it is ready: its starter may have been killed. None if it ends before that."""
    deadline = time.monotonic() + _START_SECONDS
    while (server := running_server(folder)) is not None and not server.is_ready and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return server if server is not None and server.is_ready else None


def stop_server(server: Postmaster) -> None:
    """Stop a server and wait for its end; the transactions that are open are rolled back."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # PostgreSQL's fast and immediate shutdown
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.process_id, number)
        deadline = time.monotonic() + _STOP_SECONDS
        while is_alive(server.process_id):
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
        else:
            return


def _run(command: list[str | Path], folder: Path, account: Account) -> str:
    """Run a program in a data folder as the server's user; return its output. Raises `ConfigurationError`."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command,
        cwd=folder,
        env=server_environment(),
        umask=0o077,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        **account.process_options,
    )
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "error" in line), f"code {done.returncode}")
        raise ConfigurationError(
            f"the embedded PostgreSQL in {folder} does not start ({reason.strip()}). Configure another database in "
            "COPILOT_PIPELINE_DATABASE_URL, or remove the cause."
        )
    return done.stdout
