"""`copilot-pipeline report`: the report, as one HTML file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from copilot_pipeline.cli.dates import DATE
from copilot_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from copilot_pipeline.runtime import Runtime

FILE = Path("report.html")


@click.command("report")
@click.option("--out", type=click.Path(path_type=Path), default=FILE, show_default=True, help="The file to write.")
@click.option(
    "--as-of",
    type=DATE,
    metavar="DAY",
    help="About the last week that was over on that day. Default: today.",
)
@click.option("--as-is", is_flag=True, help="From the answers as they stand; without, they are made anew first.")
def command(out: Path, as_of: datetime | None, as_is: bool) -> None:
    """Write the report: one HTML file that needs no network, for a laptop and a phone.

    What changed this week, MEDDICC coverage, coaching, claims with their quotes, what goes with winning, open deals at
    risk, and how much of the data is there.
    """
    from copilot_pipeline.cli.marts import refresh
    from copilot_pipeline.runtime import open_runtime

    console = Console(stderr=True)
    with open_runtime(source="run") as runtime:
        if not as_is:
            refresh(runtime, console)
        write(runtime, console, out, as_of)


def write(runtime: Runtime, console: Console, out: Path, as_of: datetime | None = None) -> None:
    """Writes the file, and says where it lies."""
    with console.status("drawing the report"):
        from copilot_pipeline.report import render

        report = runtime.reading().report(as_of.date() if as_of else runtime.today)
        page = render(report)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{out} cannot be written ({error.strerror}): choose another file with --out"
        ) from None
    console.print(
        f"the report on the week of {report.week}: {out} ({len(page.encode()) / 1024:,.0f} KB)",
        highlight=False,
        soft_wrap=True,
    )
