"""`copilot-pipeline budget`: the weekly quota of Clari Copilot requests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from copilot_pipeline.cli.connections import opened
from copilot_pipeline.cli.console import print_json, text_console
from copilot_pipeline.clients.rate_limits import BACKFILL, MANUAL, RateLimits
from copilot_pipeline.postgres import Database


@click.command("budget")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(as_json: bool) -> None:
    """Show this week's requests by source, what is left and when it resets. Costs no request.

    A share of the weekly quota is reserved for polling and webhooks (`budget.backfill_reserve_share` in
    pipeline.yaml). When the rest is spent, backfills wait until the reset.
    """
    with opened() as (settings, database):
        facts = _facts(RateLimits.from_settings(settings), database)
    if as_json:
        print_json(json.dumps(facts))
        return
    console = text_console()
    console.print(f"Week since {facts['week_starts']} (UTC): {facts['used']:,} of {facts['limit']:,} requests used")
    table = Table("source", "requests", box=None, header_style="dim")
    for source, requests in sorted(facts["by_source"].items(), key=lambda pair: -pair[1]):
        table.add_row(source, f"{requests:,}")
    if facts["by_source"]:
        console.print(table)
    console.print(f"left for backfills   {facts['left_for_backfills']:,}")
    console.print(f"reserved             {facts['reserved']:,}  (for polling and webhooks)")
    rate = facts["requests_per_second"]
    console.print(f"rate limit           {f'{rate:g} requests per second' if rate else 'off'}")
    resets = datetime.fromisoformat(facts["resets_at"])
    console.print(f"resets               {resets:%A %Y-%m-%d %H:%M} UTC  (in {facts['resets_in_hours']:.0f} hours)")
    if facts["closed_until"]:
        until = datetime.fromisoformat(facts["closed_until"])
        console.print(
            Text.assemble((f"paused until {until:%Y-%m-%d %H:%M} UTC", "bold red"), f": {facts['why_closed']}")
        )


def _facts(limits: RateLimits, database: Database) -> dict[str, Any]:
    total, backfills = limits.limiter(database, MANUAL).quota(), limits.limiter(database, BACKFILL).quota()
    return {
        "week_starts": total.starts_on.isoformat(),
        "resets_at": total.resets_at.isoformat(),
        "resets_in_hours": round((total.resets_at - datetime.now(UTC)).total_seconds() / 3600, 1),
        "used": total.used,
        "limit": total.limit,
        "left": max(0, total.limit - total.used),
        "reserved": total.limit - backfills.limit,
        "left_for_backfills": max(0, backfills.limit - backfills.used),
        "by_source": total.by_source,
        "requests_per_second": limits.requests_per_second,
        "closed_until": total.closed_until.isoformat() if total.closed_until else None,
        "closed_because": total.closed_because,
        "why_closed": total.why_closed,
    }
