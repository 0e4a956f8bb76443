"""What a command says and which code it ends with when something is wrong."""

from __future__ import annotations

from rich.console import Console

from copilot_pipeline.errors import BudgetSpent, ConfigurationError, CredentialsRefused, PipelineError

NOT_DONE = 1
WRONG_SETTING = 3
INTERRUPTED = 130  # 128 + SIGINT
BUDGET_IS_SPENT = 75  # EX_TEMPFAIL: try again later


def status_of(error: PipelineError) -> int:
    """The exit code for an error."""
    if isinstance(error, ConfigurationError | CredentialsRefused):
        return WRONG_SETTING
    return BUDGET_IS_SPENT if isinstance(error, BudgetSpent) else NOT_DONE


def explain(error: PipelineError) -> None:
    """The error, for a person, on standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("error: ", style="bold red", end="")
    console.print(str(error), markup=False)
    if isinstance(error, CredentialsRefused):
        console.print("Set the keys in the environment or in .env, then try: copilot-pipeline doctor")
