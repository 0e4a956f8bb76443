"""Processes that use the embedded server, as its library lists them in the data folder.

The library stops the server when the last listed process exits. A killed process stays listed, and the server would
never stop, so every start removes the dead ones first. Process ids are reused (soon in a container), so a listed
process counts as alive only if it is older than the list.
"""

from __future__ import annotations

import json
from pathlib import Path

import psutil

USERS_FILE = ".handle_pids.json"
PID_FILE = "postmaster.pid"
# How much younger than the list a process may be and still be the listed one: the clocks of files and of processes are
# read in different ways, and a process is listed some time after it started.
_TOLERANCE_SECONDS = 2.0


def remove_dead_users(folder: Path) -> list[int]:
    """Remove dead processes from the list of a data folder; return their ids.

    Must be called with the library's lock held, because every process that starts or exits rewrites the list.
    """
    path = folder / USERS_FILE
    if not path.exists():
        return []
    text = path.read_text()
    listed = _parse(text)
    written_at = path.stat().st_mtime
    alive = [process_id for process_id in listed if _existed(process_id, written_at)]
    if json.dumps(alive) != text:
        path.write_text(json.dumps(alive))
    return [process_id for process_id in listed if process_id not in alive]


def remove_stale_pid_file(folder: Path) -> bool:
    """Remove the server's PID file if another, younger process has that id now; return whether it was removed.

    Otherwise the library would take that process for the server and not start one, and the server would refuse to
    start.
    """
    path = folder / PID_FILE
    try:
        process_id, _, started_at = path.read_text().splitlines()[:3]
        if not psutil.pid_exists(int(process_id)) or _existed(int(process_id), float(started_at)):
            return False
    except (FileNotFoundError, ValueError):  # no server, or one that is writing the file at the moment
        return False
    path.unlink()
    return True


def _parse(text: str) -> list[int]:
    try:
        listed = json.loads(text)
    except ValueError:  # incomplete: a process was killed while it wrote the list
        return []
    return [item for item in listed if isinstance(item, int)] if isinstance(listed, list) else []


def _existed(process_id: int, moment: float) -> bool:
    """Return whether a process is alive and existed at a moment (Unix time), whichever user it belongs to."""
    try:
        process = psutil.Process(process_id)
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= moment + _TOLERANCE_SECONDS)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # a process of another user: it is alive, and its age cannot be read
        return True
