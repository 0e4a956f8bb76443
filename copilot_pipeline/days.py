"""Days in text, and lists of days. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta


def day_in_text(day: date) -> str:
    """Format a day as people write it: `10 Nov 2026`."""
    return f"{day.day} {day:%b %Y}"


def days_between(first: date, last: date) -> tuple[date, ...]:
    """Return the days from `first` to `last`, both included, ascending."""
    return tuple(first + timedelta(days=offset) for offset in range((last - first).days + 1))


def day_ranges(days: Iterable[date], max_days: int) -> list[tuple[date, ...]]:
    """Group days into ranges of consecutive days of at most `max_days`, newest range first, each ascending."""
    groups: list[list[date]] = []
    for day in sorted(set(days), reverse=True):
        if groups and groups[-1][-1] - day == timedelta(days=1) and len(groups[-1]) < max_days:
            groups[-1].append(day)
        else:
            groups.append([day])
    return [tuple(reversed(group)) for group in groups]
