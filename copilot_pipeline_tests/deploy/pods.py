"""Processes with file systems of their own: a stand-in for pods on one machine.

Each process sees an empty folder in memory where the others have theirs (a mount namespace), so that nothing can be
passed from one to another over a disk.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_MOUNT_AND_RUN = 'mount -t tmpfs none "$0" && cd "$0" && exec "$@"'


def can_isolate() -> bool:
    """Whether this user may create mount namespaces."""
    unshare = shutil.which("unshare")
    return (
        unshare is not None
        and subprocess.run([unshare, "--mount", "true"], capture_output=True, check=False).returncode == 0
    )


class Pod:
    """A process whose `home` is an empty file system that no other process sees."""

    def __init__(self, command: Sequence[str], *, home: Path, environment: Mapping[str, str], log: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._log = log.open("wb")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MOUNT_AND_RUN, str(home), *command],
            env=dict(environment),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Kill the process and its children immediately, as a node that fails does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()

    def stop(self) -> None:
        """End the process as a drained node does, and kill it after 30 seconds."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.kill()
