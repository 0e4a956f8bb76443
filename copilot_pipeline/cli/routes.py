"""`copilot-pipeline routes`: are the rules right, and what would they send?"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click
from rich.console import Console

from copilot_pipeline.cli.dates import date_range_options, dates_between
from copilot_pipeline.cli.exit_codes import INCOMPLETE
from copilot_pipeline.cli.query_output import print_table


@click.group("routes")
def command() -> None:
    """Check the rules of pipeline.yaml and see what they would send."""


@command.command("check")
def check() -> None:
    """Check the rules against kits and sinks; name each mistake's line.

    The kits' schemas are asked for at Semarize, the sinks' credentials looked for in the environment.
    """
    from copilot_pipeline.delivery.rules import in_words
    from copilot_pipeline.delivery.sinks import sink_problem
    from copilot_pipeline.runtime import open_runtime

    console = Console(highlight=False, soft_wrap=True)
    with open_runtime(source="routes") as runtime:
        for text in runtime.outgoing.check_routes():
            console.print(f"not checked: {text}", markup=False)
        rules = runtime.outgoing.rules
        problems = {
            rule.sink_name: sink_problem(rule.sink_name, rule.sink, runtime.settings.environment) for rule in rules
        }
    for rule in rules:
        age = f"calls up to {in_words(rule.max_age)} old" if rule.max_age else "calls of any age"
        first = "silent at first" if rule.is_silent_at_first else "from the first run"
        console.print(f"{rule.name} → {rule.sink_name} ({rule.sink.kind}): {age}, {first}", markup=False)
    for problem in filter(None, problems.values()):
        console.print(problem, style="red", markup=False)
    if not rules:
        console.print("There are no routes in pipeline.yaml: nothing is sent anywhere.")
    if any(problems.values()):
        raise click.exceptions.Exit(INCOMPLETE)


@command.command("preview")
@date_range_options
@click.option("--loud", is_flag=True, help="As if old calls, and calls from before the rule, were sent too.")
@click.option("--json", "as_json", is_flag=True, help="Print what would be sent, whole, as JSON. Quotes what was said.")
def preview(first: datetime, last: datetime, loud: bool, as_json: bool) -> None:
    """A dry run: what the rules would send for these days. Nothing is sent and nothing is written down."""
    from copilot_pipeline.delivery.model import DeliveryRequest, Unlinked
    from copilot_pipeline.runtime import open_runtime

    with open_runtime(source="routes") as runtime:
        found = runtime.outgoing.delivering().preview(dates_between(first, last), is_loud=loud)
    if as_json:
        click.echo(json.dumps([_whole(one) for one in found], ensure_ascii=False, default=str))
        return
    rows: list[tuple[str | None, ...]] = []
    for one in found:
        if isinstance(one, Unlinked):
            rows.append((one.route, one.call_id, "", "not sent", one.reason))
        else:
            sent = "not sent" if one.silent_because else "send"
            rows.append((one.route, one.call_id, one.target or one.sink, sent, one.silent_because or _shown(one)))
    console = Console(highlight=False)
    if rows:
        print_table(console, ("rule", "call", "to", "what", "why or which fields"), rows)
    silent = sum(isinstance(one, DeliveryRequest) and one.silent_because is not None for one in found)
    unlinked = sum(isinstance(one, Unlinked) for one in found)
    console.print(f"{len(found) - silent - unlinked} would be sent, {silent} kept silent, {unlinked} have no record.")


def _shown(wish: Any) -> str:
    if "fields" in wish.payload:
        return ", ".join(f"{name} = {value}" for name, value in wish.payload["fields"].items())[:300]
    return str(wish.payload.get("text") or ", ".join(wish.payload.get("data", {})))[:300]


def _whole(one: Any) -> dict[str, Any]:
    if hasattr(one, "payload"):
        return {
            "rule": one.route, "sink": one.sink, "call_id": one.call_id, "target": one.target,
            "sent": one.silent_because is None, "because": one.silent_because, "payload": one.payload,
        }  # fmt: skip
    return {"rule": one.route, "call_id": one.call_id, "sent": False, "because": one.reason}
