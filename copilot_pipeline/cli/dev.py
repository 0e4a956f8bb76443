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
from copilot_pipeline.settings import load_settings

STOP_WITHIN_SECONDS = 20


@click.command("dev")
@click.option("--sandbox", is_flag=True, help="Emulate both APIs instead of asking the real ones.")
@click.option("--port", default=3000, show_default=True, help="Port of the Dagster UI, on this machine only.")
def command(sandbox: bool, port: int) -> None:
    """Everything for working: the database, the Dagster UI and its daemon. Ctrl-C ends it all.

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
        sys.exit(_run_dagster(port))


def _run_dagster(port: int) -> int:
    """The UI and the daemon as one child; its whole process group is ended with us."""
    home = dagster_home(load_settings().environment)
    child = subprocess.Popen(
        [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=project_root(),
        env={**os.environ, "DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"},
        start_new_session=True,
    )
    try:
        return child.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(child)


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
