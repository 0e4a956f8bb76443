"""Mistakes across settings: unknown sinks and kits, conflicting routes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from copilot_pipeline.config.bricks import BrickRef
from copilot_pipeline.config.routes import ANNOUNCING, IncidentSettings, RouteSettings, SinkSettings, all_sinks
from copilot_pipeline.config.types import Keys

_CRM_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a setting, and the keys that lead to it."""

    keys: Keys
    message: str


def route_mistakes(
    routes: Sequence[RouteSettings],
    sinks: Mapping[str, SinkSettings],
    kits: Collection[str],
    incidents: IncidentSettings,
) -> list[Mistake]:
    """Find unknown sinks and kits, unwritable fields, and conflicting routes."""
    by_name = all_sinks(sinks)
    mistakes = [
        Mistake(("routes", index, "name"), f"two routes are named {route.name!r}: names must be unique")
        for index, route in enumerate(routes)
        if Counter(one.name for one in routes)[route.name] > 1
    ]
    for index, route in enumerate(routes):
        mistakes += [Mistake(("routes", index, *one.keys), one.message) for one in _of_route(route, by_name, kits)]
    mistakes += _fields_written_twice(routes, by_name)
    for index, name in enumerate(incidents.send):
        sink = by_name.get(name)
        if sink is None or sink.kind not in ANNOUNCING:
            mistakes.append(Mistake(("incidents", "send", index), f"{name!r} is not a sink of kind slack or webhook"))
    return mistakes


def unknown_kit(reference: BrickRef, kits: Collection[str]) -> Iterator[str]:
    """A message if the kit of the reference is not in `kits`."""
    if reference.kit not in kits:
        yield f"'{reference}': there is no kit {reference.kit!r}; there are {', '.join(kits) or 'none'}"


def _of_route(route: RouteSettings, by_name: Mapping[str, SinkSettings], kits: Collection[str]) -> Iterator[Mistake]:
    sink = by_name.get(route.send)
    if sink is None:
        yield Mistake(("send",), f"there is no sink {route.send!r}; there are {', '.join(by_name)}")
    elif sink.kind in ("salesforce", "hubspot") and not route.map:
        yield Mistake(("send",), f"a route to {sink.kind} needs `map`: which field gets which brick")
    elif route.score is not None and sink.kind != "slack":
        yield Mistake(("score",), "only messages to Slack show a score; map the brick to a field instead")
    if not kits:
        yield Mistake(("name",), "there are no `kits`: no call is scored, so nothing can be sent")
        return
    for keys, reference, _ in route.references():
        for message in unknown_kit(reference, kits):
            yield Mistake(keys, message)
    if sink is not None and sink.kind not in ANNOUNCING:
        yield from _unwritable_fields(route)


def _unwritable_fields(route: RouteSettings) -> Iterator[Mistake]:
    for name in route.map:
        if name.lower() in ("id", "attributes"):
            message = "is not a field that can be written: the record comes from the call's CRM link"
            yield Mistake(("map", name), message)
        elif not _CRM_FIELD.fullmatch(name):
            message = "is not a field's API name: letters, digits and `_`, such as Deal_Confidence__c"
            yield Mistake(("map", name), message)


def _fields_written_twice(routes: Sequence[RouteSettings], by_name: Mapping[str, SinkSettings]) -> Iterator[Mistake]:
    """CRM fields of two routes: it is undefined whose score is the latest."""
    first: dict[tuple[str, str], str] = {}
    for index, route in enumerate(routes):
        sink = by_name.get(route.send)
        if sink is None or sink.kind in ANNOUNCING:
            continue
        for name in route.map:
            owner = first.setdefault((route.send, name.lower()), route.name)
            if owner != route.name:
                message = f"the route {owner!r} writes this field of {route.send} too"
                yield Mistake(("routes", index, "map", name), message)
