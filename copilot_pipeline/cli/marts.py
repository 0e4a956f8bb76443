"""`copilot-pipeline answers`: the marts, without the UI."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from copilot_pipeline.runtime import Runtime


@click.command("answers")
@click.option("--json", "as_json", is_flag=True, help="Print the rows of each table as JSON on standard output.")
def command(as_json: bool) -> None:
    """Make the answers anew: MEDDICC, coaching, claims, win/loss and open deals.

    They are made from the scores in the warehouse; no request goes out. By itself this runs every day at 08:00 UTC.
    """
    from copilot_pipeline.runtime import open_runtime

    with open_runtime(source="run") as runtime:
        rows = refresh(runtime, Console(stderr=True))
    if as_json:
        click.echo(json.dumps(rows))


def refresh(runtime: Runtime, console: Console) -> dict[str, int]:
    """Makes the answers, and says how many there are."""
    began = time.monotonic()
    with console.status("making the answers: MEDDICC, coaching, claims, win/loss, open deals"):
        from copilot_pipeline.cli.materialize import materialize_answers

        rows = materialize_answers(runtime)
    counts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    console.print(f"answers in {time.monotonic() - began:.1f} s: {counts}", highlight=False, soft_wrap=True)
    return rows
