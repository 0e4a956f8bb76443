"""`python -m copilot_pipeline` and the script `copilot-pipeline`, wherever the scripts folder is."""

import atexit
import os
import sys
import threading

from copilot_pipeline.cli import main


def run() -> None:
    """Run the command, and end the process without freeing its objects one by one.

    After Dagster was imported these are 300,000, and the interpreter takes a second for them (docs/performance.md). All
    that has to happen at the end happens: the exit handlers, which stop the embedded database, and the flushing of the
    streams. If a thread is still working or a stream cannot be flushed, the interpreter ends the process as usual.
    """
    try:
        main()
    except SystemExit as end:
        code = 0 if end.code is None else end.code
        if isinstance(code, int) and not _is_working() and _is_flushed():
            atexit._run_exitfuncs()
            _is_flushed()  # what the exit handlers wrote
            os._exit(code & 0xFF)
        raise


def _is_working() -> bool:
    """Return whether the interpreter would wait for a thread. It does not wait for daemons."""
    return any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())


def _is_flushed() -> bool:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # a reader that has gone, or a stream that is closed or absent
        return False
    return True


if __name__ == "__main__":
    run()
