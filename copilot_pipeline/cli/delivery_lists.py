"""Lists of deliveries for 80 columns: grouped by route, with the title, the day and the deal of each call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row
from rich.text import Text

from copilot_pipeline.postgres.queries import load_queries

if TYPE_CHECKING:
    from rich.console import Console

    from copilot_pipeline.delivery.model import DeliveryRequest, UnlinkedCall
    from copilot_pipeline.postgres import Database

WIDTH = 76
SAMPLE_LINES = 12
NO_ROUTES = "pipeline.yaml has no routes: nothing is sent."
_SQL = load_queries(__package__, "delivery_lists.sql")


@dataclass(frozen=True, slots=True)
class TitledCall:
    """What a person recognizes a call by. All but the id is None if the call is not in the tables."""

    call_id: str
    call_date: date | None = None
    title: str | None = None
    deal: str | None = None

    def line(self, end: str = "") -> str:
        """The day, the title and the deal, as far as they are known, and `end`, which is never cut."""
        parts = [self.call_date.isoformat() if self.call_date else "", self.title or f"call {self.call_id}"]
        return _cut("  ".join([*filter(None, parts), *([f"({self.deal})"] if self.deal else [])]), len(end)) + end


@dataclass(frozen=True, slots=True)
class DescribedDelivery:
    """A delivery of the outbox, described for people."""

    route: str
    sink: str
    id: int
    state: str
    when: str
    call: TitledCall
    target: str
    reason: str


def titled_calls(database: Database, call_ids: Sequence[str]) -> dict[str, TitledCall]:
    """Return the title, the day and the deal of calls, by id."""
    with database.connection() as connection, connection.cursor(row_factory=class_row(TitledCall)) as cursor:
        calls = cursor.execute(_SQL["titled_calls"], {"call_ids": list(dict.fromkeys(call_ids))}).fetchall()
    return {call.call_id: call for call in calls}


def print_deliveries(console: Console, deliveries: Iterable[DescribedDelivery]) -> None:
    """Print each route once, with its deliveries below it, two lines each."""
    by_route = sorted(deliveries, key=lambda one: (one.route, one.sink))
    for (route, sink), group in groupby(by_route, key=lambda one: (one.route, one.sink)):
        console.print(Text(_cut(f"{route} → {sink}"), style="bold"))
        for one in group:
            target = f" to {one.target}" if one.target else ""
            console.print(f"  {one.id}  {one.state}{target}, {one.when}")
            console.print(f"    {one.call.line()}")
            if one.reason:
                console.print(Text(f"    {one.reason}", style="dim"))


def print_preview(
    console: Console,
    previews: Sequence[DeliveryRequest | UnlinkedCall],
    calls: Mapping[str, TitledCall],
    sinks: Mapping[str, str],
) -> None:
    """Print for each route which calls would be sent, with one message as a sample, and which not, by reason.

    `calls` by id, `sinks` by route. The calls of a route are in the order of their days.
    """
    lines = {one.call_id: calls.get(one.call_id, TitledCall(one.call_id)) for one in previews}
    in_order = sorted(previews, key=lambda one: (one.route, lines[one.call_id].line()))
    for route, group in groupby(in_order, key=lambda one: one.route):
        of_route = list(group)
        sent = [one for one in of_route if _reason(one) is None]
        console.print(Text(_cut(f"{route} → {sinks[route]}: {len(sent)} would be sent"), style="bold"))
        for one in sent:
            target = f" to {getattr(one, 'target', '')}" if getattr(one, "target", "") else ""
            console.print(f"  {lines[one.call_id].line(target)}")
        if sent:
            console.print("  Sample:")
            for line in _content(sent[0]).splitlines()[:SAMPLE_LINES]:
                console.print(Text(f"    {_cut(line)}", style="dim"))
        withheld = sorted((one for one in of_route if _reason(one) is not None), key=lambda one: _reason(one) or "")
        for reason, calls_of_reason in groupby(withheld, key=_reason):
            those = list(calls_of_reason)
            console.print(f"  not sent, {reason}: {len(those)}")
            for one in those:
                console.print(f"    {lines[one.call_id].line()}")


def _reason(one: Any) -> str | None:
    """Return why a call is not sent, None if it is."""
    reason: str | None = one.reason if hasattr(one, "reason") else one.suppressed_because
    return reason


def _content(request: Any) -> str:
    if "fields" in request.payload:
        return "\n".join(f"{name} = {value}" for name, value in request.payload["fields"].items())
    return str(request.payload.get("text") or ", ".join(request.payload.get("data", {})))


def _cut(text: str, reserved: int = 0) -> str:
    width = WIDTH - reserved
    return text if len(text) <= width else text[: width - 1] + "…"
