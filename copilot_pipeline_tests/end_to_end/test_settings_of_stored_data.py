"""A command has another time zone or working folder than the stored data."""

from __future__ import annotations

from pathlib import Path

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import KITS, Pipeline


def run_from(pipeline: Pipeline, folder: Path, **changes: str) -> tuple[int, str]:
    """Run the days from another folder, without the variable that names the configuration file."""
    first, last = pipeline.days()
    environment = {**pipeline.environment(), **changes}
    if "COPILOT_PIPELINE_CONFIG" not in changes:
        del environment["COPILOT_PIPELINE_CONFIG"]
    done = pipeline.commands.run("run", "--from", first, "--to", last, environment=environment, folder=folder)
    return done.returncode, done.stderr


def removed(pipeline: Pipeline) -> int:
    """The number of calls that are marked as removed."""
    return int(pipeline.query("SELECT count(*) AS n FROM copilot_ops.calls WHERE removed_at IS NOT NULL")[0]["n"])


def test_another_time_zone_is_refused(make_pipeline: MakePipeline) -> None:
    """Nothing changes, and the error explains how to restore the setting."""
    pipeline = make_pipeline(days=2, calls_per_day=5)
    pipeline.run()
    before = pipeline.tables()
    config = pipeline.home / "pipeline.yaml"
    config.write_text("timezone: America/Los_Angeles\n" + KITS)
    pipeline.run(expect=3)
    assert "timezone: UTC in pipeline.yaml" in pipeline.error_output
    assert (removed(pipeline), pipeline.tables()) == (0, before)
    config.write_text("timezone: UTC\n" + KITS)
    pipeline.run()
    assert (removed(pipeline), pipeline.tables()) == (0, before)


def test_a_command_from_another_folder_names_the_missing_file(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """Cron starts commands in another folder. With the path in the variable, or with `none`, the command runs."""
    pipeline = make_pipeline(days=2, calls_per_day=5)
    pipeline.environment()
    config = pipeline.home / "pipeline.yaml"
    config.write_text("timezone: America/Los_Angeles\n" + KITS)
    assert run_from(pipeline, pipeline.home)[0] == 0
    before = pipeline.tables()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code, output = run_from(pipeline, elsewhere)
    assert code == 3
    assert f"COPILOT_PIPELINE_CONFIG={config}" in output
    assert "Traceback" not in output
    assert (removed(pipeline), pipeline.tables()) == (0, before)
    assert run_from(pipeline, elsewhere, COPILOT_PIPELINE_CONFIG=str(config))[0] == 0
    assert (removed(pipeline), pipeline.tables()) == (0, before)
    code, output = run_from(pipeline, elsewhere, COPILOT_PIPELINE_CONFIG="none")
    assert code == 3  # no file means UTC, and the data are in another time zone
    assert "timezone: America/Los_Angeles" in output
    assert (removed(pipeline), pipeline.tables()) == (0, before)
