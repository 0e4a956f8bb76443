"""`copilot-pipeline search`: what was said on calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import click
from rich.text import Text

from copilot_pipeline.cli.console import echo, print_json, text_console
from copilot_pipeline.cli.dates import DATE
from copilot_pipeline.postgres import Connection
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_value, fetch_values
from copilot_pipeline.printable import clock, printable

_SQL = load_queries(__package__, "search.sql")
_FEW_CALLS = 10  # whose words are computed in less time than a common word's rows are found by the index
_CALLS = 200


@dataclass(frozen=True, slots=True)
class Found:
    """An utterance with the words."""

    started_at: datetime
    title: str | None
    rep_name: str | None
    account_name: str | None
    deal_name: str | None
    speaker: str
    side: str
    start_s: float | None
    said: str
    review_url: str | None
    call_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class _Hit:
    call_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class _Days:
    first: date | None
    last: date | None


@click.command("search")
@click.argument("words")
@click.option("--rep", metavar="REP", help="Only calls of a rep: part of the name, e-mail address, or user id.")
@click.option("--from", "first", type=DATE, metavar="DATE", help="First day, YYYY-MM-DD. Default: all days.")
@click.option("--to", "last", type=DATE, metavar="DATE", help="Last day, inclusive. Default: all days.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Most rows to show.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def command(
    words: str, rep: str | None, first: datetime | None, last: datetime | None, limit: int, as_json: bool
) -> None:
    """Search what was said on calls, newest first.

    Finds other forms of an English word: `pricing` finds "price". Quotation marks search for a phrase, `or` for
    either word, and `-word` leaves out what has it.

    \b
    copilot-pipeline search pricing --rep "Dana" --from 2026-11-01
    copilot-pipeline search '"go live" -pilot' --json
    """
    if not words.strip():
        raise click.UsageError("Give at least one word to search for.")
    if first is not None and last is not None and last < first:
        raise click.UsageError(f"--to {last.date()} is before --from {first.date()}.")
    from copilot_pipeline.cli.connections import opened_for_reading

    with opened_for_reading() as (settings, database), database.connection() as connection:
        is_searched = fetch_value(connection, _SQL["has_words"], {"words": words})
        days = _Days(first.date() if first else None, last.date() if last else None)
        found = search(connection, words.strip(), days, rep.strip() if rep else None, limit) if is_searched else []
    if as_json:
        print_json(json.dumps([asdict(one) for one in found], default=datetime.isoformat, ensure_ascii=False))
        return
    if not is_searched:
        echo(f"“{words.strip()}” has only very common words, which are not searched. Add another.", err=True)
    elif not found:
        echo("Nothing found in the transcripts of the warehouse. Calls that were removed are not searched.", err=True)
    _show(found, settings.zone)
    if len(found) == limit:
        echo(f"These are the newest {limit}: narrow the search, or set --limit.", err=True)


def search(connection: Connection, words: str, days: _Days, rep: str | None, limit: int) -> list[Found]:
    """Return the newest utterances with some words, the newest first."""
    connection.execute(_SQL["settings"])
    hits = _hits(connection, {"words": words, "rep": rep, "limit": limit, **asdict(days)})
    if not hits:
        return []
    parameters = {"words": words, "call_ids": [hit.call_id for hit in hits], "seqs": [hit.seq for hit in hits]}
    return fetch_all(connection, Found, _SQL["found"], parameters)


def _hits(connection: Connection, wanted: Mapping[str, object]) -> list[_Hit]:
    """Search a few calls, then more, then all, until there are enough rows.

    The index has too many rows of a common word, and the more common it is, the fewer calls are enough.
    """
    calls = fetch_values(connection, _SQL["newest_calls"], {**wanted, "calls": _CALLS})
    hits = fetch_all(connection, _Hit, _SQL["in_few_calls"], {**wanted, "call_ids": calls[:_FEW_CALLS]})
    if len(hits) != wanted["limit"] and len(calls) > _FEW_CALLS:
        hits = fetch_all(connection, _Hit, _SQL["in_calls"], {**wanted, "call_ids": calls})
        if len(hits) != wanted["limit"] and len(calls) == _CALLS:
            hits = fetch_all(connection, _Hit, _SQL["in_all_calls"], wanted)
    return hits


def _show(found: list[Found], zone: ZoneInfo) -> None:
    console = text_console()
    for one in found:
        about = " · ".join(filter(None, (one.title, one.account_name, one.deal_name)))
        console.print(Text(printable(f"{one.started_at.astimezone(zone):%Y-%m-%d %H:%M %Z}  {about}"), style="bold"))
        at = "" if one.start_s is None else f" at {clock(one.start_s)}"
        rep = f", call of {one.rep_name}" if one.rep_name and one.rep_name != one.speaker else ""
        console.print(Text(printable(f"  {one.speaker} ({one.side}){at}{rep}")))
        console.print(Text(printable(f"  {' '.join(one.said.split())}")))
        console.print(Text(printable(f"  {one.review_url or one.call_id}\n"), style="dim"))
