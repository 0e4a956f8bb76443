"""Marts with models are built in a second process, beside those of the run."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.pipeline_file import AdvancedRebuildSettings, AdvancedSettings, PipelineFile
from copilot_pipeline.defs.marts.building import BuiltMart, build_mart, make_forecast
from copilot_pipeline.defs.marts.second_process import MartWork, SecondProcess
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.marts.build import MartBuilder
from copilot_pipeline.marts.versions import FORECAST, MARTS, MEDDICC, WIN_LOSS
from copilot_pipeline.postgres import Database
from copilot_pipeline.state.locks import exclusive
from copilot_pipeline_tests.bench.company import fill
from copilot_pipeline_tests.load.warehouse.rows import column

pytestmark = pytest.mark.e2e
NOW = datetime(2026, 10, 5, 9, 10, tzinfo=UTC)


@pytest.fixture
def work(database: Database, home: Path) -> MartWork:
    """A small company, which is enough for a second process."""
    fill(database, calls=60, deals=20, utterances=0)
    limits = AdvancedRebuildSettings(processes=2, min_calls=1)
    environment = Environment(copilot_pipeline_home=home, _env_file=None)  # type: ignore[call-arg]
    settings = Settings(environment=environment, pipeline=PipelineFile(advanced=AdvancedSettings(rebuild=limits)))
    return MartWork(settings, database.url, str(home / "lake"), NOW, force=False)


@pytest.fixture
def process(work: MartWork, database: Database) -> Iterator[SecondProcess]:
    """The second process of a run that builds all marts."""
    process = SecondProcess(work, database, [mart.name for mart in MARTS])
    yield process
    process.close()


def test_builds_the_marts_with_models_as_the_process_of_the_run_does(
    work: MartWork, database: Database, process: SecondProcess
) -> None:
    """The forecast when MEDDICC, which it reads, is built; and nothing of what is up to date."""
    lake = Lake(work.lake_url)

    def build_meddicc(builder: MartBuilder) -> tuple[dict[str, int], dict[str, dict[str, object]]]:
        process.start()
        assert process.result_of(MEDDICC) is None
        assert isinstance(process.result_of(WIN_LOSS), BuiltMart)
        return builder.build_meddicc(), {}

    build_mart(MEDDICC, build_meddicc, lake, database, work.settings, now=NOW, force=False)
    process.start(built=MEDDICC)
    built = process.result_of(FORECAST)
    assert built is not None
    assert not built.was_current
    assert [built.rows["deal_forecast"]] == column(database, "SELECT count(*) FROM copilot.deal_forecast")
    checksum = "SELECT sum(hashtext(row::text)) FROM copilot.deal_forecast AS row"
    beside = column(database, checksum)
    here = build_mart(FORECAST, make_forecast, lake, database, work.settings, now=NOW, force=True)
    assert (here.rows, here.facts, column(database, checksum)) == (built.rows, built.facts, beside)
    second = SecondProcess(work, database, [mart.name for mart in MARTS])
    second.start(built=MEDDICC)
    assert second.result_of(WIN_LOSS) is None
    assert second.result_of(FORECAST) is None


def test_leaves_a_mart_to_the_run_if_it_is_killed(database: Database, process: SecondProcess) -> None:
    """It is killed while it waits for the lock of the mart, which nothing but the test holds."""
    with exclusive(database.url, WIN_LOSS.group):
        process.start()
        (child,) = _children()
        child.kill()
        assert process.result_of(WIN_LOSS) is None


def test_ends_with_the_run(database: Database, process: SecondProcess) -> None:
    """Also while it is building."""
    with exclusive(database.url, WIN_LOSS.group):
        process.start()
        (child,) = _children()
        process.close()
        assert not child.is_running()


def test_is_not_started_if_the_run_builds_no_other_mart(work: MartWork, database: Database) -> None:
    """The process of the run would only wait for it."""
    process = SecondProcess(work, database, [WIN_LOSS.name])
    process.start()
    assert process.result_of(WIN_LOSS) is None
    assert _children() == []


def _children() -> list[psutil.Process]:
    return [psutil.Process(child.pid) for child in multiprocessing.active_children()]
