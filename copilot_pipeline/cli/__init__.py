"""The `copilot-pipeline` command. Each subcommand is a module, imported only when it is called."""

from __future__ import annotations

import difflib
import importlib
import logging
import sys

import click

from copilot_pipeline import __version__
from copilot_pipeline.cli.exit_codes import INCOMPLETE, INTERRUPTED, exit_code_of, is_connection_loss, print_error
from copilot_pipeline.errors import PipelineError

_COMMANDS = {
    "demo": "Two weeks of made-up calls through the whole path.",
    "dev": "Everything for working: database, Dagster UI, daemon and webhooks.",
    "run": "Fetch, tabulate and score a range of days, without the UI.",
    "receive": "Receive webhooks: calls that are ready, runs that ended.",
    "backfill": "Bring in a range of days within the week's budget: plan, start, status, cancel.",
    "budget": "This week's requests, what is reserved, when it resets.",
    "answers": "Make the tables of answers anew: MEDDICC, coaching, claims, win/loss.",
    "report": "Write what the calls say as one HTML file.",
    "doctor": "Check credentials, kits, database and lake.",
    "routes": "Check the rules; see what they would send.",
    "deliveries": "What went where and when, what waits and why.",
    "sandbox": "Only the emulated APIs, with their addresses and keys.",
    "reader": "A database role for analysts, which reads and nothing else.",
    "sql": "Query the pipeline's database.",
}


class _Commands(click.Group):
    """Imports a command's module when it is needed: `--help` and a usage error then cost nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"copilot_pipeline.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS:
            alike = difflib.get_close_matches(args[0], _COMMANDS, 1)
            meant = f"; did you mean {alike[0]}?" if alike else ""
            raise click.UsageError(f"there is no command {args[0]}{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="copilot-pipeline")
def cli() -> None:
    """Clari Copilot calls, scored by Semarize, in Parquet and Postgres.

    \b
    Try it without credentials:     copilot-pipeline demo
    Check your own set-up:          copilot-pipeline doctor
    Two weeks of your own calls:    copilot-pipeline run --from 2026-11-01 --to 2026-11-14
    Work in the Dagster UI:         copilot-pipeline dev

    Exit codes: 0 all done · 1 some of it is not · 2 wrong usage · 3 a setting or credential is wrong ·
    75 the week's request budget is spent, run the same command again after it resets.
    """


def main() -> None:
    """Runs the command; errors made for people are shown without a traceback."""
    # What goes wrong with a connection is raised; the library's own remarks on it are no news to a person.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    try:
        # Outside of its standalone mode click hands the code of an `Exit` back instead of raising it.
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.exceptions.Abort):
        sys.exit(INTERRUPTED)
    except PipelineError as error:
        print_error(error)
        sys.exit(exit_code_of(error))
    except Exception as error:
        if not is_connection_loss(error):
            raise
        print_error(PipelineError("the database stopped answering. Run the same command again: what is done stays done."))
        sys.exit(INCOMPLETE)
