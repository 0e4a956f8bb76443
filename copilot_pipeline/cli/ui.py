"""`copilot-pipeline ui`: the Dagster UI behind a guard against pages of other sites."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from copilot_pipeline.cli.connections import command_settings
from copilot_pipeline.cli.console import echo
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.urls import is_loopback

if TYPE_CHECKING:
    from copilot_pipeline.ui import UiGuard

DEFAULT_PORT = 3000
_LIVE_DATA_POLL_MS = 2000
_SHUTDOWN_SECONDS = 5


@click.command("ui")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(1, 65535), help="Port.")
@click.option("--read-only", is_flag=True, help="Refuse everything that changes something, such as launching runs.")
@click.option(
    "--workspace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Dagster workspace file. Default: that of the project, whose code the UI then loads itself.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="Log level of the web server.",
)
def command(host: str, port: int, read_only: bool, workspace: Path | None, log_level: str) -> None:
    """Serve the Dagster UI. It has no login; only this machine reaches it by default.

    Requests of other sites' pages are refused. If it is reached under other names than localhost, such as through an
    authenticating proxy, set COPILOT_PIPELINE_UI_HOSTS. Use it in place of `dagster-webserver`, which has no guard.

    \b
    copilot-pipeline ui
    copilot-pipeline ui --read-only --port 3001
    """
    environment = command_settings().environment
    if not is_loopback(host):
        echo(
            f"warning: {host} accepts connections from other machines, and the Dagster UI has no login. Put an "
            "authenticating proxy in front and let it connect to 127.0.0.1.",
            err=True,
        )
    _serve(environment, host, port, read_only=read_only, workspace=workspace, log_level=log_level)


def _serve(
    environment: Environment, host: str, port: int, *, read_only: bool, workspace: Path | None, log_level: str
) -> None:
    import dagster as dg

    # Private, because the server of Dagster has no option for a check of requests (here `UiGuard`):
    # https://github.com/dagster-io/dagster/issues/2219
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.cli import (
        DEFAULT_DB_STATEMENT_TIMEOUT,
        DEFAULT_POOL_MAX_OVERFLOW,
        DEFAULT_POOL_RECYCLE,
    )
    from dagster_webserver.version import __version__

    from copilot_pipeline.defs.instance import dagster_home, project_file
    from copilot_pipeline.ui import UiGuard

    dagster_home(environment)
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of the process that loads the code
    signal.signal(signal.SIGTERM, _exit)  # the server raises the signal again after its shutdown
    target = WorkspaceFileTarget([str(workspace or project_file("workspace.yaml"))])
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        with WorkspaceProcessContext(
            instance,
            version=__version__,
            read_only=read_only,
            workspace_load_target=target,
            code_server_log_level=log_level,
        ) as context:
            app = create_app_from_workspace_process_context(context, live_data_poll_rate=_LIVE_DATA_POLL_MS)
            _run_server(UiGuard(app, environment.ui_hosts), host, port, log_level)


def _run_server(app: UiGuard, host: str, port: int, log_level: str) -> None:
    import uvicorn

    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level=log_level,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


def _exit(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
