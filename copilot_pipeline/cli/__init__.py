"""The command `copilot-pipeline`. The module of a subcommand is imported only when it is called."""

from __future__ import annotations

import difflib
import importlib
import logging
import signal
import sys
from types import FrameType

import click

from copilot_pipeline import __version__
from copilot_pipeline.cli.console import prepare_encodings, prepare_terminal
from copilot_pipeline.cli.disk_problems import disk_problem
from copilot_pipeline.cli.exit_codes import INCOMPLETE, INTERRUPTED, exit_code_of, print_error, print_usage_error
from copilot_pipeline.errors import PipelineError, is_connection_loss
from copilot_pipeline.private_files import write_private_files

_COMMANDS = {
    "demo": "Run two weeks of sandbox calls through the whole pipeline.",
    "dev": "Start the database, Dagster UI, daemon and webhook receiver.",
    "ui": "Serve the Dagster UI alone, guarded against other sites.",
    "run": "Fetch, load and score a range of days, without the UI.",
    "receive": "Receive webhooks: calls that are ready, runs that ended.",
    "backfill": "Plan, start, watch and cancel long backfills.",
    "status": "Show what runs, what is pending and what to do.",
    "budget": "Show this week's requests by source, and what is left.",
    "marts": "Rebuild MEDDICC, coaching, claims, win/loss and deals.",
    "report": "Write the weekly report as one HTML file.",
    "doctor": "Check credentials, kits, database and lake.",
    "kits": "Show the Semarize kits that the key may use.",
    "routes": "Check the routes and preview what they would send.",
    "deliveries": "List, enqueue, send, retry and export deliveries.",
    "privacy": "Find, export and erase a person or a call.",
    "sandbox": "Serve the emulated APIs with made-up calls.",
    "lake": "Show, copy, adopt or reset the Parquet files.",
    "migrate": "Bring the schema of the database up to date.",
    "reader": "Create a read-only database role for an analyst.",
    "metrics": "Print metrics for Prometheus, or push them.",
    "search": "Search what was said on calls.",
    "sql": "Query the pipeline's database, read-only.",
}
_ALIASES = {"answers": "marts"}


class _Commands(click.Group):
    """Import the module of a command only when it is called, so that `--help` and usage errors are fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"copilot_pipeline.cli.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and args[0] not in _ALIASES:
            similar = difflib.get_close_matches(args[0], _COMMANDS, 1)
            suggestion = f" Did you mean '{similar[0]}'?" if similar else ""
            raise click.UsageError(f"No such command '{args[0]}'.{suggestion}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="copilot-pipeline")
def cli() -> None:
    """Clari Copilot calls, scored by Semarize, in Parquet and Postgres.

    \b
    Try it without credentials:
      copilot-pipeline demo
    Check your own setup:
      copilot-pipeline doctor
    Fetch, load and score two weeks of your calls:
      copilot-pipeline run --from 2026-11-01 --to 2026-11-14
    Work in the Dagster UI:
      copilot-pipeline dev

    \b
    Exit codes:
      0    everything is done
      1    some of it is not done; run the same command again
      2    wrong usage
      3    a setting or a credential is wrong
      4    everything is done except for quarantined calls, whose details
           cannot be parsed; run the same command again to request them
      75   the weekly quota is spent; run it again after the reset
      130  interrupted by Ctrl-C; run it again to continue
    """


def main() -> None:
    """Run the command. Print expected errors without a traceback and exit with their code."""
    write_private_files()
    prepare_encodings()
    prepare_terminal()
    _end_with_terminal()
    # Lost connections are raised as errors; the log messages of the library would only repeat them.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    try:
        # With standalone_mode=False click returns the code of an `Exit` instead of raising it.
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        print_usage_error(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.exceptions.Abort):
        sys.exit(INTERRUPTED)
    except PipelineError as error:
        print_error(error)
        sys.exit(exit_code_of(error))
    except Exception as error:
        problem = disk_problem(error)
        if problem is not None:
            print_error(problem)
            sys.exit(exit_code_of(problem))
        if not is_connection_loss(error):
            raise
        print_error(PipelineError("the connection to the database was lost. Run the same command again to continue."))
        sys.exit(INCOMPLETE)


def _end_with_terminal() -> None:
    """Handle SIGHUP, the end of the terminal, as the command handles SIGTERM. `nohup` stays in effect."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _terminate)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)
