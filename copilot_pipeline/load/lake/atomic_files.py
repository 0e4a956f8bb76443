"""Write files under a temporary name and move them into place.

Remove temporary files of crashed writers.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.fs as pa_fs

from copilot_pipeline.private_files import PRIVATE_FILE, create_private_folder

# Several machines may share the lake. Whether a process of another machine is alive is unknown, so its temporary files
# are removed only when they are older than any write takes.
ABANDONED_AFTER = timedelta(days=2)
_MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_WITHOUT_FOLDERS = frozenset({"s3", "gcs", "abfs"})


# The folder of temporary files, beside the folders of the tables: a reader of a table's folder may read every file in
# it, whatever its name.
DRAFTS = "_drafts"
_DRAFT = re.compile(r"\..+\.[0-9a-z]{8}\.\d+\.[0-9a-f]{8}")  # the name that `temporary_path` and earlier versions give


def temporary_path(root: str, path: str) -> str:
    """Return a name in the folder of drafts: `.<name>.<machine>.<process id>.<random>`."""
    name = path.removeprefix(f"{root}/").replace("/", "+")
    return f"{root}/{DRAFTS}/.{name}.{_MACHINE}.{os.getpid()}.{uuid.uuid4().hex[:8]}"


def prepare_folders(filesystem: pa_fs.FileSystem, temporary: str, path: str) -> None:
    """Create the folders of a file and of its draft, and remove abandoned drafts.

    A bucket has no folders, and each look into one is a request: `Lake.remove_drafts` removes drafts there.
    """
    if filesystem.type_name in _WITHOUT_FOLDERS:
        return
    folders = [temporary.rpartition("/")[0], path.rpartition("/")[0]]
    for folder in folders:
        if isinstance(filesystem, pa_fs.LocalFileSystem):
            create_private_folder(Path(folder))
        else:
            filesystem.create_dir(folder, recursive=True)
        # Earlier versions wrote their drafts beside the file.
        remove_abandoned(filesystem, pa_fs.FileSelector(folder, allow_not_found=True))


def remove_abandoned(filesystem: pa_fs.FileSystem, selector: pa_fs.FileSelector) -> int:
    """Remove the drafts of crashed writers in a folder; return their number."""
    removed = 0
    for file in filesystem.get_file_info(selector):
        if file.is_file and _DRAFT.fullmatch(file.base_name) and is_abandoned(file):
            discard(filesystem, file.path)
            removed += 1
    return removed


def publish(filesystem: pa_fs.FileSystem, temporary: str, path: str) -> None:
    """Move a temporary file to `path`, atomically and durably.

    A local file is flushed to disk before it gets its name, because bodies are deleted from the state store afterwards.
    Only its own user can read it.
    """
    is_local = isinstance(filesystem, pa_fs.LocalFileSystem)
    if is_local:
        Path(temporary).chmod(PRIVATE_FILE)
        _flush(temporary)
    filesystem.move(temporary, path)
    if is_local:
        _flush(path.rpartition("/")[0])


def discard(filesystem: pa_fs.FileSystem, temporary: str) -> None:
    """Remove a temporary file. Does nothing if it is removed already."""
    if filesystem.get_file_info(temporary).type == pa_fs.FileType.File:
        with suppress(FileNotFoundError):
            filesystem.delete_file(temporary)


def is_abandoned(file: pa_fs.FileInfo) -> bool:
    """Return whether the process that wrote a draft has ended, as far as that is known."""
    _, machine, process_id, _ = file.base_name.rsplit(".", 3)
    if machine == _MACHINE and process_id.isdecimal():
        return not _is_alive(int(process_id))
    return bool(file.mtime is not None and file.mtime < datetime.now(UTC) - ABANDONED_AFTER)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # alive, and owned by another user
        return True
    return True


def _flush(path: str) -> None:
    descriptor = os.open(Path(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
