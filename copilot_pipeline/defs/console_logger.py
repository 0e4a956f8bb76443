"""What a run writes to standard error, in the configured format and from the configured level.

The UI has all messages, whatever this level is.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

# Private, because there is no public way to replace the console logger of runs whose configuration names no logger: it
# writes everything from DEBUG, or from `python_log_level` of dagster.yaml, which also drops messages from the UI
# (https://docs.dagster.io/guides/log-debug/logging/python-logging).
from dagster._core.execution import context_creation_job

from copilot_pipeline.config.loading import load_environment
from copilot_pipeline.logs import stderr_handler


@dg.logger(
    config_schema=None,
    description="Writes to standard error as COPILOT_PIPELINE_LOG_LEVEL and COPILOT_PIPELINE_LOG_FORMAT state.",
)
def console_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """The logger of one run."""
    environment = load_environment()
    logger = logging.Logger("copilot_pipeline.runs", level=environment.copilot_pipeline_log_level.upper())
    logger.addHandler(stderr_handler(environment.copilot_pipeline_log_format))
    return logger


def use_console_logger() -> None:
    """Replace Dagster's console logger in this process."""
    context_creation_job.default_system_loggers = _default_loggers  # type: ignore[attr-defined,assignment]


def _default_loggers(_instance: dg.DagsterInstance | None) -> Sequence[tuple[dg.LoggerDefinition, Mapping[str, Any]]]:
    return [(console_logger, {})]
