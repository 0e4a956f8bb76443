"""Days on the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import click

from copilot_pipeline.errors import ConfigurationError


class _Date(click.DateTime):
    """A day, with an error that says how one is written."""

    def __init__(self) -> None:
        super().__init__(formats=["%Y-%m-%d"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value} is no day: write it as year-month-day, like 2026-11-01", param, ctx)


DATE = _Date()
Command = TypeVar("Command", bound=Callable[..., object])


def date_range_options(command: Command) -> Command:
    """Adds `--from` and `--to`."""
    last = click.option("--to", "last", type=DATE, required=True, metavar="DAY", help="Last day, included.")
    first = click.option("--from", "first", type=DATE, required=True, metavar="DAY", help="First day, YYYY-MM-DD.")
    return first(last(command))


def dates_between(first: datetime, last: datetime) -> list[date]:
    """The days from the first to the last, both included."""
    if last < first:
        raise ConfigurationError(f"--to {last.date()} is before --from {first.date()}")
    return [first.date() + timedelta(days=count) for count in range((last - first).days + 1)]
