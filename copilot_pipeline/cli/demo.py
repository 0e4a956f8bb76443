"""`copilot-pipeline demo`: two weeks of made-up calls through the whole path, and what to look at next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from copilot_pipeline.runtime import Runtime

DAYS = 14
CALLS_PER_DAY = 20
FOLDER = "demo"
REPORT = "report.html"
_REMEMBERED = "sandbox.json"
WEBHOOK_SECRET = "made-up-secret-of-the-demo"


@click.command("demo")
@click.option("--calls-per-day", default=CALLS_PER_DAY, show_default=True, help="Calls of a day.")
@click.option("--home", type=click.Path(path_type=Path), help="Where everything goes. Default: .copilot_pipeline/demo")
def command(calls_per_day: int, home: Path | None) -> None:
    """Take two weeks of made-up calls through the whole path: no credentials, no database, no network.

    A sandbox plays Clari Copilot and Semarize over real HTTP, limits included. The database is an embedded PostgreSQL.
    Run it again: what is done stays done.
    """
    console = Console(highlight=False, soft_wrap=True)
    with sandbox_environment(home, calls_per_day=calls_per_day) as (sandbox, folder):
        first, last = sandbox.options.first_day, sandbox.options.last_day
        console.print(
            f"{sandbox.options.days * calls_per_day} made-up calls, {first} to {last}, at {sandbox.url}: "
            "Clari Copilot (10 requests a second, as the real one allows) and Semarize."
        )
        from copilot_pipeline.cli.marts import refresh
        from copilot_pipeline.cli.report import write
        from copilot_pipeline.cli.run import run_days
        from copilot_pipeline.runtime import open_runtime

        run_days(first, last, None, as_json=False)
        with open_runtime(source="demo") as runtime:
            _show(console, runtime)
            refresh(runtime, console)
            write(runtime, console, folder / REPORT)
        _show_counts(console, sandbox)
    _say_what_next(console, folder)


@contextmanager
def sandbox_environment(
    home: Path | None = None, *, calls_per_day: int = CALLS_PER_DAY
) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox, and this process's environment pointing at it. The world is the same the next time, and tomorrow."""
    folder = (home or Environment().home / FOLDER).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    remembered = folder / _REMEMBERED
    if remembered.exists():
        options = SandboxOptions.from_json(remembered.read_text())
    else:
        options = SandboxOptions(days=DAYS, calls_per_day=calls_per_day, ripening_seconds=120)
        remembered.write_text(options.to_json())
    with Sandbox(options) as sandbox:
        os.environ.update(sandbox.environment())
        os.environ["COPILOT_PIPELINE_HOME"] = str(folder)
        os.environ.setdefault("COPILOT_PIPELINE_WEBHOOK_SECRET", WEBHOOK_SECRET)
        for name in ("COPILOT_PIPELINE_DATABASE_URL", "COPILOT_PIPELINE_LAKE_URL", "DAGSTER_HOME"):
            os.environ.pop(name, None)
        yield sandbox, folder


_QUESTIONS = (
    (
        "Calls that carry a risk, and who said what",
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


def _show(console: Console, runtime: Runtime) -> None:
    for title, query in _QUESTIONS:
        with runtime.database.connection() as connection:
            cursor = connection.execute(query.encode())
            table = Table(*(column.name for column in cursor.description or ()), title=title, title_justify="left")
            for row in cursor:
                table.add_row(*("" if value is None else str(value) for value in row))
        console.print(table)


def _show_counts(console: Console, sandbox: Sandbox) -> None:
    counted = sandbox.stats()
    console.print(
        f"The sandbox counted {counted['clari_total']} Clari requests (at most {counted['most_in_a_second']} in a "
        f"second, {counted['answered_429']} refused), {counted['details_most_for_one_call']} at most for one call's "
        f"details, and {counted['runs_created']} Semarize runs ({counted['runs_most_for_one_input']} at most for one "
        "transcript and kit)."
    )


def _say_what_next(console: Console, folder: Path) -> None:
    here, command = shlex.quote(_from_here(folder)), _command()
    console.print("\n[bold]What to look at next[/]")
    for what, how in (
        ("the report: coverage, coaching, claims, win/loss, open deals", f"{here}/{REPORT}"),
        ("the Dagster UI on this demo: assets, partitions, a backfill", f"{command} dev --sandbox"),
        (
            "a query",
            f'COPILOT_PIPELINE_HOME={here} {command} sql "SELECT * FROM copilot.scores_meddicc LIMIT 5"',
        ),
        ("the Parquet files, by table and day", f"{here}/lake"),
        ("the same again: nothing is fetched or scored twice", f"{command} demo"),
        ("with your own keys in .env: is everything there?", f"{command} doctor"),
    ):
        console.print(f"  {what}", markup=False)
        console.print(f"    {how}", style="bold", markup=False)


def _from_here(path: Path) -> str:
    """A path as short as it can be said in this folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _command() -> str:
    """This command as it can be typed here: it need not be on the PATH."""
    called = Path(sys.argv[0]).absolute()
    if called.name != "copilot-pipeline" or shutil.which(called.name) == str(called):
        return "copilot-pipeline"
    return shlex.quote(_from_here(called))
