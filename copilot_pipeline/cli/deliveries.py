"""`copilot-pipeline deliveries`: list, enqueue, send, retry and export deliveries."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from copilot_pipeline.cli.connections import delivery_service, opened
from copilot_pipeline.cli.console import echo, print_csv, print_json, text_console
from copilot_pipeline.cli.dates import date_range_options, dates_between
from copilot_pipeline.cli.delivery_lists import (
    NO_ROUTES,
    DescribedDelivery,
    TitledCall,
    print_deliveries,
    titled_calls,
)
from copilot_pipeline.cli.exit_codes import INCOMPLETE
from copilot_pipeline.cli.query_output import print_table
from copilot_pipeline.cli.suppressed import include_suppressed_options, resolve_include_suppressed

if TYPE_CHECKING:
    from rich.console import Console

    from copilot_pipeline.delivery.incidents import Incident
    from copilot_pipeline.delivery.outbox import ListedDelivery, SinkState


FORMER_STATES = {"waiting": "queued", "delivered": "sent", "refused": "failed", "silenced": "suppressed"}


@dataclass(frozen=True, slots=True)
class _OutboxStatus:
    """The sinks, the number of deliveries by sink and state, calls without a CRM record, and open incidents."""

    sinks: list[SinkState]
    counts: dict[tuple[str, str], int]
    unlinked: int
    incidents: Sequence[Incident]

    def as_json(self) -> dict[str, object]:
        return {
            "sinks": [asdict(sink) for sink in self.sinks],
            "counts": [{"sink": sink, "state": state, "rows": count} for (sink, state), count in self.counts.items()],
            "unlinked": self.unlinked,
            "incidents": [asdict(incident) for incident in self.incidents],
        }

    def print_to(self, console: Console) -> None:
        for sink in self.sinks:
            counts = [f"{count:,} {state}" for (name, state), count in self.counts.items() if name == sink.name]
            text = f": {', '.join(counts) or 'nothing'}"
            console.print(Text.assemble((sink.name, "bold"), text, (_why(sink), "red")))
        if self.unlinked:
            console.print(
                f"{self.unlinked} call(s) have no CRM record. List them: copilot-pipeline deliveries unlinked"
            )
        for incident in self.incidents:
            since = f"since {_when(incident.opened_at)}: "
            console.print(f"{since}{incident.name}: {incident.description}", style="red")


@click.group("deliveries", invoke_without_command=True)
@click.option("--state", "states", multiple=True, help="Only this state, for example failed (repeatable).")
@click.option("--route", help="Only this route.")
@click.option("--limit", default=30, show_default=True, help="Maximum number of rows, newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_context
def command(context: click.Context, states: tuple[str, ...], route: str | None, limit: int, as_json: bool) -> None:
    """List deliveries with their state, the state of each sink, and open incidents.

    \b
    copilot-pipeline deliveries
    copilot-pipeline deliveries --state uncertain --route "Risk on a deal"
    """
    if context.invoked_subcommand is not None:
        return
    from copilot_pipeline.delivery.outbox import STATES, Outbox

    states = tuple(_renamed_state(state) for state in states)
    unknown = set(states) - set(STATES)
    if unknown:
        raise click.UsageError(f"Unknown state '{min(unknown)}'. Choose from: {', '.join(STATES)}")
    with opened() as (settings, database):
        outbox = Outbox(database)
        rows = outbox.listed(states=states, route=route, limit=limit)
        calls = titled_calls(database, [row.call_id for row in rows])
        incidents = delivery_service(settings, database).incident_monitor().open_incidents()
        status = _OutboxStatus(outbox.sink_states(), outbox.counts(), len(outbox.unlinked_calls()), incidents)
    if as_json:
        answer = {"deliveries": [asdict(row) for row in rows], **status.as_json()}
        print_json(json.dumps(answer, default=lambda value: value.isoformat()))
        return
    console = text_console()
    print_deliveries(console, [_described(row, calls) for row in rows])
    status.print_to(console)
    if not rows and not status.sinks:
        create = "Create them: copilot-pipeline deliveries enqueue --from DATE --to DATE"
        console.print(f"No deliveries yet. {create if settings.pipeline.routes else NO_ROUTES}")


def _renamed_state(state: str) -> str:
    if state in FORMER_STATES:
        new = FORMER_STATES[state]
        echo(f"warning: the state {state} is deprecated and will be removed in 0.3. Use {new}.", err=True)
    return FORMER_STATES.get(state, state)


def _why(sink: SinkState) -> str:
    if not sink.failures or sink.failing_since is None:
        return ""
    next_attempt = _when(sink.next_attempt_at) if sink.next_attempt_at else "now"
    return f"; failing since {_when(sink.failing_since)}: {sink.last_error}; next attempt {next_attempt}"


def _described(row: ListedDelivery, calls: Mapping[str, TitledCall]) -> DescribedDelivery:
    reason = row.reason
    if row.state == "queued" and row.attempts:
        reason = f"{reason or 'deferred'}; next attempt {_when(row.next_attempt_at)}"
    when = _when(row.completed_at or row.created_at)
    call = calls.get(row.call_id, TitledCall(row.call_id))
    return DescribedDelivery(row.route.strip(), row.sink, row.id, row.state, when, call, row.target, reason or "")


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@command.command("enqueue")
@date_range_options
@include_suppressed_options
def enqueue(first: datetime, last: datetime, include_suppressed: bool, loud: bool) -> None:
    """Create the deliveries of these days in the outbox. Repeating it creates no duplicates.

    \b
    copilot-pipeline deliveries enqueue --from 2026-11-01 --to 2026-11-14
    """

    with opened() as (settings, database):
        service = delivery_service(settings, database)
        for text in service.check_routes():
            echo(f"not checked: {text}", err=True)
        include_suppressed = resolve_include_suppressed(include_suppressed, loud)
        report = service.dispatcher().enqueue(dates_between(first, last), include_suppressed=include_suppressed)
    echo(f"{report.calls} scored calls: {report.added} deliveries added, {report.suppressed} suppressed")
    for reason, count in sorted(report.unlinked.items()):
        echo(f"{count} without a CRM record: {reason}")


@command.command("send")
@click.option("--now", "ignore_backoff", is_flag=True, help="Ignore the backoff of failing sinks.")
@click.option(
    "--wait", default=30.0, show_default=True, help="Longest wait for a sink that requests a later retry, in seconds."
)
def send(ignore_backoff: bool, wait: float) -> None:
    """Send the queued deliveries. Exits with 0 only if everything that was due was sent."""
    from copilot_pipeline.cli.progress_bars import ProgressBars
    from copilot_pipeline.delivery.outbox import Outbox

    console = text_console(stderr=True)
    with ProgressBars(console) as bars, opened() as (settings, database):
        service = delivery_service(settings, database, bars)
        sent = service.send(ignore_backoff=ignore_backoff, max_wait_seconds=wait)
        sinks = Outbox(database).sink_states()
    for (name, state), count in sorted(sent.counts.items()):
        if state != "queued":
            echo(f"{name}: {count} {state}")
    for sink in sinks:
        if sink.queued:
            console.print(f"{sink.name}: {sink.queued} queued{_why(sink)}", style="red")
    for problem in sent.unusable_sinks.values():
        console.print(problem, style="red")
    if not sent.counts and not sent.unusable_sinks and not any(sink.queued for sink in sinks):
        console.print("Nothing is due.")
    if any(sink.queued for sink in sinks) or sent.total("failed") or sent.total("uncertain"):
        raise click.exceptions.Exit(INCOMPLETE)


@command.command("retry")
@click.argument("ids", nargs=-1, type=int)
@click.option("--route", help="All failed deliveries of this route.")
def retry(ids: tuple[int, ...], route: str | None) -> None:
    """Queue failed or uncertain deliveries again, by id or by route, after the cause is fixed.

    \b
    copilot-pipeline deliveries retry 17 18
    copilot-pipeline deliveries retry --route "Scores on the opportunity"
    """
    from copilot_pipeline.delivery.outbox import Outbox

    if not ids and route is None:
        raise click.UsageError("Give the ids of deliveries, or a route with --route.")
    with opened() as (_, database):
        echo(f"{Outbox(database).retry(ids=ids, route=route)} queued again")


@command.command("confirm")
@click.argument("ids", nargs=-1, type=int, required=True)
def confirm(ids: tuple[int, ...]) -> None:
    """Mark uncertain deliveries as sent. Use it if the message is in the channel."""
    from copilot_pipeline.delivery.outbox import Outbox

    with opened() as (_, database):
        echo(f"{Outbox(database).confirm(ids)} confirmed")


@command.command("unlinked")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def unlinked(as_json: bool) -> None:
    """List calls without a CRM record, with the reason: no deal, no account, or another CRM."""
    from copilot_pipeline.delivery.outbox import Outbox

    with opened() as (_, database):
        rows = Outbox(database).unlinked_calls()
    names = ("route", "call_id", "call_date", "reason")
    cells = [(row.route, row.call_id, row.call_date, row.reason) for row in rows]
    if as_json:
        print_json(json.dumps([dict(zip(names, row, strict=True)) for row in cells], default=str))
    elif rows:
        print_table(text_console(), names, cells)
    else:
        echo("None. Every call of the routes has its CRM record.", err=True)


@command.command("export")
@date_range_options
@click.option(
    "--csv", "path", type=click.Path(path_type=Path, dir_okay=False), help="File to write. Default: standard output."
)
@click.option(
    "--excel",
    "for_excel",
    is_flag=True,
    help="Add a byte-order mark, and write ids such as 007 or 12E45 so that Excel keeps them as text.",
)
@click.option("--raw-csv", "raw", is_flag=True, help="Write every text unchanged, for programs.")
def export(first: datetime, last: datetime, path: Path | None, for_excel: bool, raw: bool) -> None:
    """Write calls and scores as CSV for Sheets, or with --excel for Excel: a row per call, a column per brick.

    Text that a spreadsheet would evaluate as a formula begins with an apostrophe, unless --raw-csv is given.

    \b
    copilot-pipeline deliveries export --from 2026-11-01 --to 2026-11-14
    copilot-pipeline deliveries export --from 2026-11-01 --to 2026-11-14 --excel
    """
    from copilot_pipeline.delivery.export import write_csv
    from copilot_pipeline.marts.reader import ScoredCallReader
    from copilot_pipeline.state.written_files import remember_file

    if raw and for_excel:
        raise click.UsageError("--raw-csv is for programs and --excel for Excel: give one of them.")
    days = dates_between(first, last)
    with opened() as (_, database):
        reader = ScoredCallReader(database)
        bricks = [brick.key for brick in reader.answered_bricks(days[0], days[-1])]
        calls = reader.read_for_rules(days)
        if path is None:
            text = io.StringIO(newline="")
            write_csv(text, calls, bricks, for_excel=for_excel, raw=raw)
            print_csv(text.getvalue(), with_bom=for_excel)
            return
        remember_file(database, path, "export")
        with path.open("w", encoding="utf-8-sig" if for_excel else "utf-8", newline="") as file:
            rows = write_csv(file, calls, bricks, for_excel=for_excel, raw=raw)
    echo(f"{rows} calls, {len(bricks)} bricks: {path}", err=True)
