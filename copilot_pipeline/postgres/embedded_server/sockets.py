"""The folder of the server's socket: only the user of the server may enter it.

It is the data folder if the path is short enough for a socket and has no special characters, else a folder with mode
0700 under `/tmp/copilot-pipeline-<user id>` (as root: under `/run/copilot-pipeline`). `XDG_RUNTIME_DIR` is not used:
cron jobs do not have it, and it disappears at logout while the server is in use. Another process finds the folder of a
running server in the server's PID file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

from copilot_pipeline.postgres.embedded_server.account import ROOT, Account

SOCKET = ".s.PGSQL.5432"
_MAX_BYTES = 107 if sys.platform == "linux" else 103
_SAFE = re.compile(r"[A-Za-z0-9_./+-]+")  # no comma: libpq reads it as a list of hosts
_SHARED = Path("/tmp")
_SYSTEM = Path("/run")
_ATTEMPTS = 10


def create_socket_folder(folder: Path, account: Account) -> Path:
    """Return an empty folder for the socket of the server of a data folder that is not running.

    Raises `OSError` if no private folder can be created.
    """
    if account.is_current and _SAFE.fullmatch(str(folder)) and _fits(folder) and is_private(folder, account):
        _remove_sockets(folder)
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    parents = (_SYSTEM, _SHARED) if os.geteuid() == ROOT else (_SHARED, Path(tempfile.gettempdir()))
    for parent in filter(_is_protected, parents):
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(FileNotFoundError):  # the last server of another data folder has removed the base
                return _private_folder(_own_base(parent), name, account)
    raise OSError(errno.EACCES, f"no private folder for the socket can be created in {_SHARED}")


def is_private(path: Path, account: Account) -> bool:
    """Return whether a path is a folder, not a link, which only the server's user may enter."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == account.user_id and not status.st_mode & 0o077


def remove_socket_folder(path: Path, folder: Path, account: Account) -> None:
    """Remove the socket folder of a stopped server, unless it is the data folder itself."""
    if not is_private(path, account):
        return
    _remove_sockets(path)
    if path != folder:
        with contextlib.suppress(OSError):
            path.rmdir()
            path.parent.rmdir()  # only if no other server uses it


def _fits(path: Path) -> bool:
    return len(os.fsencode(path / SOCKET)) <= _MAX_BYTES


def _is_protected(parent: Path) -> bool:
    """Return whether other users cannot rename or remove what this user creates in a folder."""
    try:
        status = parent.stat()
    except OSError:
        return False
    owned = status.st_uid in (ROOT, os.geteuid())
    return owned and os.access(parent, os.W_OK) and (not status.st_mode & 0o022 or bool(status.st_mode & stat.S_ISVTX))


def _own_base(parent: Path) -> Path:
    """Return a folder that belongs to this user; another one if the name is taken, by a link or by another user."""
    is_root = os.geteuid() == ROOT
    path = parent / ("copilot-pipeline" if parent == _SYSTEM else f"copilot-pipeline-{os.geteuid()}")
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        if is_root:  # the server's user passes through it
            path.chmod(0o711)
    status = path.lstat()
    others = 0o022 if is_root else 0o077
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & others:
        return path
    path = Path(tempfile.mkdtemp(dir=parent, prefix=f"{path.name}-"))
    if is_root:
        path.chmod(0o711)
    return path


def _private_folder(base: Path, name: str, account: Account) -> Path:
    path = base / name
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        os.chown(path, account.user_id, account.group_id)
    if not is_private(path, account):
        path = Path(tempfile.mkdtemp(dir=base))
        os.chown(path, account.user_id, account.group_id)
    _remove_sockets(path)
    return path


def _remove_sockets(path: Path) -> None:
    """Remove what a killed server has left, whose lock file may name a process id that is in use again."""
    for name in (SOCKET, f"{SOCKET}.lock"):
        with contextlib.suppress(FileNotFoundError):
            (path / name).unlink()
