"""What a run writes to standard error, in the configured format and from the configured level.

The UI has all messages, whatever this level is.
"""

import copy
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

_INTERRUPTIONS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
_INTERRUPTED = "Run {run} of {job} was interrupted. Nothing is lost: the daemon starts it again when it runs."


@dg.logger(
    config_schema=None,
    description="Writes to standard error as COPILOT_PIPELINE_LOG_LEVEL and COPILOT_PIPELINE_LOG_FORMAT state.",
)
def console_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """The logger of one run."""
    environment = load_environment()
    logger = logging.Logger("copilot_pipeline.runs", level=environment.copilot_pipeline_log_level.upper())
    logger.addHandler(_WithoutInterruptions(stderr_handler(environment.copilot_pipeline_log_format)))
    return logger


class _WithoutInterruptions(logging.Handler):
    """Writes a sentence in place of the stack traces of a run that a signal ended, such as Ctrl-C in `dev`."""

    def __init__(self, inner: logging.Handler) -> None:
        super().__init__()
        self._inner = inner

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", None) or {}
        event: dg.DagsterEvent | None = meta.get("dagster_event")
        if event is None or not _is_interruption(event):
            self._inner.handle(record)
        elif event.is_run_failure:  # that of its step comes before it
            shown = copy.copy(record)
            shown.levelno, shown.levelname, shown.args = logging.WARNING, "WARNING", ()
            shown.msg = _INTERRUPTED.format(run=(meta.get("run_id") or "")[:8], job=event.job_name)
            shown.__dict__["dagster_meta"] = {**meta, "orig_message": shown.msg}
            self._inner.handle(shown)


def _is_interruption(event: dg.DagsterEvent) -> bool:
    error = getattr(event.event_specific_data, "error", None)
    while error is not None and error.cls_name not in _INTERRUPTIONS:
        error = error.cause
    return error is not None


def use_console_logger() -> None:
    """Replace Dagster's console logger in this process."""
    context_creation_job.default_system_loggers = _default_loggers  # type: ignore[attr-defined,assignment]


def _default_loggers(_instance: dg.DagsterInstance | None) -> Sequence[tuple[dg.LoggerDefinition, Mapping[str, Any]]]:
    return [(console_logger, {})]
