"""What a run writes to standard error."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from copilot_pipeline.defs.console_logger import console_logger


def run_that_raises(error: BaseException) -> None:
    """Execute a run with our logger; its only step raises the error."""

    @dg.op
    def step() -> None:
        raise error

    @dg.job(logger_defs={"console": console_logger}, executor_def=dg.in_process_executor)
    def interrupted() -> None:
        step()

    interrupted.execute_in_process(run_config={"loggers": {"console": {}}}, raise_on_error=False)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_interrupted_run_writes_one_sentence(
    log_format: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A signal to the process of a run, as Ctrl-C in `dev`, writes no stack trace."""
    monkeypatch.setenv("COPILOT_PIPELINE_LOG_LEVEL", "warning")
    monkeypatch.setenv("COPILOT_PIPELINE_LOG_FORMAT", log_format)
    run_that_raises(KeyboardInterrupt())
    (line,) = capsys.readouterr().err.splitlines()
    sentence = json.loads(line)["message"] if log_format == "json" else line.partition(" WARNING ")[2]
    assert sentence.endswith(
        " of interrupted was interrupted. Nothing is lost: the daemon starts it again when it runs."
    )


def test_a_failed_run_writes_its_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The stack trace of any other error is kept."""
    monkeypatch.setenv("COPILOT_PIPELINE_LOG_LEVEL", "warning")
    run_that_raises(ValueError("of the step"))
    written = capsys.readouterr().err
    assert "ValueError: of the step" in written
    assert "Stack Trace" in written
