"""The disk fills up in the middle of a run."""

from __future__ import annotations

import pytest

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline

pytestmark = pytest.mark.faults

_BYTES = 12_000  # less than the raw file of the day, more than the output of a command
_LIMITED = f"""
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, ({_BYTES}, {_BYTES}))
runpy.run_module("copilot_pipeline", run_name="__main__", alter_sys=True)
"""


def test_a_run_that_cannot_write_its_files_loses_nothing(make_pipeline: MakePipeline) -> None:
    """One sentence with what to do, exit code 1; the next run finishes without fetching or paying again."""
    pipeline = make_pipeline(days=1, calls_per_day=30, segments=12, traps=False)
    pipeline.execute("migrate")
    first, last = pipeline.days()
    # Python would keep the compiled modules that are cut off at the limit, and later commands would fail to load them.
    environment = pipeline.environment(PYTHONDONTWRITEBYTECODE="1")
    command = ("run", "--from", first, "--to", last)
    run = pipeline.commands.start_code(_LIMITED, *command, folder=pipeline.home, environment=environment)
    printed, errors = run.communicate()
    output = " ".join(f"{printed} {errors}".split())
    assert run.wait() == 1, output
    assert "Traceback" not in output
    assert "File too large" in output
    assert "Free space" in output, output
    fetched = pipeline.sandbox.stats()["details_total"]
    assert fetched > 0
    assert pipeline.run()["complete"] is True
    counted = pipeline.sandbox.stats()
    assert (counted["details_total"], counted["details_most_for_one_call"]) == (fetched, 1)
    assert counted["runs_most_for_one_input"] == 1
