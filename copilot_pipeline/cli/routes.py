"""`copilot-pipeline routes`: check the routes and preview what they would send."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from copilot_pipeline.cli.connections import delivery_service, opened
from copilot_pipeline.cli.console import print_json, text_console
from copilot_pipeline.cli.dates import date_range_options, dates_between
from copilot_pipeline.cli.delivery_lists import NO_ROUTES, print_preview, titled_calls
from copilot_pipeline.cli.exit_codes import INCOMPLETE
from copilot_pipeline.cli.suppressed import include_suppressed_options, resolve_include_suppressed


@click.group("routes")
def command() -> None:
    """Check the routes of pipeline.yaml and preview what they would send."""


@command.command("check")
def check() -> None:
    """Check the routes against the kits and sinks. Errors name the line in pipeline.yaml.

    Reads the schemas of the kits from Semarize, and checks that the credentials of the sinks are set.
    """
    from copilot_pipeline.delivery.rules import format_duration
    from copilot_pipeline.delivery.sinks import sink_problem

    console = text_console()
    with opened() as (settings, database):
        service = delivery_service(settings, database)
        for text in service.check_routes():
            console.print(f"not checked: {text}")
        rules = service.rules
        problems = {rule.sink_name: sink_problem(rule.sink_name, rule.sink, settings.environment) for rule in rules}
    for rule in rules:
        age = f"calls up to {format_duration(rule.max_age)} old" if rule.max_age else "calls of any age"
        first = "earlier scores suppressed" if rule.suppresses_first_run else "earlier scores included"
        console.print(f"{rule.name} → {rule.sink_name} ({rule.sink.kind}): {age}, {first}")
    for problem in filter(None, problems.values()):
        console.print(problem, style="red")
    if not rules:
        console.print(NO_ROUTES)
    if any(problems.values()):
        raise click.exceptions.Exit(INCOMPLETE)


@command.command("preview")
@date_range_options
@include_suppressed_options
@click.option(
    "--json", "as_json", is_flag=True, help="Print complete messages as JSON. They contain quotes from calls."
)
def preview(first: datetime, last: datetime, include_suppressed: bool, loud: bool, as_json: bool) -> None:
    """Show what the routes would send for these days. Nothing is sent and nothing is stored.

    \b
    copilot-pipeline routes preview --from 2026-11-01 --to 2026-11-14
    """
    from copilot_pipeline.delivery.model import DeliveryRequest, UnlinkedCall

    with opened() as (settings, database):
        service = delivery_service(settings, database)
        dispatcher = service.dispatcher()
        include_suppressed = resolve_include_suppressed(include_suppressed, loud)
        previews = dispatcher.preview(dates_between(first, last), include_suppressed=include_suppressed)
        calls = titled_calls(database, [one.call_id for one in previews])
    if as_json:
        print_json(json.dumps([_as_dict(one) for one in previews], ensure_ascii=False, default=str))
        return
    console = text_console()
    if not previews and not service.rules:
        console.print(NO_ROUTES)
        return
    print_preview(console, previews, calls, {rule.name: rule.sink_name for rule in service.rules})
    suppressed = sum(isinstance(one, DeliveryRequest) and one.suppressed_because is not None for one in previews)
    unlinked = sum(isinstance(one, UnlinkedCall) for one in previews)
    console.print(
        f"{len(previews) - suppressed - unlinked} would be sent, {suppressed} suppressed, "
        f"{unlinked} without a CRM record."
    )


def _as_dict(one: Any) -> dict[str, Any]:
    if hasattr(one, "payload"):
        return {
            "route": one.route, "sink": one.sink, "call_id": one.call_id, "target": one.target,
            "sent": one.suppressed_because is None, "reason": one.suppressed_because, "payload": one.payload,
        }  # fmt: skip
    return {"route": one.route, "call_id": one.call_id, "sent": False, "reason": one.reason}
