"""`copilot-pipeline dev`: everything for working, ended by one Ctrl-C."""

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

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.config.urls import without_secrets
from copilot_pipeline.defs.instance import dagster_home, project_root
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.runtime import open_runtime

STOP_WITHIN_SECONDS = 20
_LOOK_EVERY_SECONDS = 0.5
_PORT = click.IntRange(1, 65535)


@click.command("dev")
@click.option("--sandbox", is_flag=True, help="Emulate both APIs instead of asking the real ones.")
@click.option(
    "--port", default=3000, show_default=True, type=_PORT, help="Port of the Dagster UI, on this machine only."
)
@click.option("--webhook-port", default=8800, show_default=True, type=_PORT, help="Port of the webhook receiver.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="How much Dagster's own services say here; info: every look of every sensor.",
)
def command(sandbox: bool, port: int, webhook_port: int, log_level: str) -> None:
    """Everything for working: the database, the Dagster UI and its daemon, the webhook receiver. Ctrl-C ends it all.

    The daemon launches backfills, schedules and sensors; the receiver needs COPILOT_PIPELINE_WEBHOOK_SECRET.

    With --sandbox it works on made-up calls, and goes on where `copilot-pipeline demo` ended.
    """
    console = Console(highlight=False, soft_wrap=True)
    _refuse_a_port_in_use(port, "--port")
    # Set even where a shell that started us in the background has SIGINT ignored: children would ignore it too.
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    with ExitStack() as stack:
        if sandbox:
            from copilot_pipeline.cli.demo import sandbox_environment

            emulated, _ = stack.enter_context(sandbox_environment())
            console.print(f"sandbox   {emulated.url}")
        runtime = stack.enter_context(open_runtime(source="ui"))
        console.print(f"database  {without_secrets(runtime.database.url)}", markup=False)
        console.print(f"lake      {runtime.lake.display_url}", markup=False)
        if runtime.settings.environment.copilot_pipeline_webhook_secret is None:
            console.print("webhooks  are not received: COPILOT_PIPELINE_WEBHOOK_SECRET is not set")
        else:
            _refuse_a_port_in_use(webhook_port, "--webhook-port")
            console.print(f"webhooks  http://127.0.0.1:{webhook_port}/webhooks/clari-copilot")
            receiver = _start([sys.executable, "-m", "copilot_pipeline", "receive", "--port", str(webhook_port)])
            stack.callback(_end, receiver)
        sys.exit(_run_dagster(console, port, log_level))


def _refuse_a_port_in_use(port: int, option: str) -> None:
    """Raises `ConfigurationError` now, instead of a traceback of a child's later."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} cannot be used ({error.strerror}): is another `copilot-pipeline dev` running? "
                f"Otherwise choose another port with {option}"
            ) from None


def _run_dagster(console: Console, port: int, log_level: str) -> int:
    """The UI and the daemon as one child; its whole process group is ended with us."""
    home = dagster_home(load_settings().environment)
    os.environ["DAGSTER_HOME"] = str(home)
    console.print("UI        is starting; Ctrl-C ends everything")
    # Its other formats colour what nobody sees.
    log_format = "rich" if console.is_terminal and not console.no_color else "json"
    child = _start(
        [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port),
         "--log-level", log_level, "--log-format", log_format]
    )  # fmt: skip
    threading.Thread(target=_say_when_open, args=(console, port, child), daemon=True).start()
    try:
        return child.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(child)


def _say_when_open(console: Console, port: int, child: subprocess.Popen[bytes]) -> None:
    while True:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                console.print(f"UI        http://127.0.0.1:{port} is open")
                return
        try:
            child.wait(_LOOK_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    """A child in a process group of its own, so that it is ended with everything it started."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(command, cwd=project_root(), env=environment, start_new_session=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """A polite request to end is taken like Ctrl-C: the child is ended, then the database."""
    raise KeyboardInterrupt


def _end(child: subprocess.Popen[bytes]) -> None:
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            return
        os.killpg(child.pid, ending)
        try:
            child.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            continue
