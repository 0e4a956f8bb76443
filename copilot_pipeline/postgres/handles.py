"""Processes that use the embedded server, as its library notes them in the data folder.

The library stops the server when the last process it noted takes its leave. One that was killed never does, and from
then on the server runs for ever: so whoever starts the server strikes out the dead first. A process id alone says
little (ids are used again, soon in a container), so a noted process counts as living only if it is older than the note.
"""

from __future__ import annotations

import json
from pathlib import Path

import psutil

HANDLES_FILE = ".handle_pids.json"
# How much younger than the note a process may be and still be the one that was noted: clocks of files and of
# processes are read in different ways, and a process notes itself well after it began.
_TOLERANCE_SECONDS = 2.0


def strike_out_the_dead(folder: Path) -> list[int]:
    """Removes from the list of a data folder the processes that are gone; returns them.

    Must be called with the library's lock held: every process that starts or leaves rewrites the list.
    """
    path = folder / HANDLES_FILE
    if not path.exists():
        return []
    text = path.read_text()
    noted = _ids(text)
    written_at = path.stat().st_mtime
    living = [process_id for process_id in noted if _was_there(process_id, written_at)]
    if json.dumps(living) != text:
        path.write_text(json.dumps(living))
    return [process_id for process_id in noted if process_id not in living]


def forget_a_dead_server(folder: Path) -> bool:
    """Removes the server's own note of its process where another, younger process has that id now.

    Library and server would both take the stranger for the server: the one would not start it, the other refuse to.
    """
    path = folder / "postmaster.pid"
    try:
        process_id, _, began_at = path.read_text().splitlines()[:3]
        if not psutil.pid_exists(int(process_id)) or _was_there(int(process_id), float(began_at)):
            return False
    except (FileNotFoundError, ValueError):  # no server, or one that is writing its note just now
        return False
    path.unlink()
    return True


def _ids(text: str) -> list[int]:
    try:
        noted = json.loads(text)
    except ValueError:  # a process killed while it wrote leaves half a list
        return []
    return [item for item in noted if isinstance(item, int)] if isinstance(noted, list) else []


def _was_there(process_id: int, moment: float) -> bool:
    """Whether the process lives and was there at the moment (seconds since 1970), whoever it belongs to."""
    try:
        process = psutil.Process(process_id)
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= moment + _TOLERANCE_SECONDS)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # somebody else's: it lives, and more cannot be known
        return True
