"""What a command says and which code it ends with when something is wrong."""

from __future__ import annotations

from rich.console import Console

from copilot_pipeline.errors import ConfigurationError, CredentialsRefused, PipelineError, QuotaExhausted

INCOMPLETE = 1
INVALID_SETTING = 3
INTERRUPTED = 130  # 128 + SIGINT
QUOTA_EXHAUSTED = 75  # EX_TEMPFAIL: try again later
_DRIVERS = frozenset({"psycopg", "psycopg2", "psycopg_pool"})
_LOST = frozenset({"OperationalError", "InterfaceError", "PoolTimeout"})


def exit_code_of(error: PipelineError) -> int:
    """The exit code for an error."""
    if isinstance(error, ConfigurationError | CredentialsRefused):
        return INVALID_SETTING
    return QUOTA_EXHAUSTED if isinstance(error, QuotaExhausted) else INCOMPLETE


def print_error(error: PipelineError) -> None:
    """The error, for a person, on standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("error: ", style="bold red", end="")
    console.print(str(error), markup=False)
    if isinstance(error, CredentialsRefused):
        console.print("Set the keys in the environment or in .env, then try: copilot-pipeline doctor")


def is_connection_loss(error: BaseException) -> bool:
    """Whether the database went away under a command: our driver's word for it, Dagster's, or the pool's."""
    cause: BaseException | None = error
    while cause is not None:
        for kind in type(cause).__mro__:
            # By name: two of the three libraries are slow to import, and a command may have used neither.
            if kind.__module__.partition(".")[0] in _DRIVERS and kind.__name__ in _LOST:
                return True
        cause = cause.__cause__ or cause.__context__
    return False
