"""`copilot-pipeline kits`: the Semarize kits of pipeline.yaml, and those that the workspace uses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click
from rich.table import Table

from copilot_pipeline.cli.connections import command_settings
from copilot_pipeline.cli.console import print_json, text_console
from copilot_pipeline.cli.exit_codes import INCOMPLETE
from copilot_pipeline.clients.semarize import Kit, SemarizeClient, UsedKit
from copilot_pipeline.clients.semarize.connect import kits_of, open_client
from copilot_pipeline.errors import NotFound


@dataclass(frozen=True, slots=True)
class _ConfiguredKit:
    name: str
    reference: str
    place: str
    problem: str | None


@click.group("kits")
def command() -> None:
    """Show the Semarize kits that the key may use."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def list_kits(as_json: bool) -> None:
    """Check the kits of pipeline.yaml, and list the kits of the newest 100 runs of the workspace.

    Semarize's API has no list of kits: a kit without runs is found in the Semarize app. Costs no credits. Exits with 1
    if the key may not use a kit of pipeline.yaml.
    """
    settings = command_settings()
    with open_client(settings.environment) as client:
        configured = [_checked(client, kit) for kit in kits_of(settings)]
        used = client.recent_kits()
    if as_json:
        result = {"configured": [asdict(kit) for kit in configured], "used": [asdict(kit) for kit in used]}
        print_json(json.dumps(result))
    else:
        _show(configured, used, settings.without_kits)
    if any(kit.problem for kit in configured):
        raise click.exceptions.Exit(INCOMPLETE)


def _checked(client: SemarizeClient, kit: Kit) -> _ConfiguredKit:
    problem = None
    try:
        client.kit_schema(kit)
    except NotFound as error:
        problem = error.code or "not found"
    return _ConfiguredKit(kit.name, kit.reference, kit.place, problem)


def _show(configured: Sequence[_ConfiguredKit], used: Sequence[UsedKit], without_kits: str | None) -> None:
    console = text_console()
    ours = Table("kit", "code or version", "setting", "usable", title="pipeline.yaml", title_justify="left")
    for kit in configured:
        ours.add_row(kit.name, kit.reference, kit.place, kit.problem or "yes")
    console.print(without_kits or ours)
    theirs = Table("code", "version", "runs", title="Newest runs of the workspace", title_justify="left")
    for one in used:
        theirs.add_row(one.code or "", one.version_id or "", f"{one.runs:,}")
    console.print(theirs if used else "The workspace has no runs: look the codes up in the Semarize app.")
