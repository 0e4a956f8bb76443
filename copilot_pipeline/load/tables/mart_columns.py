"""Columns that several marts have."""

from __future__ import annotations

from copilot_pipeline.load.tables.model import Column, Kind, identifier, number, text


def day(name: str, description: str, *, required: bool = False) -> Column:
    """Return a date column."""
    return Column(name, Kind.DATE, description, required)


WEEK = day("week", "Monday of the call's week.", required=True)
REP = (
    identifier("rep_id", "The rep: user id, else e-mail address in lower case; null if unknown."),
    text("rep_name", "Name of the rep."),
    identifier("manager_id", "User id of the rep's manager at the time of the call, which identifies the team."),
)
REVIEW_URL = text("review_url", "Page of the call in Clari Copilot.")


def share(what: str) -> tuple[Column, ...]:
    """Return a share and its interval; `what` is the description of the share."""
    return (
        number("share", f"{what}, 0 to 1; null if n is 0."),
        number("share_low", "Lower end of its 95 % interval (Wilson)."),
        number("share_high", "Upper end of its 95 % interval (Wilson)."),
    )
