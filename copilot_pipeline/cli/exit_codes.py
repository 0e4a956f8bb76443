"""Exit codes, and how an error is printed."""

from __future__ import annotations

import io

import click
from rich.text import Text

from copilot_pipeline.cli.console import echo, text_console
from copilot_pipeline.errors import ConfigurationError, CredentialsRefused, PipelineError, QuotaExhausted

INCOMPLETE = 1
INVALID_SETTING = 3
QUARANTINED = 4
INTERRUPTED = 130  # 128 + SIGINT
QUOTA_EXHAUSTED = 75  # EX_TEMPFAIL: try again later


def exit_code_of(error: PipelineError) -> int:
    """Return the exit code for an error."""
    if isinstance(error, ConfigurationError | CredentialsRefused):
        return INVALID_SETTING
    return QUOTA_EXHAUSTED if isinstance(error, QuotaExhausted) else INCOMPLETE


def print_usage_error(error: click.ClickException) -> None:
    """Print what click says about wrong usage, on standard error."""
    text = io.StringIO()
    error.show(text)
    echo(text.getvalue(), err=True, nl=False)


def print_error(error: PipelineError) -> None:
    """Print the error on standard error, with the next step where there is one."""
    console = text_console(stderr=True)
    console.print(Text.assemble(("error: ", "bold red"), str(error)))
    if isinstance(error, CredentialsRefused):
        console.print("Set the keys in the environment or in .env, then check them: copilot-pipeline doctor")
