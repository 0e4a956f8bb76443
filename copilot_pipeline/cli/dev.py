"""`copilot-pipeline dev`: all services for development, stopped by one Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from types import FrameType

import click
from rich.console import Console

from copilot_pipeline.cli.connections import command_settings, opened
from copilot_pipeline.cli.console import text_console
from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.defs.instance import dagster_home, project_root
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake import Lake

STOP_WITHIN_SECONDS = 20
_POLL_SECONDS = 0.5
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
    # A shell that starts us in the background has SIGINT ignored, and children would inherit that.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    with ExitStack() as stack:
        if sandbox:
            from copilot_pipeline.cli.demo import sandbox_environment

            emulated, _ = stack.enter_context(sandbox_environment())
            console.print(f"sandbox   {emulated.url}")
        settings, database = stack.enter_context(opened())
        console.print(f"database  {without_secrets(database.url)}", markup=False)
        console.print(f"lake      {Lake(settings.environment.lake_url).display_url}", markup=False)
        if settings.without_kits is not None:
            console.print(f"kits      {settings.without_kits}", markup=False)
        if settings.environment.copilot_pipeline_webhook_secret is None:
            console.print("webhooks  off: COPILOT_PIPELINE_WEBHOOK_SECRET is not set")
        else:
            from copilot_pipeline.cli.receive import endpoints_of

            endpoints_of(settings.environment)  # raises if a secret is too short
            _check_port_is_free(webhook_port, "--webhook-port")
            console.print(f"webhooks  http://127.0.0.1:{webhook_port}/webhooks/clari-copilot")
            receiver = _start([sys.executable, "-m", "copilot_pipeline", "receive", "--port", str(webhook_port)])
            stack.callback(_stop, receiver)
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
    """Run the UI and the daemon as one child process, and stop its whole process group at the end."""
    home = dagster_home(command_settings().environment)
    os.environ["DAGSTER_HOME"] = str(home)
    console.print("UI        starting; Ctrl-C stops everything")
    # Dagster's other formats write colour codes into files.
    log_format = "rich" if console.is_terminal and not console.no_color else "json"
    child = _start(
        [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port),
         "--log-level", log_level, "--log-format", log_format]
    )  # fmt: skip
    threading.Thread(target=_print_when_open, args=(console, port, child), daemon=True).start()
    try:
        return child.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(child)


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


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a child in its own process group, so that its children can be stopped with it."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(command, cwd=project_root(), env=environment, start_new_session=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM like Ctrl-C: stop the child, then the database."""
    raise KeyboardInterrupt


def _stop(child: subprocess.Popen[bytes]) -> None:
    for stop_signal in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            return
        os.killpg(child.pid, stop_signal)
        try:
            child.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            continue
