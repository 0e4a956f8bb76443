"""A process that has imported the libraries and forks a process for each command that it receives.

Run by `copilot_pipeline_tests.processes`, which describes it. Each request is one message on the socket that is passed
as standard input: a byte for the kind of command, and the command's connection, standard output and standard error as
file descriptors. The command itself follows on its connection as a line of JSON; its process id and its exit code are
returned there.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import sys
import time
from typing import Any

# What `copilot-pipeline run` imports.
LIBRARIES = (
    "alembic.command",
    "babel.numbers",
    "click",
    "dagster",
    "dagster_postgres",
    "dateutil.parser",
    "h11",
    "httpcore",
    "httpx",
    "msgspec",
    "numpy",
    "pandas",  # which pyarrow imports
    "psutil",
    "psycopg_pool",
    "pyarrow.compute",
    "pyarrow.parquet",
    "pydantic_settings",
    "rapidfuzz",
    "rich.console",
    "slack_sdk.models.blocks",
    "socksio",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "standardwebhooks",
    "upath",
    "yaml",
)
# The same of the package. `defs` is not in the list: it reads settings when it is imported.
PACKAGE = (
    "copilot_pipeline.cli.connections",
    "copilot_pipeline.cli.console",
    "copilot_pipeline.delivery.service",
    "copilot_pipeline.extract.factory",
    "copilot_pipeline.score.factory",
)
READS_SETTINGS = "copilot_pipeline.defs"
# What commands on marts import as well. Only the tests of a few files need it.
LIBRARIES_OF_MARTS = (
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "statsmodels.regression.linear_model",
    "statsmodels.stats.multitest",
    "statsmodels.stats.proportion",
)
ANY_COMMAND, COMMAND_ON_MARTS = b"\n", b"m"
DESCRIPTORS = 3
NUMBER = struct.Struct("!i")


def import_libraries(names: tuple[str, ...]) -> None:
    """Import modules whose objects are then shared with the processes of the commands."""
    if all(name in sys.modules for name in names):
        return
    for name in names:
        importlib.import_module(name)
    gc.freeze()


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork a process for each request; return the command in that process, None when there are no more requests."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system removes supervisors that have exited
    while True:
        kind, descriptors, _, _ = socket.recv_fds(requests, 1, DESCRIPTORS)
        if not descriptors:
            return None
        if kind == COMMAND_ON_MARTS:
            import_libraries(LIBRARIES_OF_MARTS)
        if os.fork() == 0:
            requests.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _supervise(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _supervise(connection_descriptor: int, output: int, errors: int) -> dict[str, Any]:
    """Fork the process of the command, where this returns; report its id and its exit code.

    The id is reported when it is also that of the command's process group, which a test may kill from then on.
    """
    connection = socket.socket(fileno=connection_descriptor)
    with connection.makefile("rb") as lines:
        command: dict[str, Any] = json.loads(lines.readline())
    process_id = os.fork()
    if process_id:
        with contextlib.suppress(OSError):  # the test no longer waits
            connection.sendall(NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])))
        os._exit(0)
    os.setsid()
    with connection, contextlib.suppress(OSError):
        connection.sendall(NUMBER.pack(os.getpid()))
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.close(output)
    os.close(errors)
    return command


def prepare(command: dict[str, Any]) -> None:
    """Give this process the arguments, the folder and the environment of the command."""
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.environ.clear()
    os.environ.update({name: _native(value) for name, value in command["environment"].items()})
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    time.tzset()
    os.chdir(_native(command["folder"]))
    arguments = [_native(argument) for argument in command["arguments"]]
    sys.argv = ["", *arguments]
    sys.orig_argv = [sys.executable, "-m", command.get("module", ""), *arguments]


def _native(text: str) -> str:
    """Return the text as this interpreter reads it from the system, whatever its encoding."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def main() -> None:
    import_libraries((*LIBRARIES, *PACKAGE))
    assert READS_SETTINGS not in sys.modules, f"{READS_SETTINGS} must be imported in the environment of the command"
    command = serve(socket.socket(fileno=os.dup(0)))
    if command is not None:
        prepare(command)
        if "code" in command:
            exec(command["code"], {"__name__": "__main__"})
        else:
            runpy.run_module(command["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
