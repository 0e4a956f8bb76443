"""The user of the operating system that the server runs as.

PostgreSQL refuses to run as root. For root the server runs as the owner of its data folder; a new folder belongs to a
system user of its own, so that no other service shares it. No mode of a folder above is changed: the server starts
inside its data folder and names it by `/proc/self/cwd`.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from copilot_pipeline.errors import ConfigurationError

SYSTEM_USER = "copilot-pipeline"
ROOT = 0


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system."""

    user_id: int
    group_id: int
    name: str

    @property
    def is_current(self) -> bool:
        """Whether this process runs as this user."""
        return self.user_id == os.geteuid()

    @property
    def process_options(self) -> dict[str, Any]:
        """Options of `subprocess` that start a process as this user."""
        if self.is_current:
            return {}
        return {"user": self.user_id, "group": self.group_id, "extra_groups": []}

    def path_of(self, folder: Path) -> str:
        """Return the path by which a process of this user that starts in the folder names it.

        The user cannot pass through the folders above if they belong to root, and a line break in the path would
        break the server's PID file.
        """
        if sys.platform == "linux" and not (self.is_current and str(folder).isprintable()):
            return "/proc/self/cwd"
        return str(folder)


def server_account(folder: Path) -> Account:
    """Return the user of the server of a data folder. As root, give a new folder to the system user.

    Raises `ConfigurationError` if the folder belongs to another user, or if root cannot create the system user.
    """
    owner = folder.stat().st_uid
    current = os.geteuid()
    if current != ROOT:
        if owner != current:
            raise ConfigurationError(
                f"the data folder {folder} of the embedded PostgreSQL belongs to user {_name(owner)}, not to "
                f"{_name(current)}: run the command as that user, or set another COPILOT_PIPELINE_HOME."
            )
        return _account(current)
    if owner != ROOT:
        return _account(owner)
    account = _system_user()
    _give(folder, account)
    return account


def _account(user_id: int) -> Account:
    try:
        entry = pwd.getpwuid(user_id)
    except KeyError:
        raise ConfigurationError(
            f"user id {user_id} has no entry in /etc/passwd, which the embedded PostgreSQL needs: add one, or "
            "configure a database in COPILOT_PIPELINE_DATABASE_URL."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def _system_user() -> Account:
    """Return the system user; create it if it does not exist."""
    try:
        return _account(pwd.getpwnam(SYSTEM_USER).pw_uid)
    except KeyError:
        pass
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    try:
        subprocess.run([*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER], check=True, capture_output=True)
        return _account(pwd.getpwnam(SYSTEM_USER).pw_uid)
    except (OSError, subprocess.CalledProcessError, KeyError):
        # Another process may have created it in the meantime.
        if SYSTEM_USER in {entry.pw_name for entry in pwd.getpwall()}:
            return _account(pwd.getpwnam(SYSTEM_USER).pw_uid)
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and useradd could not create the system user {SYSTEM_USER}: create it, "
            "run the command as another user, or configure a database in COPILOT_PIPELINE_DATABASE_URL."
        ) from None


def _give(folder: Path, account: Account) -> None:
    """Change the owner of a folder of root and of everything in it, such as a backup that root has copied."""
    for path, _, files, descriptor in os.fwalk(folder, follow_symlinks=False):
        for name in files:
            os.chown(name, account.user_id, account.group_id, dir_fd=descriptor, follow_symlinks=False)
        os.chown(path, account.user_id, account.group_id, follow_symlinks=False)
    folder.chmod(0o700)
