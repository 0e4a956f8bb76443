"""Drafts: hidden files beside the ones they will replace, and what becomes of them when their writer dies."""

from __future__ import annotations

import hashlib
import os
import platform
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.fs as pa_fs

# The lake may be shared by machines. Whether a process of another one lives cannot be seen from here, so its drafts
# are taken for left over only when they are so old that no write can still be under way.
FORGOTTEN_AFTER = timedelta(days=2)
_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_OBJECT_STORES = frozenset({"s3", "gcs", "abfs"})


def draft_of(path: str) -> str:
    """A name beside `path`, hidden (readers skip a leading dot): `.<name>.<machine>.<process id>.<random>`."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.{_MACHINE}.{os.getpid()}.{uuid.uuid4().hex[:8]}"


def make_folder(filesystem: pa_fs.FileSystem, path: str) -> None:
    """Makes the folder of a file, and clears drafts of that file whose writers died."""
    folder, _, name = path.rpartition("/")
    if filesystem.type_name not in _OBJECT_STORES:  # there, folders are made of the names of files
        filesystem.create_dir(folder, recursive=True)
    for found in filesystem.get_file_info(pa_fs.FileSelector(folder, allow_not_found=True)):
        if found.base_name.startswith(f".{name}.") and _is_left_over(found):
            discard(filesystem, found.path)


def publish(filesystem: pa_fs.FileSystem, draft: str, path: str) -> None:
    """Makes a draft the file, whole or not at all, and for good.

    A local file is on the disk before its name is: the ledger lets go of bodies as soon as this returns.
    """
    is_local = isinstance(filesystem, pa_fs.LocalFileSystem)
    if is_local:
        _flush(draft)
    filesystem.move(draft, path)
    if is_local:
        _flush(path.rpartition("/")[0])


def discard(filesystem: pa_fs.FileSystem, draft: str) -> None:
    """Removes a draft, which somebody else may have done already."""
    if filesystem.get_file_info(draft).type == pa_fs.FileType.File:
        with suppress(FileNotFoundError):
            filesystem.delete_file(draft)


def _is_left_over(found: pa_fs.FileInfo) -> bool:
    _, machine, process_id, _ = found.base_name.rsplit(".", 3)
    if machine == _MACHINE and process_id.isdecimal():
        return not _is_alive(int(process_id))
    return bool(found.mtime is not None and found.mtime < datetime.now(UTC) - FORGOTTEN_AFTER)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it lives, and belongs to somebody else
        return True
    return True


def _flush(path: str) -> None:
    descriptor = os.open(Path(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
