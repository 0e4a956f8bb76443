"""`copilot-pipeline sandbox`: serve the emulated APIs only."""

from __future__ import annotations

import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from copilot_pipeline.cli.console import echo, print_json, text_console
from copilot_pipeline.sandbox import Sandbox, SandboxOptions
from copilot_pipeline.sandbox.planted_person import EMAIL, NAME, PHONE

_REFRESH_SECONDS = 5


@click.command("sandbox")
@click.option("--days", default=14, show_default=True, help="Days of calls; the last one is yesterday.")
@click.option("--calls-per-day", default=60, show_default=True, help="Calls per day.")
@click.option("--segments", default=80, show_default=True, help="Average number of speaker turns per call.")
@click.option("--seed", default=7, show_default=True, help="Seed of the generated data.")
@click.option("--dialect", type=click.Choice(["rest", "guide"]), default="rest", show_default=True, help="API dialect.")
@click.option("--port", default=0, help="Loopback port. Default: any free port.")
@click.option("--latency-ms", default=0.0, help="Delay of every Clari response.")
@click.option(
    "--processing-seconds", default=120.0, show_default=True, help="Seconds until unprocessed calls become ready."
)
@click.option("--person", "has_person", is_flag=True, help="Name one person in all records, to try `privacy` on.")
@click.option("--ripening", type=float, hidden=True)
@click.option("--no-limits", is_flag=True, help="Do not enforce the limits (10 requests per second, 100,000 per week).")
@click.option("--json", "as_json", is_flag=True, help="Print the environment variables as JSON.")
def command(ripening: float | None, no_limits: bool, as_json: bool, **options: Any) -> None:
    """Serve Clari Copilot, Semarize and the sinks on this machine with made-up calls, until Ctrl-C.

    Paste the printed variables into another terminal to run any command against the sandbox.

    \b
    Read its counters:
      curl ADDRESS/_sandbox/stats
    Inject faults:
      curl -d '{"error_status": 502, "error_share": 0.1}' ADDRESS/_sandbox/faults
    Edit a call:
      curl -d '{"call_id": "ID", "changes": {"title": "New"}}' \\
        ADDRESS/_sandbox/edit
    """
    if ripening is not None:
        echo("warning: --ripening is deprecated and will be removed in 0.3. Use --processing-seconds.", err=True)
        options["processing_seconds"] = ripening
    if no_limits:
        options.update(requests_per_second=None, requests_per_week=None)
    first_day = datetime.now(UTC).date() - timedelta(days=options["days"])
    with Sandbox(SandboxOptions(first_day=first_day, **options)) as sandbox:
        if as_json:
            print_json(json.dumps({"url": sandbox.url, "environment": sandbox.environment()}))
        else:
            for name, value in sandbox.environment().items():
                echo(f"export {name}={value}")
            if options["has_person"]:
                echo(f"# everywhere: {NAME}, {EMAIL}, {PHONE}")
        sys.stdout.flush()
        _show_counters_until_stopped(sandbox)


def _show_counters_until_stopped(sandbox: Sandbox) -> None:
    """Show the request counters on standard error until Ctrl-C or SIGTERM."""
    console = text_console(stderr=True)
    console.print(f"{sandbox.options.days * sandbox.options.calls_per_day} calls at {sandbox.url} (Ctrl-C stops it)")
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with console.status("no requests yet") as status:
        while signal.sigtimedwait(signals, _REFRESH_SECONDS) is None:
            counted = sandbox.stats()
            status.update(
                f"{counted['clari_total']} Clari requests, {counted['answered_429']} answered with 429; "
                f"{counted['runs_created']} Semarize runs"
            )
