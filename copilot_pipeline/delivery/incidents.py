"""Failures a person must hear of: how they are worded, and when they are said again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from copilot_pipeline.delivery.messages import plain_message

Stage = Literal["open", "again", "over"]
EVENT_TYPES: dict[Stage, str] = {"open": "incident.opened", "again": "incident.repeated", "over": "incident.closed"}
DOWN_FOR = timedelta(hours=1)
GROWING_LOOKS = 3  # looks an hour apart, each with more waiting than the one before
SMALL_BACKLOG = 50  # rows; below it nobody is called


@dataclass(frozen=True, slots=True)
class Problem:
    """A failure. `name` stays the same while it lasts, and tells it from others."""

    name: str
    what: str
    what_to_do: str


def incident_payload(kind: str, problem: Problem, stage: Stage, since: datetime) -> dict[str, Any]:
    """The message for a sink of this kind."""
    if kind == "webhook":
        data = {
            "name": problem.name,
            "what": problem.what,
            "what_to_do": problem.what_to_do,
            "since": since.isoformat(),
        }
        return {"type": EVENT_TYPES[stage], "data": data}
    began = f"Since {since:%Y-%m-%d %H:%M} UTC."
    if stage == "over":
        return plain_message(f"Over: {problem.name}", [f"It was: {problem.what}", began, "Nothing more to do."])
    heading = f"Failure: {problem.name}" if stage == "open" else f"Still failing: {problem.name}"
    return plain_message(heading, [problem.what, f"What to do: {problem.what_to_do}", began])


def is_growing(counts: Iterable[int], *, is_known: bool) -> bool:
    """Whether hourly counts, oldest first, show a backlog that nobody works off.

    One that was told of (`is_known`) is over when it shrinks, and not when it merely grows no further.
    """
    latest = list(counts)[-GROWING_LOOKS:]
    if not latest or latest[-1] < SMALL_BACKLOG:
        return False
    if is_known:
        return latest[-1] >= latest[-2] if len(latest) > 1 else True
    return len(latest) == GROWING_LOOKS and all(after > before for before, after in pairwise(latest))
