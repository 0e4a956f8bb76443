"""`copilot-pipeline privacy`: find, export and erase a person or a call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from copilot_pipeline.cli.connections import opened
from copilot_pipeline.cli.console import echo, print_json, text_console

if TYPE_CHECKING:
    from copilot_pipeline.config.loading import Settings
    from copilot_pipeline.postgres import Database
    from copilot_pipeline.privacy.search import Findings, Search, Stores
    from copilot_pipeline.privacy.subjects import Subject


@click.group("privacy")
def command() -> None:
    """Find, export and erase a person or a call in everything that is stored.

    All commands search the same places: the tables of the database, packed bodies, Dagster's events, the lake, the
    home, reports and exports. See docs/privacy.md for what cannot be reached.
    """


def subject_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a person or a call."""
    for option in reversed(
        (
            click.option("--person", metavar="E-MAIL|PHONE|NAME", help="Address, number or whole name of a person."),
            click.option("--call", "call_id", metavar="ID", help="Id of a call."),
            click.option("--parts", is_flag=True, help="Also single words of the name that no other person has."),
            click.option("--namesakes", is_flag=True, help="Also the name alone, although others have it."),
        )
    ):
        function = option(function)
    return function


@command.command("find")
@subject_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def find(person: str | None, call_id: str | None, parts: bool, namesakes: bool, as_json: bool) -> None:
    """List where a person or a call is stored, and where it was sent. Changes nothing.

    \b
    copilot-pipeline privacy find --person mei.lin@kestrel.example
    copilot-pipeline privacy find --call 0c7aaaac-75e5-4658-9e89-1843cb78eadc
    """
    with _searched(person, call_id, parts=parts, namesakes=namesakes) as (search, findings):
        if as_json:
            print_json(json.dumps(_as_dict(search, findings), default=str))
        else:
            print_findings(search, findings)


@command.command("export")
@subject_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("export"),
    show_default=True,
    help="Folder of export.json and export.txt.",
)
def export(person: str | None, call_id: str | None, parts: bool, namesakes: bool, out: Path) -> None:
    """Write everything that `find` lists as JSON and as text, readable by you only.

    The files hold what others said on the calls, too: check them before you hand them out.

    \b
    copilot-pipeline privacy export --person mei.lin@kestrel.example --out export
    """
    from copilot_pipeline.privacy.exports import write_export
    from copilot_pipeline.state.written_files import remember_file

    with _searched(person, call_id, parts=parts, namesakes=namesakes) as (search, findings):
        for path in write_export(search, findings, out):
            remember_file(search.stores.database, path, "export")
            echo(str(path))


@contextmanager
def _searched(
    person: str | None, call_id: str | None, *, parts: bool, namesakes: bool
) -> Iterator[tuple[Search, Findings]]:
    from copilot_pipeline.privacy.search import Search

    with opened() as (settings, database), text_console(stderr=True).status("searching") as status:
        stores = open_stores(settings, database)
        subject = subject_of(stores, person, call_id, parts=parts, namesakes=namesakes)
        search = Search(stores, subject, on_place=lambda name: status.update(f"searching {name}"))
        findings = search.find()
        status.stop()
        yield search, findings


def open_stores(settings: Settings, database: Database) -> Stores:
    """Return everything that is searched."""
    from copilot_pipeline.load.lake import Lake, accept_lake
    from copilot_pipeline.privacy.search import Stores

    lake = Lake(settings.environment.lake_url)
    accept_lake(lake, database)
    return Stores(database, lake, settings.environment.home)


def subject_of(stores: Stores, person: str | None, call_id: str | None, *, parts: bool, namesakes: bool) -> Subject:
    """Return who or what is meant. Raises `UsageError` unless it is exactly one."""
    from copilot_pipeline.privacy.subjects import Subjects, subject_of_call

    if (person is None) == (call_id is None):
        raise click.UsageError("Give either --person or --call.")
    if call_id is not None:
        return subject_of_call(call_id)
    return Subjects(stores.database, stores.lake).person(person or "", parts=parts, namesakes=namesakes)


def print_findings(search: Search, findings: Findings) -> None:
    """Print who is meant, where they are and where they were sent."""
    identity = search.identity
    for name, values in (("addresses", identity.emails), ("names", identity.names), ("numbers", identity.phones)):
        if values:
            echo(f"{name}: {', '.join(sorted(values))}")
    if identity.parts:
        echo(f"parts of the name: {', '.join(sorted(identity.parts))}")
    if search.subject.namesakes:
        others = len(search.subject.namesakes)
        echo(f"{others} other people have this name: the name alone is not searched for without --namesakes")
    if search.subject.shared_parts:
        echo(f"not searched for, because others have them: {', '.join(search.subject.shared_parts)}")
    echo(f"calls: {len(findings.calls):,}")
    for place in findings.places:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(place.kinds.items()))
        echo(f"{place.name}: {place.rows:,} ({kinds})")
    for sent in findings.sent:
        when = f" at {sent.sent_at:%Y-%m-%d %H:%M} UTC" if sent.sent_at else ""
        echo(f"sent to {sent.sink} by route {sent.route!r}{when}: call {sent.call_id} {sent.target} ({sent.state})")
    for scored in findings.scored:
        echo(f"sent to Semarize, kit {scored.kit}, run {scored.run_id}: call {scored.call_id}")
    if not findings.places:
        echo("nothing was found")


def _as_dict(search: Search, findings: Findings) -> dict[str, Any]:
    identity = search.identity
    return {
        "emails": sorted(identity.emails),
        "phones": sorted(identity.phones),
        "names": sorted(identity.names),
        "parts": sorted(identity.parts),
        "namesakes": len(search.subject.namesakes),
        "calls": sorted(findings.calls),
        "places": {place.name: {"rows": place.rows, **place.kinds} for place in findings.places},
        "sent": [asdict(one) for one in findings.sent],
        "scored": [asdict(one) for one in findings.scored],
    }
