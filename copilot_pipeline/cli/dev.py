"""`copilot-pipeline dev`: everything for working, ended by one Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from types import FrameType

import click
from rich.console import Console

from copilot_pipeline.addresses import without_secrets
from copilot_pipeline.instance import dagster_home, project_root
from copilot_pipeline.runtime import open_runtime
from copilot_pipeline.settings.loading import load_settings

STOP_WITHIN_SECONDS = 20


@click.command("dev")
@click.option("--sandbox", is_flag=True, help="Emulate both APIs instead of asking the real ones.")
@click.option("--port", default=3000, show_default=True, help="Port of the Dagster UI, on this machine only.")
@click.option("--webhook-port", default=8800, show_default=True, help="Port of the webhook receiver.")
def command(sandbox: bool, port: int, webhook_port: int) -> None:
    """Everything for working: the database, the Dagster UI and its daemon, the webhook receiver. Ctrl-C ends it all.

    The receiver runs where COPILOT_PIPELINE_WEBHOOK_SECRET is set.

    With --sandbox it works on made-up calls, and goes on where `copilot-pipeline demo` ended.
    """
    console = Console(highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as stack:
        if sandbox:
            from copilot_pipeline.cli.demo import sandbox_environment

            emulated, _ = stack.enter_context(sandbox_environment())
            console.print(f"sandbox   {emulated.url}")
        runtime = stack.enter_context(open_runtime(door="ui"))
        console.print(f"database  {without_secrets(runtime.database.url)}", markup=False)
        console.print(f"lake      {runtime.lake.shown_url}", markup=False)
        console.print(f"UI        http://127.0.0.1:{port}  (Ctrl-C ends everything)")
        if runtime.settings.environment.copilot_pipeline_webhook_secret is not None:
            console.print(f"webhooks  http://127.0.0.1:{webhook_port}/webhooks/clari-copilot")
            receiver = _start([sys.executable, "-m", "copilot_pipeline", "receive", "--port", str(webhook_port)])
            stack.callback(_end, receiver)
        sys.exit(_run_dagster(port))


def _run_dagster(port: int) -> int:
    """The UI and the daemon as one child; its whole process group is ended with us."""
    home = dagster_home(load_settings().environment)
    os.environ["DAGSTER_HOME"] = str(home)
    child = _start([sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)])
    try:
        return child.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(child)


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
