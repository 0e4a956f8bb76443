"""A name without special characters for the folder of the embedded server.

The server is started through a shell, its socket must have a path of about a hundred bytes, and libpq reads a comma in
a path as a list of hosts. A project in `Dropbox (Acme)`, `Anna's calls` or `Q$` is therefore given to the server as a
symbolic link in the folder for temporary files.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

_SAFE = re.compile(r"[A-Za-z0-9_./+-]+")
_MAX_BYTES = 85  # the path of a socket has at most 103 on macOS, 107 on Linux
_SHARED = Path("/tmp")


def safe_folder(folder: Path) -> Path:
    """Return the resolved folder, or a symbolic link to it if its name has characters that a shell interprets.

    The link belongs to this user, has the same name in every process, and is created again if it was deleted.
    """
    target = folder.resolve()
    if _SAFE.fullmatch(str(target)) and len(os.fsencode(target)) <= _MAX_BYTES:
        return target
    parent = _SHARED if os.access(_SHARED, os.W_OK) else Path(tempfile.gettempdir())
    name = hashlib.sha256(os.fsencode(target)).hexdigest()[:16]
    for attempt in range(100):  # another user may have taken a name
        link = parent / f"copilot-pipeline-{os.getuid()}-{name}{f'-{attempt}' if attempt else ''}"
        try:
            link.symlink_to(target)
        except FileExistsError:
            if not _is_own_link(link, target):
                continue
        return link
    raise OSError(f"no symbolic link to {target} can be created in {parent}")


def _is_own_link(link: Path, target: Path) -> bool:
    try:
        return link.lstat().st_uid == os.getuid() and link.is_symlink() and link.readlink() == target
    except FileNotFoundError:
        return False
