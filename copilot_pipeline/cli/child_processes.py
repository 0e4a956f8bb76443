"""Child processes that end when their parent ends, however it ends.

A child has a session of its own, so that its children can be stopped with it. Therefore the end of the terminal, or a
`kill -9` of the parent, does not reach it. Each child runs `main` of this module first, which makes the system send
it SIGTERM when the parent ends, and then the module that it is for.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

STOP_WITHIN_SECONDS = 20
_PARENT = "COPILOT_PIPELINE_PARENT_PROCESS"  # the process id of the parent, in the environment of its child
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_WATCH_SECONDS = 1.0


def start_module(module: str, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    """Start `python -m module arguments`, with `variables` added to the environment. It ends when this process ends."""
    environment = {**os.environ, **variables, _PARENT: str(os.getpid())}
    # -P: a file of the working folder, such as types.py, is no module of the child.
    command = [sys.executable, "-P", "-m", __name__, module, *arguments]
    return subprocess.Popen(command, env=environment, start_new_session=True)


def stop(*children: subprocess.Popen[bytes]) -> None:
    """Stop processes at the same time, with their children."""
    for stop_signal in (signal.SIGTERM, signal.SIGKILL):
        running = [child for child in children if child.poll() is None]
        for child in running:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, stop_signal)
        deadline = time.monotonic() + STOP_WITHIN_SECONDS
        for child in running:
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))


def stop_in_order(children: Mapping[str, subprocess.Popen[bytes]], last: str) -> None:
    """Stop all children, and the one named `last`, which the others use, after them."""
    stop(*(child for name, child in children.items() if name != last))
    stop(*(child for name, child in children.items() if name == last))


def end_with_parent(parent: int) -> None:
    """Make this process receive SIGTERM when its parent ends, also if that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        signal.raise_signal(signal.SIGTERM)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def main(arguments: Sequence[str]) -> None:
    """Run a module with its arguments as the main program of this process."""
    end_with_parent(int(os.environ.pop(_PARENT)))
    sys.argv = list(arguments)
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
