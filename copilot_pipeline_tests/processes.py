"""Commands as processes of their own that start in a fraction of the time of a new interpreter.

Most of the time of a command on a few calls is spent importing Dagster and other libraries. A `CommandServer` is a
process that has imported them and forks a process for each command. That process has its own arguments, environment,
folder, session, output and exit code, and imports the Dagster definitions itself, so nothing that they read at import
is shared. The interpreter's own settings (encodings, options) are those of the server.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from copilot_pipeline_tests.command_server import ANY_COMMAND, COMMAND_ON_MARTS, NUMBER

ROOT = Path(__file__).parent.parent
TIMEOUT_SECONDS = 120.0
COMMANDS_ON_MARTS = {"marts", "report"}


class Command:
    """A command that was started. Its output is collected in files, so it never waits for a reader."""

    def __init__(self, server: socket.socket, request: Mapping[str, object], kind: bytes) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._connection, theirs = socket.socketpair()
        with theirs:
            descriptors = [theirs.fileno(), self._output.fileno(), self._errors.fileno()]
            socket.send_fds(server, [kind], descriptors)
        self._connection.settimeout(TIMEOUT_SECONDS)
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        self.pid = self._receive()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal that ended it), None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float = TIMEOUT_SECONDS) -> int:
        """Wait for the end; return the exit code. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = self._receive()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout) from None
            self._connection.close()
        return self.returncode

    def communicate(self, timeout: float = TIMEOUT_SECONDS) -> tuple[str, str]:
        """Wait for the end; return what it printed and its messages. Raises `subprocess.TimeoutExpired`."""
        stdout, stderr = self.read(timeout)
        return stdout.decode(), stderr.decode()

    def read(self, timeout: float = TIMEOUT_SECONDS) -> tuple[bytes, bytes]:
        """The same as `communicate`, in bytes."""
        self.wait(timeout)
        content: list[bytes] = []
        for file in (self._output, self._errors):
            file.seek(0)
            content.append(file.read())
        self.close()
        return content[0], content[1]

    def send_signal(self, number: int) -> None:
        """Send a signal to the command and the processes that it started, unless they have ended."""
        with suppress(ProcessLookupError):  # it may end between any check and the signal
            os.killpg(self.pid, number)

    def close(self) -> None:
        """Kill the command if it still runs, and free what belongs to it. May be repeated."""
        if self.poll() is None:
            self.send_signal(signal.SIGKILL)
            self.wait()
        self._output.close()
        self._errors.close()
        self._connection.close()

    def _receive(self) -> int:
        number: int = NUMBER.unpack(self._connection.recv(NUMBER.size, socket.MSG_WAITALL))[0]
        return number


@contextmanager
def running_process(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a process, and kill it at the end of the block if it still runs; its pipes are closed."""
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


class CommandServer:
    """Starts commands, and owns them. `stop` ends the server."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._commands: list[Command] = []
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "copilot_pipeline_tests.command_server"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                cwd=ROOT,
                env=environment,
            )

    def start(
        self, *arguments: str, environment: Mapping[str, str], folder: Path, module: str = "copilot_pipeline"
    ) -> Command:
        """Start `python -m module …`."""
        return self._start({"module": module}, arguments, environment, folder)

    def start_code(
        self, code: str, *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
    ) -> Command:
        """Start `python -c code …`, in the environment of this process if none is given."""
        return self._start({"code": code}, arguments, environment or os.environ, folder)

    def _start(
        self, program: dict[str, str], arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path
    ) -> Command:
        rest = {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
        kind = COMMAND_ON_MARTS if COMMANDS_ON_MARTS.intersection(arguments[:1]) else ANY_COMMAND
        command = Command(self._requests, {**program, **rest}, kind)
        self._commands.append(command)
        return command

    def run(
        self, *arguments: str, environment: Mapping[str, str], folder: Path, module: str = "copilot_pipeline"
    ) -> subprocess.CompletedProcess[str]:
        """Run `python -m module …` to its end; it is killed if it takes too long."""
        command = self.start(*arguments, environment=environment, folder=folder, module=module)
        try:
            stdout, stderr = command.communicate()
        finally:
            command.close()
            self._commands.remove(command)
        return subprocess.CompletedProcess([module, *arguments], command.wait(), stdout, stderr)

    def close_commands(self) -> None:
        """Kill the commands that still run, as those of a failed test, and close the files of all."""
        while self._commands:
            self._commands.pop().close()

    def stop(self) -> None:
        """End the commands and the server."""
        self.close_commands()
        self._requests.close()
        self._process.wait(TIMEOUT_SECONDS)


@contextmanager
def command_server(environment: dict[str, str] | None = None) -> Iterator[CommandServer]:
    """A server that is stopped at the end of the block; its interpreter starts with this environment or its own."""
    server = CommandServer(environment)
    try:
        yield server
    finally:
        server.stop()
