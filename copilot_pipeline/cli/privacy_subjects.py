"""What the commands of `copilot-pipeline privacy` share: who is meant, what is searched, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from copilot_pipeline.cli.console import echo

if TYPE_CHECKING:
    from copilot_pipeline.config.loading import Settings
    from copilot_pipeline.postgres import Database
    from copilot_pipeline.privacy.search import Findings, Search, Stores
    from copilot_pipeline.privacy.subjects import Subject


def subject_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a person or a call."""
    for option in reversed(
        (
            click.option("--person", metavar="E-MAIL|PHONE|NAME", help="Address, number or whole name of a person."),
            click.option("--call", "call_id", metavar="ID", help="Id of a call."),
            click.option("--parts", is_flag=True, help="Also single words of the name that no other person has."),
            click.option("--namesakes", is_flag=True, help="Also names and numbers that others have too."),
        )
    ):
        function = option(function)
    return function


def open_stores(settings: Settings, database: Database) -> Stores:
    """Return everything that is searched."""
    from copilot_pipeline.load.lake import Lake, accept_lake
    from copilot_pipeline.load.privacy import private_columns
    from copilot_pipeline.privacy.search import Stores

    lake = Lake(settings.environment.lake_url, private_columns(settings))
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


def _is_ordinary(name: str) -> bool:
    """Return whether a name may stand in a text by chance, such as Will May."""
    from copilot_pipeline.privacy.identity import name_words
    from copilot_pipeline.privacy.redaction.common_words import ALSO_WORDS, NOT_NAMES, PARTICLES

    return all(len(word) == 1 or word in ALSO_WORDS | NOT_NAMES | PARTICLES for word in name_words(name))


def print_findings(search: Search, findings: Findings) -> None:
    """Print who is meant, where they are and where they were sent."""
    _print_subject(search)
    _print_places(findings)


def _print_subject(search: Search) -> None:
    """Print what is searched for, and what is not."""
    identity = search.identity
    for name, values in (("addresses", identity.emails), ("names", identity.names), ("numbers", identity.phones)):
        if shown := sorted(value for value in values if not value.startswith("hmac:")):
            echo(f"{name}: {', '.join(shown)}")
    if (identity.emails or identity.phones) and not (identity.names or search.subject.namesakes):
        echo("no name is stored with it: if texts may have the name, search for it as well (--person NAME)")
    if ordinary := sorted(name for name in identity.names if _is_ordinary(name)):
        echo(
            f"every word of {', '.join(ordinary)} is an ordinary word too: texts where they stand together by chance "
            "are found as well"
        )
    if identity.parts:
        echo(f"parts of the name: {', '.join(sorted(identity.parts))}")
    elif any(" " in name for name in identity.names) and not search.subject.shared_parts:
        echo("single words of the name, such as a surname alone, are not searched for without --parts")
    if search.subject.namesakes:
        others = len(search.subject.namesakes)
        echo(f"{others} other people have this name: the name alone is not searched for without --namesakes")
    if search.subject.shared_numbers:
        numbers = ", ".join(search.subject.shared_numbers)
        echo(f"numbers that other people have too, not searched for without --namesakes: {numbers}")
    if search.subject.shared_parts:
        echo(f"not searched for, because others have them: {', '.join(search.subject.shared_parts)}")


def _print_places(findings: Findings) -> None:
    echo(f"calls: {len(findings.calls):,}")
    for place in findings.places:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(place.kinds.items()))
        echo(f"{place.name}: {place.rows:,} ({kinds})")
    for sent in findings.sent:
        when = f" at {sent.sent_at:%Y-%m-%d %H:%M} UTC" if sent.sent_at else ""
        echo(f"sent to {sent.sink} by route {sent.route!r}{when}: call {sent.call_id} {sent.target} ({sent.state})")
    for scored in findings.scored:
        echo(f"sent to Semarize, kit {scored.kit}, run {scored.run_id}: call {scored.call_id}")
    if findings.versions:
        echo("former versions of objects:")
    for version in findings.versions:
        echo(f"  {version.path}")
    for note in findings.notes:
        echo(note)
    if not findings.places:
        echo("nothing was found")
