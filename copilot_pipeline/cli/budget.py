"""`copilot-pipeline budget`: the week so far."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from copilot_pipeline.runtime import BACKFILL, Runtime, open_runtime


@click.command("budget")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(as_json: bool) -> None:
    """This week's requests by source, what is reserved, the pace, and when it resets. Costs no request."""
    with open_runtime(source="budget") as runtime:
        facts = _facts(runtime)
    if as_json:
        click.echo(json.dumps(facts))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Week since {facts['week_starts']} (UTC): {facts['used']:,} of {facts['limit']:,} requests used")
    table = Table("asked by", "requests", box=None, header_style="dim")
    for source, requests in sorted(facts["by_source"].items(), key=lambda pair: -pair[1]):
        table.add_row(source, f"{requests:,}")
    if facts["by_source"]:
        console.print(table)
    console.print(f"left for backfills   {facts['left_for_backfills']:,}")
    console.print(f"reserved from them   {facts['reserved']:,}  (polling and webhooks)")
    pace = facts["requests_per_second"]
    console.print(f"pace                 {f'{pace:g} requests a second' if pace else 'off'}")
    resets = datetime.fromisoformat(facts["resets_at"])
    console.print(f"resets               {resets:%A %Y-%m-%d %H:%M} UTC  (in {facts['resets_in_hours']:.0f} hours)")
    if facts["closed_until"]:
        until = datetime.fromisoformat(facts["closed_until"])
        console.print(f"[bold red]closed until {until:%Y-%m-%d %H:%M} UTC[/]: {facts['why_closed']}")


def _facts(runtime: Runtime) -> dict[str, Any]:
    everybody, backfills = runtime.gate("budget").quota(), runtime.gate(BACKFILL).quota()
    return {
        "week_starts": everybody.starts_on.isoformat(),
        "resets_at": everybody.resets_at.isoformat(),
        "resets_in_hours": round((everybody.resets_at - datetime.now(UTC)).total_seconds() / 3600, 1),
        "used": everybody.used,
        "limit": everybody.limit,
        "left": max(0, everybody.limit - everybody.used),
        "reserved": everybody.limit - backfills.limit,
        "left_for_backfills": max(0, backfills.limit - backfills.used),
        "by_source": everybody.by_source,
        "requests_per_second": runtime.settings.environment.copilot_pipeline_requests_per_second,
        "closed_until": everybody.closed_until.isoformat() if everybody.closed_until else None,
        "closed_because": everybody.closed_because,
        "why_closed": everybody.why_closed,
    }
