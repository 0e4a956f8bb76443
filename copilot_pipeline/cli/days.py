"""Days on the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TypeVar

import click

from copilot_pipeline.errors import ConfigurationError

DAY = click.DateTime(formats=["%Y-%m-%d"])
Command = TypeVar("Command", bound=Callable[..., object])


def with_days(command: Command) -> Command:
    """Adds `--from` and `--to`."""
    last = click.option("--to", "last", type=DAY, required=True, metavar="DAY", help="Last day, included.")
    first = click.option("--from", "first", type=DAY, required=True, metavar="DAY", help="First day, YYYY-MM-DD.")
    return first(last(command))


def days_of(first: datetime, last: datetime) -> list[date]:
    """The days from the first to the last, both included."""
    if last < first:
        raise ConfigurationError(f"--to {last.date()} is before --from {first.date()}")
    return [first.date() + timedelta(days=count) for count in range((last - first).days + 1)]
