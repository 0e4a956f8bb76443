"""`copilot-pipeline privacy erase`, `erase-removed`, `restore` and `log`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from copilot_pipeline.cli.connections import opened
from copilot_pipeline.cli.console import confirm, echo, print_json, text_console
from copilot_pipeline.cli.privacy_subjects import open_stores, print_findings, subject_of, subject_options

if TYPE_CHECKING:
    from copilot_pipeline.config.loading import Settings
    from copilot_pipeline.privacy.erasure import Erased
    from copilot_pipeline.privacy.limits import RemovedCall
    from copilot_pipeline.privacy.search import Findings, Search, Stores
    from copilot_pipeline.privacy.tombstones import Mode

_SHOWN_DAYS = 10
object_versions_option = click.option(
    "--object-versions", is_flag=True, help="Also former versions of objects, where the bucket keeps them."
)


@click.command("erase")
@subject_options
@click.option("--calls", "mode", flag_value="calls", help="Remove the calls. Default for people who are no users.")
@click.option("--mask", "mode", flag_value="mask", help="Keep the calls, mask the person. Default for your own people.")
@click.option("--more-than", type=click.IntRange(min=0), metavar="N", help="Confirm that it removes more than N calls.")
@object_versions_option
@click.option("--vacuum-full", is_flag=True, help="Rewrite the tables (VACUUM FULL), which locks each one.")
@click.option("--no-refresh", is_flag=True, help="Do not rebuild the marts now; the next refresh does.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def erase(
    person: str | None,
    call_id: str | None,
    parts: bool,
    namesakes: bool,
    mode: str | None,
    more_than: int | None,
    object_versions: bool,
    vacuum_full: bool,
    no_refresh: bool,
    yes: bool,
) -> None:
    """Remove a person or a call everywhere, so that no source brings it back.

    Prints what was found and asks first. A keyed hash (COPILOT_PIPELINE_PRIVACY_KEY) stays, by which it is recognized
    if it is received again. If the command is killed, the same command finishes it.

    \b
    copilot-pipeline privacy erase --person mei.lin@kestrel.example
    copilot-pipeline privacy erase --person dana.reed@acme.example --mask
    copilot-pipeline privacy erase --call ID --yes
    """
    from copilot_pipeline.privacy.erasure import Erasure, Request

    status = text_console(stderr=True).status("erasing")
    with opened() as (settings, database):
        stores = replace(open_stores(settings, database), removes_versions=object_versions)
        erasure = Erasure(stores, settings, Request(person, call_id), on_step=status.update)
        plan = erasure.unfinished()
        if plan is not None:
            echo("continuing an erasure that was not finished", err=True)
        elif search := _confirmed(stores, person, call_id, mode, more_than, parts=parts, namesakes=namesakes, yes=yes):
            plan = erasure.begin(search, _mode(search, mode))
        else:
            return
        with status:
            erased = erasure.run(plan, full_vacuum=vacuum_full)
    _print_erased(erased)
    if not no_refresh:
        _rebuild(settings)


def _confirmed(
    stores: Stores,
    person: str | None,
    call_id: str | None,
    mode: str | None,
    more_than: int | None,
    *,
    parts: bool,
    namesakes: bool,
    yes: bool,
) -> Search | None:
    """Search, print what was found and ask; None if there is nothing to erase."""
    from copilot_pipeline.privacy.limits import check_number
    from copilot_pipeline.privacy.search import Search

    with text_console(stderr=True).status("searching") as status:
        subject = subject_of(stores, person, call_id, parts=parts, namesakes=namesakes)
        search = Search(stores, subject, on_place=lambda name: status.update(f"searching {name}"))
        findings = search.find()
    print_findings(search, findings)
    _check_versions(stores, findings)
    if not findings.places and not call_id:
        return None
    removes = _mode(search, mode) == "calls"
    if removes:
        check_number(stores.database, len(findings.calls), more_than)
    what = f"Remove {len(findings.calls):,} calls"
    if not removes:
        kept = f"{len(findings.calls):,} calls, which stay with what the person said"
        what = f"Mask names, addresses and numbers in {kept}"
    question = f"{what}, and change or remove {findings.rows:,} rows and files? This cannot be undone."
    if not yes:
        _ask(question)
    return search


def _check_versions(stores: Stores, findings: Findings) -> None:
    """Say that the bucket keeps what is erased. Raises `ConfigurationError` if its versions cannot be read."""
    from copilot_pipeline.errors import ConfigurationError

    if stores.removes_versions and findings.notes:
        raise ConfigurationError(findings.notes[0])
    if not stores.removes_versions and stores.object_versions.will_keep_more():
        echo(
            "the bucket keeps former versions of the files that are written again: add --object-versions to remove "
            "them too, or run the commands that are printed at the end"
        )


def _mode(search: Search, mode: str | None) -> Mode:
    """Return what was chosen; by default our own people are masked, because the calls are those of our customers."""
    if mode is not None:
        return "mask" if mode == "mask" else "calls"
    return "mask" if search.subject.is_own else "calls"


def _print_erased(erased: Erased) -> None:
    record = erased.record
    rows = sum(record.places.values())
    where = f"{rows:,} rows and files in {len(record.places):,} places (no. {record.id})"
    echo(f"masked: {where}; the calls stay" if record.mode == "mask" else f"erased: {record.calls:,} calls, {where}")
    if record.cancelled:
        echo(
            f"{record.cancelled:,} deliveries that were not sent named it and are cancelled. Those about calls that "
            "stay are made again, without it, by: copilot-pipeline deliveries enqueue --from DATE --to DATE"
        )
    if erased.versions:
        echo(f"{len(erased.versions):,} former versions of objects still have it. Remove them for ever:")
    for version in erased.versions:
        echo(version.command)
    for note in erased.notes:
        echo(note, err=True)


def _rebuild(settings: Settings) -> None:
    """Compute the marts again from what is left. A failure is only printed: what was to be erased is erased."""
    from copilot_pipeline.cli.materialize import rebuild_from_stored

    with text_console(stderr=True).status("computing the marts again"):
        problems = rebuild_from_stored(settings)
    for problem in problems:
        echo(f"not computed again: {problem}", err=True)


@click.command("erase-removed")
@click.option("--more-than", type=click.IntRange(min=0), metavar="N", help="Confirm that it removes more than N calls.")
@object_versions_option
@click.option("--no-refresh", is_flag=True, help="Do not rebuild the marts now; the next refresh does.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def erase_removed(more_than: int | None, object_versions: bool, no_refresh: bool, yes: bool) -> None:
    """Erase calls that Clari Copilot has removed, now instead of at night.

    Those that `privacy.retention.removed_calls` in pipeline.yaml says. The nightly removal leaves them if they are so
    many that the list may have been at fault; then they are erased with --more-than only.

    \b
    copilot-pipeline privacy erase-removed
    copilot-pipeline privacy erase-removed --more-than 340
    """
    from copilot_pipeline.errors import ConfigurationError
    from copilot_pipeline.privacy.removed_calls import RemovedCalls, due_removals

    with opened() as (settings, database):
        limit = settings.pipeline.privacy.retention.removed_calls
        if limit is None:
            raise ConfigurationError(
                f"{settings.place_of('privacy', 'retention')}: removed calls are kept. To erase them after 30 days, "
                "set privacy.retention.removed_calls: erase_after 30d"
            )
        before = datetime.now(UTC) - limit
        stores = replace(open_stores(settings, database), removes_versions=object_versions)
        with text_console(stderr=True).status("erasing") as status:
            removed_calls = RemovedCalls(settings, stores, on_step=status.update)
            erased = removed_calls.finish()
        due = due_removals(database, before)
        _print_days(due.calls)
        due.require_confirmation(more_than)
        if due.calls and not yes:
            _ask(f"Remove {len(due.calls):,} calls? This cannot be undone.")
        with text_console(stderr=True).status("erasing"):
            erased += removed_calls.erase_confirmed(before, more_than)
    for one in erased:
        _print_erased(one)
    if erased and not no_refresh:
        _rebuild(settings)


def _print_days(calls: Sequence[RemovedCall]) -> None:
    by_day = Counter(call.call_date for call in calls)
    for day, count in sorted(by_day.items())[:_SHOWN_DAYS]:
        echo(f"{day}: {count:,} calls")
    if len(by_day) > _SHOWN_DAYS:
        echo(f"and {len(by_day) - _SHOWN_DAYS:,} days more")
    echo(f"removed at Clari Copilot for longer than allowed: {len(calls):,} calls")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("No terminal for the confirmation. Add --yes.")
    confirm(question)


@click.command("log")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def log(as_json: bool) -> None:
    """List erasures: when, by whom and how many, without the person."""
    from copilot_pipeline.privacy.erasure_store import ErasureStore

    with opened() as (_, database):
        records = ErasureStore(database).records()
    if as_json:
        print_json(json.dumps([asdict(record) for record in records], default=str))
        return
    for record in records:
        end = f"finished {record.finished_at:%Y-%m-%d %H:%M} UTC" if record.finished_at else "not finished"
        rows = sum(record.places.values())
        echo(
            f"{record.id}  {record.requested_at:%Y-%m-%d %H:%M} UTC  by {record.requested_by}  {record.subject}, "
            f"{record.mode}: {record.calls:,} calls, {rows:,} rows and files, {end}"
        )


@click.command("restore")
@click.option(
    "--tombstones",
    "files",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="A copy of _erasures.json that was kept elsewhere (repeatable).",
)
@object_versions_option
@click.option("--no-refresh", is_flag=True, help="Do not rebuild the marts now; the next refresh does.")
def restore(files: tuple[Path, ...], object_versions: bool, no_refresh: bool) -> None:
    """Erase again what a backup from before an erasure has brought back.

    After a database or a lake was restored. The tombstones of the database, of the lake, of the home and of the given
    files are merged, and what they name is erased in the same way as before.
    """
    from copilot_pipeline.load.lake import Lake
    from copilot_pipeline.privacy.erasure import Erasure, Request
    from copilot_pipeline.privacy.restored import copy_tombstones, merge_tombstones, restored_subjects
    from copilot_pipeline.privacy.search import Stores

    with opened() as (settings, database), text_console(stderr=True).status("searching") as status:
        stores = Stores(database, Lake(settings.environment.lake_url), settings.environment.home, object_versions)
        merge_tombstones(stores, files)
        erased = []
        for found in restored_subjects(stores):
            erasure = Erasure(stores, settings, Request(label=found.label), on_step=status.update)
            erased.append(erasure.run(erasure.unfinished() or erasure.begin_again(found)))
        copy_tombstones(stores)
    for one in erased:
        _print_erased(one)
    if not erased:
        echo("nothing that was erased is stored")
    elif not no_refresh:
        _rebuild(settings)
