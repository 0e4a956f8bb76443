"""`copilot-pipeline demo`: half a year of sandbox calls through the whole pipeline."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from copilot_pipeline.cli.console import text_console
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.sources import EXAMPLE_FILE, example_path
from copilot_pipeline.private_files import create_private_folder
from copilot_pipeline.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from copilot_pipeline.postgres import Database

WEEKS = 26
CLOSED_DEALS = 80  # with the open ones some 200 calls: about 310 requests
# Of the sandbox: the vendor allows 10, with which the demo would wait for half a minute.
REQUESTS_PER_SECOND = 50
_VENDORS_REQUESTS_PER_SECOND = 10
_SHARE_OF_LIMIT = 0.9  # that the pipeline uses, as by default
SEGMENTS = 40
FOLDER = "demo"
REPORT = "report.html"
_OPTIONS_FILE = "sandbox.json"
WEBHOOK_SECRET = "made-up-secret-of-the-demo"


@click.command("demo")
@click.option("--calls-per-day", type=int, help="Two weeks with so many calls per day, without a history of deals.")
@click.option("--home", type=click.Path(path_type=Path), help="Folder for all data. Default: .copilot_pipeline/demo")
def command(calls_per_day: int | None, home: Path | None) -> None:
    """Run half a year of a made-up company's calls through the pipeline. Needs no credentials or network.

    The sandbox emulates Clari Copilot and Semarize over HTTP, with their limits. The database is an embedded
    PostgreSQL. A second run fetches and scores nothing twice.
    """
    console = text_console()
    with sandbox_environment(home, calls_per_day=calls_per_day) as (sandbox, folder):
        first, last = sandbox.options.first_day, sandbox.options.last_day
        rate = sandbox.options.requests_per_second
        vendors = f"; the vendor allows {_VENDORS_REQUESTS_PER_SECOND}" if rate != _VENDORS_REQUESTS_PER_SECOND else ""
        console.print(
            f"Sandbox calls of {first} to {last}, at {sandbox.url}: "
            f"Clari Copilot (limited to {rate} requests per second{vendors}) and Semarize."
        )
        from copilot_pipeline.cli.connections import opened
        from copilot_pipeline.cli.marts import refresh
        from copilot_pipeline.cli.report import write
        from copilot_pipeline.cli.run import exit_with, run_days

        with opened() as (settings, database):
            _commit_without_waiting(database)
            exit_with(run_days(first, last, None, as_json=False))
            _show(console, database)
            refresh(settings, console)
            write(settings, database, console, folder / REPORT)
        _show_counts(console, sandbox)
    _print_next_steps(console, folder)


def _commit_without_waiting(database: Database) -> None:
    """Let commits return before they are on the disk: a power failure costs the demo its last second, and no more."""
    with database.transaction() as connection:
        connection.execute(
            """DO $$ BEGIN
              EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
            END $$"""
        )


@contextmanager
def sandbox_environment(
    home: Path | None = None, *, calls_per_day: int | None = None
) -> Iterator[tuple[Sandbox, Path]]:
    """Start the sandbox and point this process's environment to it. Its calls are the same on every start."""
    folder = (home or Environment().home / FOLDER).absolute()
    create_private_folder(folder)
    options_file = folder / _OPTIONS_FILE
    if options_file.exists():
        options = SandboxOptions.from_json(options_file.read_text())
    else:
        options = _options(calls_per_day)
        options_file.write_text(options.to_json())
    with Sandbox(options) as sandbox:
        os.environ.update(sandbox.environment())
        os.environ["COPILOT_PIPELINE_REQUESTS_PER_SECOND"] = str(_SHARE_OF_LIMIT * (options.requests_per_second or 0))
        # The sandbox is on this machine, where a company's proxy would not find it.
        exceptions = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"{exceptions},127.0.0.1" if exceptions else "127.0.0.1"
        os.environ["COPILOT_PIPELINE_HOME"] = str(folder)
        os.environ["COPILOT_PIPELINE_CONFIG"] = str(example_path())  # its kits are those of the sandbox
        os.environ.setdefault("COPILOT_PIPELINE_WEBHOOK_SECRET", WEBHOOK_SECRET)
        for name in ("COPILOT_PIPELINE_DATABASE_URL", "COPILOT_PIPELINE_LAKE_URL", "DAGSTER_HOME"):
            os.environ.pop(name, None)
        yield sandbox, folder


def _options(calls_per_day: int | None) -> SandboxOptions:
    """Return those of two weeks with so many calls per day, or of a company whose deals closed over the weeks."""
    if calls_per_day is not None:
        return SandboxOptions(calls_per_day=calls_per_day, processing_seconds=120)
    return SandboxOptions(
        first_day=datetime.now(UTC).date() - timedelta(weeks=WEEKS),
        days=7 * WEEKS,
        closed_deals=CLOSED_DEALS,
        segments=SEGMENTS,
        requests_per_second=REQUESTS_PER_SECOND,
        processing_seconds=120,
    )


_QUESTIONS = (
    (
        "Calls with a risk, and the quotes",
        """SELECT calls.title, calls.call_date, scores.confidence, scores.evidence[1] AS evidence
        FROM copilot.semarize_scores AS scores JOIN copilot.calls USING (call_id)
        WHERE brick = 'risk_flag' AND value_bool ORDER BY calls.started_at DESC LIMIT 5""",
    ),
    (
        "Objection handling by rep",
        """SELECT calls.rep_name AS rep, count(*) AS calls, round(avg(objection_handling_score)::numeric, 2) AS mean,
          count(*) FILTER (WHERE objection_handling_score < 0.6) AS below_60
        FROM copilot.scores_coaching JOIN copilot.calls USING (call_id)
        WHERE objection_handling_score IS NOT NULL GROUP BY 1 ORDER BY 3""",
    ),
)


def _show(console: Console, database: Database) -> None:
    for title, query in _QUESTIONS:
        with database.connection() as connection:
            cursor = connection.execute(query.encode())
            table = Table(*(column.name for column in cursor.description or ()), title=title, title_justify="left")
            for row in cursor:
                table.add_row(*("" if value is None else str(value) for value in row))
        console.print(table)


def _show_counts(console: Console, sandbox: Sandbox) -> None:
    counted = sandbox.stats()
    console.print(
        f"The sandbox received {counted['clari_total']} Clari requests (at most {counted['most_in_a_second']} in one "
        f"second, {counted['answered_429']} answered with 429), at most {counted['details_most_for_one_call']} for the "
        f"details of one call, and {counted['runs_created']} Semarize runs (at most "
        f"{counted['runs_most_for_one_input']} for one transcript and kit)."
    )


def _print_next_steps(console: Console, folder: Path) -> None:
    project, command = shlex.quote(_from_here(folder)), _command()
    console.print("\nNext steps", style="bold")
    for what, how in (
        ("Read the report: coverage, coaching, claims, win/loss, open deals", f"{project}/{REPORT}"),
        ("Open the Dagster UI on this data: assets, partitions, backfills", f"{command} dev --sandbox"),
        (
            "Query the database",
            f'COPILOT_PIPELINE_HOME={project} {command} sql "SELECT * FROM copilot.scores_meddicc LIMIT 5"',
        ),
        ("Read the Parquet files, by table and day", f"{project}/lake"),
        ("Run it again: nothing is fetched or scored twice", f"{command} demo"),
        (
            f"With your own keys in .env, and the codes of your kits in pipeline.yaml ({EXAMPLE_FILE} is the example), "
            "check the setup",
            f"{command} doctor",
        ),
    ):
        console.print(f"  {what}")
        console.print(f"    {how}", style="bold", soft_wrap=True)  # can be copied


def _from_here(path: Path) -> str:
    """Return the path, relative to the working folder if it is inside it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _command() -> str:
    """Return what to type for this command, which may not be on the PATH."""
    executable = Path(sys.argv[0]).absolute()
    if executable.name != "copilot-pipeline" or shutil.which(executable.name) == str(executable):
        return "copilot-pipeline"
    return shlex.quote(_from_here(executable))
