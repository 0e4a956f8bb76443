"""`copilot-pipeline dev`: all services for development, stopped by one Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from copilot_pipeline.cli.child_processes import start_module, stop, stop_in_order
from copilot_pipeline.cli.connections import command_settings, opened
from copilot_pipeline.cli.console import text_console
from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.defs.code_location import CODE_SOCKET
from copilot_pipeline.defs.instance import dagster_home
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake import Lake

CODE_SERVER = "code server"
_POLL_SECONDS = 0.5
_PROBE_SECONDS = 0.1
_RESTART_SECONDS = 2.0
_WORKSPACE = """\
load_from:
  - grpc_server:
      socket: {socket}
      location_name: copilot_pipeline
"""
_PORT = click.IntRange(1, 65535)


@click.command("dev")
@click.option("--sandbox", is_flag=True, help="Use emulated APIs with made-up calls instead of the real ones.")
@click.option("--port", default=3000, show_default=True, type=_PORT, help="Port of the Dagster UI (loopback only).")
@click.option("--webhook-port", default=8800, show_default=True, type=_PORT, help="Port of the webhook receiver.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Log level of the Dagster services. With info, every sensor tick is logged.",
)
def command(sandbox: bool, port: int, webhook_port: int, log_level: str) -> None:
    """Start the database, the Dagster UI, its daemon and the webhook receiver. Ctrl-C stops all of them.

    The daemon runs backfills, schedules and sensors. The receiver needs COPILOT_PIPELINE_WEBHOOK_SECRET. With
    --sandbox everything works on the data of `copilot-pipeline demo`.

    \b
    copilot-pipeline dev
    copilot-pipeline dev --sandbox --port 3001
    """
    console = text_console()
    _check_port_is_free(port, "--port")
    os.environ["COPILOT_PIPELINE_LOG_LEVEL"] = log_level  # of the runs and of the receiver
    # A shell that starts us in the background has SIGINT ignored, and children would inherit that.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    with ExitStack() as stack:
        if sandbox:
            from copilot_pipeline.cli.demo import sandbox_environment

            emulated, _ = stack.enter_context(sandbox_environment())
            console.print(f"sandbox   {emulated.url}")
        settings, database = stack.enter_context(opened())
        console.print(f"database  {without_secrets(database.url)}")
        console.print(f"lake      {Lake(settings.environment.lake_url).display_url}")
        if settings.without_kits is not None:
            console.print(f"kits      {settings.without_kits}")
        if settings.environment.copilot_pipeline_webhook_secret is None:
            console.print("webhooks  off: COPILOT_PIPELINE_WEBHOOK_SECRET is not set")
        else:
            from copilot_pipeline.cli.receive import endpoints_of

            endpoints_of(settings.environment)  # raises if a secret is too short
            _check_port_is_free(webhook_port, "--webhook-port")
            console.print(f"webhooks  http://127.0.0.1:{webhook_port}/webhooks/clari-copilot")
            receiver = _start("copilot_pipeline", "receive", "--port", str(webhook_port))
            stack.callback(stop, receiver)
        sys.exit(_run_dagster(console, port, log_level))


def _check_port_is_free(port: int, option: str) -> None:
    """Raise `ConfigurationError` if the port is in use, before any child process starts."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} cannot be used ({error.strerror}). Stop the other `copilot-pipeline dev`, or choose "
                f"another port with {option}"
            ) from None


def _run_dagster(console: Console, port: int, log_level: str) -> int:
    """Run the code server, the daemon and the UI as child processes; stop all of them when one ends."""
    environment = command_settings().environment
    home = dagster_home(environment)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.update(DAGSTER_IS_DEV_CLI="1", DAGSTER_verbose="")  # an error of the code location is printed once
    console.print("UI        starting; Ctrl-C stops everything")
    # Dagster's other formats write colour codes into files.
    is_text = environment.copilot_pipeline_log_format == "text"
    log_format = "rich" if is_text and console.is_terminal and not console.no_color else "json"
    logging_options = ["--log-level", log_level, "--log-format", log_format]
    children: dict[str, subprocess.Popen[bytes]] = {}
    with tempfile.TemporaryDirectory(prefix="copilot-pipeline-") as folder, ExitStack() as stack:
        stack.callback(stop_in_order, children, CODE_SERVER)
        code_socket, workspace = Path(folder) / "code", Path(folder) / "workspace.yaml"
        workspace.write_text(_WORKSPACE.format(socket=code_socket))
        code_server = ["dagster", "code-server", "start", "-m", "copilot_pipeline.definitions", *logging_options,
                       "--socket", str(code_socket), "--location-name", "copilot_pipeline",
                       "--inject-env-vars-from-instance"]  # fmt: skip
        try:
            children[CODE_SERVER] = _start(*code_server)
            _wait_for_socket(code_socket, children[CODE_SERVER])
            os.environ[CODE_SOCKET] = str(code_socket)
            children["daemon"] = _start("dagster._daemon", "run", "-w", str(workspace), *logging_options)
            children["UI"] = _start(
                "copilot_pipeline", "ui", "--workspace", str(workspace), "--port", str(port), "--log-level", log_level
            )
            threading.Thread(target=_print_when_open, args=(console, port, children["UI"]), daemon=True).start()
            while (ended := _wait_for_end(children)) == CODE_SERVER:  # as a run that needs too much memory may end it
                console.print("the code server ended; starting it again")
                time.sleep(_RESTART_SECONDS)
                children[CODE_SERVER] = _start(*code_server)
            console.print(f"the {ended} ended; stopping everything")
            return children[ended].returncode or 1
        except KeyboardInterrupt:
            return 0


def _wait_for_socket(path: Path, child: subprocess.Popen[bytes]) -> None:
    """Wait until the code server is ready, or has ended."""
    while child.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if path.exists() and probe.connect_ex(str(path)) == 0:
                return
        time.sleep(_PROBE_SECONDS)


def _wait_for_end(children: Mapping[str, subprocess.Popen[bytes]]) -> str:
    """Wait until one of the processes ends, which none of them should; return its name."""
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                return name
        time.sleep(_POLL_SECONDS)


def _print_when_open(console: Console, port: int, child: subprocess.Popen[bytes]) -> None:
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                console.print(f"UI        http://127.0.0.1:{port} is open")
                return
        try:
            child.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    # The second variable is for the daemon: a backfill continues after the code server was started again.
    return start_module(
        module, *arguments, PYTHONWARNINGS="ignore", DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR="1"
    )


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM like Ctrl-C: stop the children, then the database."""
    raise KeyboardInterrupt
