"""Files that only their own user can read, whatever the umask of the caller."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
_OTHERS = 0o077
_PASS = 0o011


def write_private_files() -> None:
    """Let this process and those that it starts create files and folders only for their own user."""
    os.umask(_OTHERS)


def create_private_folder(folder: Path) -> None:
    """Create a folder and the missing ones above it. Existing folders keep their mode."""
    if not folder.is_dir():
        create_private_folder(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir(mode=PRIVATE_FOLDER)


def exposed_paths(root: Path, *, owner: int | None = None) -> Iterator[Path]:
    """Yield the files and folders at and below a path that other users can open; with `owner` only those of this user.

    What is in a folder that bars other users is not yielded, whatever its own mode. Links are not followed.
    """
    with suppress(OSError):  # removed meanwhile, or the folder of another user
        status = root.lstat()
        mode = status.st_mode
        if stat.S_ISLNK(mode):
            return
        if mode & _OTHERS and owner in (None, status.st_uid):
            yield root
        if stat.S_ISDIR(mode) and mode & _PASS:
            for each in sorted(root.iterdir()):
                yield from exposed_paths(each, owner=owner)
