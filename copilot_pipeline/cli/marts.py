"""`copilot-pipeline marts`: rebuild the marts without the UI. `answers` is its alias."""

from __future__ import annotations

import json
import time
from datetime import UTC

import click
from rich.console import Console

from copilot_pipeline.cli.connections import command_database, command_settings
from copilot_pipeline.cli.console import print_json, text_console
from copilot_pipeline.config.loading import Settings


@click.command("marts")
@click.option("--no-refresh", is_flag=True, help="Use users, deals and accounts as they are stored. No request.")
@click.option("--force", is_flag=True, help="Rebuild marts although nothing that they are made from has changed.")
@click.option("--json", "as_json", is_flag=True, help="Print the row count of each table as JSON.")
def command(no_refresh: bool, force: bool, as_json: bool) -> None:
    """Rebuild the marts: MEDDICC, coaching, claims, win/loss, open deals, pipeline and forecast.

    First users, and deals and accounts that are new or open, are read again: one request each, within the weekly
    quota. The marts are computed from the scores in the warehouse; a mart is rebuilt only if what it is made from has
    changed. In Dagster they are rebuilt automatically.

    \b
    copilot-pipeline marts
    copilot-pipeline marts --no-refresh
    copilot-pipeline marts --json
    """
    rows = refresh(command_settings(), text_console(stderr=True), with_inputs=not no_refresh, force=force)
    if as_json:
        print_json(json.dumps(rows))


def refresh(settings: Settings, console: Console, *, with_inputs: bool = True, force: bool = False) -> dict[str, int]:
    """Rebuild the marts and what they are built from, print the row counts and return them by table."""
    from copilot_pipeline.load.lake import Lake

    started = time.monotonic()
    Lake(settings.environment.lake_url).probe()
    if with_inputs:
        with console.status("reading users, new and open deals, and new accounts"):
            from copilot_pipeline.cli.materialize import refresh_inputs_of_marts

            problems = refresh_inputs_of_marts(settings)
        for problem in problems:
            console.print(f"not refreshed: {problem}", style="yellow")
    with console.status("building the marts: MEDDICC, coaching, claims, win/loss, open deals, pipeline, forecast"):
        from copilot_pipeline.cli.materialize import materialize_marts

        rows = materialize_marts(settings, force=force)
    console.print(f"{len(rows)} marts built in {time.monotonic() - started:.1f} s:")
    counts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    console.print(counts)
    print_deals_as_of(settings, console)
    return rows


def print_deals_as_of(settings: Settings, console: Console) -> None:
    """Print how old the deals are that the marts were built from, and how many deals of calls are not among them."""
    with command_database(settings) as database, database.connection() as connection:
        row = connection.execute(
            """SELECT (SELECT min(deals_as_of) FROM copilot.marts_as_of),
              (SELECT count(DISTINCT deal_id) FROM copilot.calls
               WHERE deal_id IS NOT NULL AND deal_id NOT IN (SELECT deal_id FROM copilot.deals))"""
        ).fetchone()
    as_of, unknown = row or (None, 0)
    text = f"deals as of {as_of.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if as_of else "deals were never built"
    console.print(text + (f"; {unknown:,} deals of calls are not among them" if unknown else ""))
