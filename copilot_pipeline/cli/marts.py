"""`copilot-pipeline marts`: rebuild the marts without the UI. `answers` is its alias."""

from __future__ import annotations

import json
import time

import click
from rich.console import Console

from copilot_pipeline.cli.connections import command_settings
from copilot_pipeline.cli.console import text_console
from copilot_pipeline.cli.imports import gc_paused
from copilot_pipeline.config.loading import Settings


@click.command("marts")
@click.option("--json", "as_json", is_flag=True, help="Print the row count of each table as JSON.")
def command(as_json: bool) -> None:
    """Rebuild the marts: MEDDICC, coaching, claims, win/loss and open deals.

    They are computed from the scores in the warehouse and cost no request. In Dagster they are rebuilt automatically.

    \b
    copilot-pipeline marts
    copilot-pipeline marts --json
    """
    rows = refresh(command_settings(), text_console(stderr=True))
    if as_json:
        click.echo(json.dumps(rows))


def refresh(settings: Settings, console: Console) -> dict[str, int]:
    """Rebuild the marts, print the row counts and return them by table."""
    started = time.monotonic()
    with console.status("building the marts: MEDDICC, coaching, claims, win/loss, open deals"):
        with gc_paused():
            from copilot_pipeline.cli.materialize import materialize_marts

        rows = materialize_marts(settings)
    console.print(f"{len(rows)} marts built in {time.monotonic() - started:.1f} s:")
    counts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    console.print(counts)
    return rows
