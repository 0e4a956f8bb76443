"""Help texts, aliases and deprecated options."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from copilot_pipeline.cli import cli
from copilot_pipeline_tests.cli.conftest import Command

WIDTH = 80


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command and group, without the root."""
    context = click.Context(group)
    for name in group.list_commands(context):
        result = group.get_command(context, name)
        yield (*path, name)
        if isinstance(result, click.Group):
            yield from commands(result, (*path, name))


@pytest.mark.parametrize("path", [(), *commands(cli)], ids=lambda path: " ".join(path) or "copilot-pipeline")
def test_help_fits_into_80_columns(path: tuple[str, ...]) -> None:
    """No line of a help text is longer than a terminal is wide."""
    result = CliRunner().invoke(cli, [*path, "--help"], terminal_width=WIDTH)
    assert result.exit_code == 0
    assert [line for line in result.output.splitlines() if len(line) > WIDTH] == []


def test_answers_is_a_hidden_alias_of_marts() -> None:
    """Scripts that call `answers` keep working."""
    help_text = CliRunner().invoke(cli, ["answers", "--help"]).output
    assert "Rebuild the marts" in help_text
    assert "answers" not in CliRunner().invoke(cli, ["--help"]).output


def test_as_is_works_with_a_warning(command: Command) -> None:
    """`report --as-is` is the old name of `--no-refresh`."""
    result = command("report", "--as-is")
    assert result.code == 0
    assert "--as-is is deprecated" in result.err
    assert "marts built" not in result.err
