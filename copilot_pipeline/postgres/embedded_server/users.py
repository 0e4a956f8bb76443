"""Processes that use the server, listed in its data folder; the last one to exit stops the server.

A killed process stays listed, and the server would never stop, so every start removes the dead ones first. Process ids
are reused (soon in a container), so a listed process counts as alive only if it is older than the list.

All functions must be called with the lock of the folder held.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import psutil

from copilot_pipeline.postgres.embedded_server.files import replace_file

USERS_FILE = ".handle_pids.json"  # the name that the library of earlier versions gave it
PID_FILE = "postmaster.pid"
# How much younger than the list a process may be and still be the listed one: the clocks of files and of processes are
# read in different ways, and a process is listed some time after it started.
_TOLERANCE_SECONDS = 2.0


def living_users(folder: Path) -> list[int]:
    """Return the listed processes that are alive."""
    return _read(folder)[1]


def add_user(folder: Path) -> None:
    """List this process."""
    alive = living_users(folder)
    if os.getpid() not in alive:
        replace_file(folder / USERS_FILE, json.dumps([*alive, os.getpid()]))


def remove_user(folder: Path) -> list[int]:
    """Remove this process and the dead ones from the list; return the other ones."""
    others = [process_id for process_id in living_users(folder) if process_id != os.getpid()]
    with contextlib.suppress(OSError):  # the disk is full: this process stays listed, and is dead when that is read
        replace_file(folder / USERS_FILE, json.dumps(others))
    return others


def remove_dead_users(folder: Path) -> list[int]:
    """Remove dead processes from the list of a data folder; return their ids."""
    path = folder / USERS_FILE
    if not path.exists():
        return []
    listed, alive = _read(folder)
    if json.dumps(alive) != path.read_text(encoding="utf-8"):
        replace_file(path, json.dumps(alive))
    return [process_id for process_id in listed if process_id not in alive]


def remove_stale_pid_file(folder: Path) -> bool:
    """Remove the server's PID file if another, younger process has that id now; return whether it was removed.

    Otherwise the server would refuse to start, because the id in its PID file is in use.
    """
    path = folder / PID_FILE
    try:
        process_id, _, started_at = path.read_text(encoding="utf-8").splitlines()[:3]
        if not psutil.pid_exists(int(process_id)) or existed(int(process_id), float(started_at)):
            return False
    except (FileNotFoundError, ValueError):  # no server, or one that is writing the file at the moment
        return False
    path.unlink()
    return True


def existed(process_id: int, moment: float) -> bool:
    """Return whether a process is alive and existed at a moment (Unix time), whichever user it belongs to."""
    try:
        process = psutil.Process(process_id)
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= moment + _TOLERANCE_SECONDS)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # a process of another user: it is alive, and its age cannot be read
        return True


def is_alive(process_id: int) -> bool:
    """Return whether a process is alive; a zombie is not."""
    return existed(process_id, float("inf"))


def _read(folder: Path) -> tuple[list[int], list[int]]:
    """Return all listed processes, and those of them that are alive."""
    path = folder / USERS_FILE
    try:
        listed, written_at = _parse(path.read_text(encoding="utf-8")), path.stat().st_mtime
    except FileNotFoundError:
        return [], []
    return listed, [process_id for process_id in listed if existed(process_id, written_at)]


def _parse(text: str) -> list[int]:
    try:
        listed = json.loads(text)
    except ValueError:  # incomplete: a process was killed while it wrote the list
        return []
    return [item for item in listed if isinstance(item, int)] if isinstance(listed, list) else []
