"""`copilot-pipeline deliveries`: what went where and when, what waits and why, and sending it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from copilot_pipeline.cli.dates import date_range_options, dates_between
from copilot_pipeline.cli.exit_codes import INCOMPLETE
from copilot_pipeline.cli.query_output import print_table

if TYPE_CHECKING:
    from copilot_pipeline.delivery.outbox import Listed, SinkState


@click.group("deliveries", invoke_without_command=True)
@click.option(
    "--state", "states", multiple=True, help="waiting, delivered, refused, uncertain, silenced, … (repeatable)"
)
@click.option("--route", help="Only this rule.")
@click.option("--limit", default=30, show_default=True, help="Rows, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def command(context: click.Context, states: tuple[str, ...], route: str | None, limit: int, as_json: bool) -> None:
    """What went where and when, what waits and why. With a subcommand: send, try again, list, export."""
    if context.invoked_subcommand is not None:
        return
    from copilot_pipeline.delivery.outbox import STATES, Outbox
    from copilot_pipeline.runtime import open_runtime

    unknown = set(states) - set(STATES)
    if unknown:
        raise click.UsageError(f"there is no state {min(unknown)}; there are {', '.join(STATES)}")
    with open_runtime(source="deliveries") as runtime:
        outbox = Outbox(runtime.database)
        rows, sinks, counts = (
            outbox.listed(states=states, route=route, limit=limit),
            outbox.sink_states(),
            outbox.counts(),
        )
        incidents = runtime.outgoing.watching().open_incidents()
        unlinked = len(outbox.unlinked())
    if as_json:
        answer = {
            "deliveries": [asdict(row) for row in rows],
            "sinks": [asdict(sink) for sink in sinks],
            "counts": [{"sink": sink, "state": state, "rows": count} for (sink, state), count in counts.items()],
            "unlinked": unlinked,
            "incidents": [asdict(incident) for incident in incidents],
        }
        click.echo(json.dumps(answer, default=lambda value: value.isoformat()))
        return
    console = Console(highlight=False, soft_wrap=True)
    if rows:
        print_table(
            console,
            ("id", "rule", "call", "to", "state", "when", "why"),
            [_cells(row) for row in rows],
        )
    for sink in sinks:
        of_sink = ", ".join(f"{count:,} {state}" for (name, state), count in counts.items() if name == sink.name)
        console.print(f"[bold]{sink.name}[/]: ", end="")
        console.print(of_sink or "nothing", markup=False, end="")
        console.print(_why(sink), style="red", markup=False, end="")
        console.print()
    if unlinked:
        console.print(f"{unlinked} call(s) cannot be written back: copilot-pipeline deliveries unlinked")
    for incident in incidents:
        console.print(f"since {_when(incident.opened_at)}: {incident.name}: {incident.what}", style="red", markup=False)
    if not rows and not sinks:
        console.print("Nothing has been asked for yet: copilot-pipeline deliveries enqueue --from DAY --to DAY")


def _why(sink: SinkState) -> str:
    if not sink.failures or sink.failing_since is None:
        return ""
    again = _when(sink.next_try_at) if sink.next_try_at else "at once"
    return f"; fails since {_when(sink.failing_since)}: {sink.last_problem}; next try {again}"


def _cells(row: Listed) -> tuple[object, ...]:
    when = _when(row.settled_at or row.created_at)
    why = row.reason
    if row.state == "waiting" and row.attempts:
        why = f"{why or 'put off'}; not before {_when(row.next_attempt_at)}"
    return (row.id, row.route.strip(), row.call_id, row.target or row.sink, row.state, when, why or "")


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@command.command("enqueue")
@date_range_options
@click.option("--loud", is_flag=True, help="Send old calls, and calls from before the rule, too.")
def enqueue(first: datetime, last: datetime, loud: bool) -> None:
    """Put into the outbox what the rules ask for, of these days. Safe to repeat: nothing goes out twice."""
    from copilot_pipeline.runtime import open_runtime

    with open_runtime(source="deliveries") as runtime:
        for text in runtime.outgoing.check_routes():
            click.echo(f"not checked: {text}", err=True)
        report = runtime.outgoing.delivering().enqueue(dates_between(first, last), is_loud=loud)
    click.echo(f"{report.calls} scored calls: {report.added} deliveries added, {report.silenced} kept silent")
    for reason, count in sorted(report.unlinked.items()):
        click.echo(f"{count} cannot be written back: {reason}")


@command.command("send")
@click.option("--now", "ignore_delay", is_flag=True, help="Try sinks that fail now, and do not wait for their turn.")
@click.option("--wait", default=30.0, show_default=True, help="Seconds to wait for a sink that asks for a moment.")
def send(ignore_delay: bool, wait: float) -> None:
    """Send what waits. Exit 0 only if everything that was due went out."""
    from copilot_pipeline.cli.progress_bars import ProgressBars
    from copilot_pipeline.delivery.outbox import Outbox
    from copilot_pipeline.runtime import open_runtime

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with ProgressBars(console) as bars, open_runtime(source="deliveries", progress=bars) as runtime:
        sent = runtime.outgoing.deliver(ignore_delay=ignore_delay, patience_seconds=wait)
        sinks = Outbox(runtime.database).sink_states()
    for (name, state), count in sorted(sent.counts.items()):
        if state != "waiting":
            click.echo(f"{name}: {count} {state}")
    for sink in sinks:
        if sink.waiting:
            console.print(f"{sink.name}: {sink.waiting} waiting{_why(sink)}", style="red", markup=False)
    for problem in sent.problems.values():
        console.print(problem, style="red", markup=False)
    if not sent.counts and not sent.problems and not any(sink.waiting for sink in sinks):
        console.print("Nothing waits to be sent.")
    if any(sink.waiting for sink in sinks) or sent.total("refused") or sent.total("uncertain"):
        raise click.exceptions.Exit(INCOMPLETE)


@command.command("retry")
@click.argument("ids", nargs=-1, type=int)
@click.option("--route", help="Everything of this rule that was refused.")
def retry(ids: tuple[int, ...], route: str | None) -> None:
    """Send refused or uncertain deliveries again. By id or by rule: what stood in the way is mended."""
    from copilot_pipeline.delivery.outbox import Outbox
    from copilot_pipeline.runtime import open_runtime

    if not ids and route is None:
        raise click.UsageError("name ids, or a rule with --route")
    with open_runtime(source="deliveries") as runtime:
        click.echo(f"{Outbox(runtime.database).send_again(ids=ids, route=route)} wait again")


@command.command("confirm")
@click.argument("ids", nargs=-1, type=int, required=True)
def confirm(ids: tuple[int, ...]) -> None:
    """Say that uncertain messages arrived: they are not sent again."""
    from copilot_pipeline.delivery.outbox import Outbox
    from copilot_pipeline.runtime import open_runtime

    with open_runtime(source="deliveries") as runtime:
        click.echo(f"{Outbox(runtime.database).confirm(ids)} confirmed")


@command.command("unlinked")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def unlinked(as_json: bool) -> None:
    """List calls that cannot be written back, and why. No deal, no account, unknown system."""
    from copilot_pipeline.delivery.outbox import Outbox
    from copilot_pipeline.runtime import open_runtime

    with open_runtime(source="deliveries") as runtime:
        rows = Outbox(runtime.database).unlinked()
    names = ("rule", "call_id", "call_date", "reason")
    if as_json:
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str))
    elif rows:
        print_table(Console(highlight=False), names, rows)
    else:
        click.echo("None: every call that the rules asked for has its record.", err=True)


@command.command("export")
@date_range_options
@click.option("--csv", "path", type=click.Path(path_type=Path, dir_okay=False), help="File. Default: standard output.")
def export(first: datetime, last: datetime, path: Path | None) -> None:
    """Write calls and scores as CSV for Sheets or Excel. A row a call, a column a brick."""
    from copilot_pipeline.delivery.export import write_csv
    from copilot_pipeline.marts.reader import ScoredCallReader
    from copilot_pipeline.runtime import open_runtime

    days = dates_between(first, last)
    with open_runtime(source="deliveries") as runtime:
        reader = ScoredCallReader(runtime.database)
        bricks = [brick.key for brick in reader.answered_bricks(days[0], days[-1])]
        calls = reader.read_for_rules(days)
        if path is None:
            write_csv(sys.stdout, calls, bricks)
            return
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = write_csv(file, calls, bricks)
    click.echo(f"{rows} calls, {len(bricks)} bricks: {path}", err=True)
