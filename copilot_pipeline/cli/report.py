"""`copilot-pipeline report`: write the weekly report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from copilot_pipeline.cli.connections import opened
from copilot_pipeline.cli.console import echo, text_console
from copilot_pipeline.cli.dates import DATE
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database
from copilot_pipeline.private_files import create_private_folder

FILE = Path("report.html")


@click.command("report")
@click.option("--out", type=click.Path(path_type=Path), default=FILE, show_default=True, help="File to write.")
@click.option(
    "--as-of",
    type=DATE,
    metavar="DATE",
    help="Report on the last week that was complete on this date. Default: today.",
)
@click.option("--no-refresh", is_flag=True, help="Use the marts as they are: no request, no rebuild.")
@click.option("--as-is", "as_is", is_flag=True, hidden=True)
def command(out: Path, as_of: datetime | None, no_refresh: bool, as_is: bool) -> None:
    """Write the weekly report as one HTML file that needs no network.

    It covers the changes of the week, MEDDICC coverage, coaching, claims with quotes, win/loss drivers, open deals at
    risk, and the completeness of the data.

    \b
    copilot-pipeline report --out report.html
    copilot-pipeline report --as-of 2026-11-16 --no-refresh
    """
    from copilot_pipeline.cli.marts import print_deals_as_of, refresh

    console = text_console(stderr=True)
    if as_is:
        echo("warning: --as-is is deprecated and will be removed in 0.3. Use --no-refresh.", err=True)
    with opened() as (settings, database):
        if not (no_refresh or as_is):
            refresh(settings, console)
        else:
            print_deals_as_of(settings, console)
        write(settings, database, console, out, as_of)


def write(settings: Settings, database: Database, console: Console, out: Path, as_of: datetime | None = None) -> None:
    """Write the report and print its path."""
    with console.status("rendering the report"):
        from copilot_pipeline.report import ReportQueries, render
        from copilot_pipeline.state.written_files import remember_file

        today = datetime.now(UTC).astimezone(settings.zone).date()
        queries = ReportQueries.of_marts(database, settings.pipeline.marts)
        report = queries.report(as_of.date() if as_of else today)
        page = render(report, settings.pipeline.advanced.clari.link_hosts)
    remember_file(database, out, "report")
    try:
        create_private_folder(out.parent)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{out} cannot be written ({error.strerror}). Choose another file with --out"
        ) from None
    console.print(
        f"report on the week of {report.week}: {out} ({len(page.encode()) / 1024:,.0f} KB)",
    )
