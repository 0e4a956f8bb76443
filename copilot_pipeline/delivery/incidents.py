"""Incidents: failures that people are notified of, and the texts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any, Literal

Stage = Literal["opened", "repeated", "resolved"]
# `incident.closed` and the keys of the data are what receivers of webhooks rely on: they keep their names.
EVENT_TYPES: dict[Stage, str] = {
    "opened": "incident.opened",
    "repeated": "incident.repeated",
    "resolved": "incident.closed",
}
UNAVAILABLE_AFTER = timedelta(hours=1)
GROWING_SAMPLES = 3  # samples, an hour apart, each larger than the one before
SMALL_BACKLOG = 50  # rows; a smaller backlog does not open an incident


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure. `name` identifies it while it lasts."""

    name: str
    description: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Incident:
    """A failure that people were notified of."""

    name: str
    opened_at: datetime
    last_notified_at: datetime
    notifications: int
    description: str
    next_step: str


def incident_payload(kind: str, incident: Incident, stage: Stage, zone: tzinfo = UTC) -> dict[str, Any]:
    """Return the notification for a sink of this kind. Messages have times of `zone`."""
    if kind == "webhook":
        data = {
            "name": incident.name,
            "what": incident.description,
            "what_to_do": incident.next_step,
            "since": incident.opened_at.isoformat(),
        }
        return {"type": EVENT_TYPES[stage], "data": data}
    # Imported here: the monitor runs everywhere, Slack's models are slow to import and seldom needed.
    from copilot_pipeline.delivery.messages import text_message

    since = f"Since {minute_in(incident.opened_at, zone)}."
    if stage == "resolved":
        return text_message(
            f"Resolved: {incident.name}", [f"It was: {incident.description}", since, "No action is needed."]
        )
    heading = f"Failure: {incident.name}" if stage == "opened" else f"Still failing: {incident.name}"
    return text_message(heading, [incident.description, f"What to do: {incident.next_step}", since])


def minute_in(moment: datetime, zone: tzinfo) -> str:
    """Return a time in words: `2026-11-28 09:15 CET`."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def is_growing(sizes: Iterable[int], *, is_open: bool) -> bool:
    """Return whether hourly sizes, oldest first, show a growing backlog.

    The incident of a backlog (`is_open`) is resolved when the backlog shrinks, not when it stops growing.
    """
    latest = list(sizes)[-GROWING_SAMPLES:]
    if not latest or latest[-1] < SMALL_BACKLOG:
        return False
    if is_open:
        return latest[-1] >= latest[-2] if len(latest) > 1 else True
    return len(latest) == GROWING_SAMPLES and all(after > before for before, after in pairwise(latest))
