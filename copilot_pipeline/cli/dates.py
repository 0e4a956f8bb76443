"""Options that take dates."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, TypeVar, cast

import click


class _Date(click.DateTime):
    """A date in the form YYYY-MM-DD."""

    def __init__(self) -> None:
        super().__init__(formats=["%Y-%m-%d"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"Invalid date: expected YYYY-MM-DD, got {value}", param, ctx)


DATE = _Date()
Command = TypeVar("Command", bound=Callable[..., object])


def date_range_options(command: Command) -> Command:
    """Add the options `--from` and `--to`. A `--to` before `--from` is wrong usage."""

    @functools.wraps(command)
    def checked(*arguments: Any, first: datetime, last: datetime, **options: Any) -> object:
        if last < first:
            raise click.UsageError(f"--to {last.date()} is before --from {first.date()}.")
        return command(*arguments, first=first, last=last, **options)

    last = click.option("--to", "last", type=DATE, required=True, metavar="DATE", help="Last day, inclusive.")
    first = click.option("--from", "first", type=DATE, required=True, metavar="DATE", help="First day, YYYY-MM-DD.")
    return first(last(cast(Command, checked)))


def dates_between(first: datetime, last: datetime) -> list[date]:
    """Return the dates from the first to the last, inclusive."""
    return [first.date() + timedelta(days=count) for count in range((last - first).days + 1)]
