"""The option `--include-suppressed` of commands that evaluate routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from copilot_pipeline.cli.console import echo

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def include_suppressed_options(command: Decorated) -> Decorated:
    """Add `--include-suppressed`, and its former name `--loud` as a hidden option."""
    command = click.option("--loud", is_flag=True, hidden=True)(command)
    return click.option(
        "--include-suppressed",
        is_flag=True,
        help="Include calls older than max_age, and calls scored before the route was active.",
    )(command)


def resolve_include_suppressed(include_suppressed: bool, loud: bool) -> bool:
    """Combine both options, with a warning if the former name is used."""
    if loud:
        echo("warning: --loud is deprecated and will be removed in 0.3. Use --include-suppressed.", err=True)
    return include_suppressed or loud
