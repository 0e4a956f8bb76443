"""What earlier versions have left: public links and socket folders, and servers that let everyone in."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import psutil

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres.embedded_server.access import MARK
from copilot_pipeline.postgres.embedded_server.process import Postmaster, stop_server
from copilot_pipeline.postgres.embedded_server.users import living_users

_SHARED = Path("/tmp")


def stop_earlier_server(folder: Path, server: Postmaster) -> bool:
    """Stop a server that an earlier version has started, which trusts everyone; return whether it was one.

    Raises `ConfigurationError` if processes still use it.
    """
    try:
        options = (folder / "postmaster.opts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        options = ""
    if MARK in options:
        return False
    others = [process_id for process_id in living_users(folder) if process_id != os.getpid()]
    if others:
        names = ", ".join(map(_describe, others))
        raise ConfigurationError(
            f"the embedded PostgreSQL in {folder} was started by an earlier version, which other users of the machine "
            f"could enter, and is in use: stop {names}, then run the command again."
        )
    stop_server(server)
    return True


def remove_earlier_files(folder: Path) -> None:
    """Remove links to a data folder, links to folders that do not exist any more, and empty socket folders."""
    paths = [folder]
    for link in _SHARED.glob(f"copilot-pipeline-{os.geteuid()}-*"):
        with contextlib.suppress(OSError):
            if not link.is_symlink() or link.lstat().st_uid != os.geteuid():
                continue
            if link.readlink() == folder or not link.exists():
                link.unlink()
                paths.append(link)
    inode = folder.stat().st_ino
    for path in paths:  # as the library named them
        name = hashlib.sha256(f"{path}-{inode}".encode()).hexdigest()[:10]
        with contextlib.suppress(OSError):
            (Path(tempfile.gettempdir()) / name).rmdir()


def _describe(process_id: int) -> str:
    with contextlib.suppress(psutil.Error):
        return f"process {process_id} ({psutil.Process(process_id).name()})"
    return f"process {process_id}"
