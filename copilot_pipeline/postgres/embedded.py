"""The embedded database: PostgreSQL from a wheel, in the home folder, used if no database is configured.

The server listens on a unix socket in a private folder only. Every process that uses it is listed in the data folder,
and the last one to exit stops it. `docs/adr/0005-embedded-postgres.md` names the alternatives.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from pathlib import Path
from urllib.parse import quote

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.embedded_server.access import SUPERUSER
from copilot_pipeline.postgres.embedded_server.account import Account, server_account
from copilot_pipeline.postgres.embedded_server.binaries import server_programs
from copilot_pipeline.postgres.embedded_server.earlier_versions import remove_earlier_files, stop_earlier_server
from copilot_pipeline.postgres.embedded_server.files import locked
from copilot_pipeline.postgres.embedded_server.process import (
    Postmaster,
    create_data_folder,
    last_socket_folder,
    start_server,
    stop_server,
    wait_until_ready,
)
from copilot_pipeline.postgres.embedded_server.sockets import (
    SOCKET,
    create_socket_folder,
    is_private,
    remove_socket_folder,
)
from copilot_pipeline.postgres.embedded_server.users import (
    add_user,
    remove_dead_users,
    remove_stale_pid_file,
    remove_user,
)
from copilot_pipeline.private_files import create_private_folder

EMBEDDED_FOLDER = "postgres"
_registered: dict[Path, int] = {}  # data folders that this process uses, with its id: a forked child does not stop them


def use_embedded(home: Path) -> str:
    """Start the server of a home folder, or join the running one, until this process exits; return its URL.

    Raises `ConfigurationError`.
    """
    folder = home / EMBEDDED_FOLDER
    try:
        create_private_folder(folder)
        folder = folder.resolve()
        account = server_account(folder)
        with locked(folder):
            server = _running(folder, account) or _start(folder, account)
            add_user(folder)
    except ConfigurationError:
        raise
    except OSError as error:
        raise ConfigurationError(
            f"the embedded PostgreSQL in {folder} does not start ({type(error).__name__}: {error.strerror}). Configure "
            "another database in COPILOT_PIPELINE_DATABASE_URL, or set another COPILOT_PIPELINE_HOME."
        ) from error
    if _registered.get(folder) != os.getpid():
        _registered[folder] = os.getpid()
        atexit.register(_leave, folder, account)
    return f"postgresql://{SUPERUSER}@/{SUPERUSER}?host={quote(str(server.socket_folder))}"


def _running(folder: Path, account: Account) -> Postmaster | None:
    """Return the running server, if only its user may reach its socket; stop any other."""
    remove_dead_users(folder)
    remove_stale_pid_file(folder)
    server = wait_until_ready(folder)
    if server is None or stop_earlier_server(folder, server):
        return None
    if is_private(server.socket_folder, account) and (server.socket_folder / SOCKET).is_socket():
        return server
    stop_server(server)  # a clean-up of /tmp has removed its socket
    return None


def _start(folder: Path, account: Account) -> Postmaster:
    if (previous := last_socket_folder(folder)) is not None:  # of a server that was killed
        remove_socket_folder(previous, folder, account)
    remove_earlier_files(folder)
    programs = server_programs(account)
    create_data_folder(folder, programs, account)
    return start_server(folder, programs, account, create_socket_folder(folder, account))


def _leave(folder: Path, account: Account) -> None:
    """Stop the server if no other process uses it."""
    if _registered.get(folder) != os.getpid():
        return
    with contextlib.suppress(OSError), locked(folder):  # the folder may have been removed
        if not remove_user(folder):
            server = wait_until_ready(folder)
            if server is not None:
                stop_server(server)
                remove_socket_folder(server.socket_folder, folder, account)
