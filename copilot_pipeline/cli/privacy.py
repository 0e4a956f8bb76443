"""`copilot-pipeline privacy`: find, export and erase a person or a call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from copilot_pipeline.cli.connections import opened
from copilot_pipeline.cli.console import echo, print_json, text_console
from copilot_pipeline.cli.privacy_erasure import erase, erase_removed, log, restore
from copilot_pipeline.cli.privacy_subjects import open_stores, print_findings, subject_of, subject_options

if TYPE_CHECKING:
    from copilot_pipeline.privacy.search import Findings, Search


@click.group("privacy")
def command() -> None:
    """Find, export and erase a person or a call in everything that is stored.

    All commands search the same places: the tables of the database, packed bodies, Dagster's events, the lake, the
    home, reports and exports. See docs/privacy.md for what cannot be reached.
    """


@command.command("find")
@subject_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def find(person: str | None, call_id: str | None, parts: bool, namesakes: bool, as_json: bool) -> None:
    """List where a person or a call is stored, and where it was sent. Changes nothing.

    \b
    copilot-pipeline privacy find --person mei.lin@kestrel.example
    copilot-pipeline privacy find --call ID
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
        if not findings.places:  # a file would only name the person again
            echo("nothing was found, and no file was written")
            return
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
        "object_versions": [version.path for version in findings.versions],
        "notes": list(findings.notes),
        "sent": [asdict(one) for one in findings.sent],
        "scored": [asdict(one) for one in findings.scored],
    }


command.add_command(erase)
command.add_command(erase_removed)
command.add_command(restore)
command.add_command(log)
