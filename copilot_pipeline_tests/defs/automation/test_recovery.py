"""When the incident of a failed job is resolved."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from copilot_pipeline.defs.automation.recovery import FailedRuns, report_failed, resolve_recovered
from copilot_pipeline.defs.partitions import PROBLEMS
from copilot_pipeline.defs.resources.services import DeliveriesResource
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.defs.opened import opened_resources

BROKEN: set[str] = set()  # partitions that fail
DAYS = dg.StaticPartitionsDefinition(["monday", "tuesday", "wednesday"])


@dg.asset(partitions_def=DAYS)
def upstream(context: dg.AssetExecutionContext) -> None:
    """Fails for the broken days."""
    if context.partition_key in BROKEN:
        raise dg.Failure("broken")


@dg.asset(partitions_def=DAYS, deps=[upstream])
def downstream() -> None:
    """Skipped when its upstream fails."""


@dg.op
def may_fail() -> None:
    """A job without assets."""
    if "op" in BROKEN:
        raise dg.Failure("broken")


@dg.job
def simple() -> None:
    """One op."""
    may_fail()


@dg.op
def without_kit() -> None:
    """Fails like scoring with a wrong code: one problem per day."""
    days = [f"2026-11-0{day}: kit meddicc: kit_not_found (66 calls): fix `kits.meddicc.code`" for day in (1, 2)]
    raise dg.Failure("two days", metadata={PROBLEMS: dg.MetadataValue.json([*days, "2026-11-02: another"])})


@dg.job
def scoring() -> None:
    """One op."""
    without_kit()


@dg.job
def incremental_run() -> None:
    """It logs materializations of single calls."""

    @dg.op
    def log(context: dg.OpExecutionContext) -> None:
        for name in ("upstream", "downstream"):
            context.log_event(dg.AssetMaterialization(name, partition="monday"))

    log()


definitions = dg.Definitions(
    assets=[upstream, downstream],
    jobs=[
        dg.define_asset_job("calls", selection=dg.AssetSelection.all()),
        dg.define_asset_job("others", selection=dg.AssetSelection.all()),
        simple,
        scoring,
        incremental_run,
    ],
)


class Jobs:
    """Runs jobs and does what the sensors do after them."""

    def __init__(self, instance: dg.DagsterInstance, deliveries: DeliveriesResource) -> None:
        self._instance = instance
        self._deliveries = deliveries

    def descriptions(self) -> list[str]:
        """The texts of the open incidents."""
        return [one.description for one in self._deliveries.service().incident_monitor().open_incidents()]

    def run(self, job: str, partition: str | None = None) -> list[str]:
        """Run a job. Return the open incidents afterwards."""
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=self._instance, partition_key=partition, raise_on_error=False
        )
        monitor = self._deliveries.service().incident_monitor()
        if result.success:
            resolve_recovered(self._instance, result.dagster_run, monitor, {"simple", "incremental_run"})
        else:
            report_failed(self._instance, result.dagster_run, monitor)
        return [incident.name for incident in monitor.open_incidents()]


@pytest.fixture
def jobs(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Jobs without broken partitions."""
    home.mkdir(parents=True)
    (home / "pipeline.yaml").write_text("{}\n")
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    monkeypatch.setenv("COPILOT_PIPELINE_HOME", str(home))
    monkeypatch.setenv("COPILOT_PIPELINE_CONFIG", str(home / "pipeline.yaml"))
    BROKEN.clear()
    with opened_resources() as opened, dg.DagsterInstance.ephemeral() as instance:
        yield Jobs(instance, opened.deliveries)


def test_only_the_partitions_that_failed_resolve_the_incident(jobs: Jobs) -> None:
    """Another day of the same job does not, nor one of two failed days."""
    BROKEN.update({"monday", "tuesday"})
    assert jobs.run("calls", "monday") == ["run calls"]
    assert jobs.run("calls", "tuesday") == ["run calls"]
    assert jobs.run("calls", "wednesday") == ["run calls"]
    BROKEN.clear()
    assert jobs.run("calls", "monday") == ["run calls"]
    assert jobs.run("calls", "wednesday") == ["run calls"]
    assert jobs.run("calls", "tuesday") == []


def test_another_job_may_recover_the_partitions(jobs: Jobs) -> None:
    """The day counts, not the job; single calls of the incremental run are not the day."""
    BROKEN.add("monday")
    jobs.run("calls", "monday")
    BROKEN.clear()
    assert jobs.run("incremental_run") == ["run calls"]
    assert jobs.run("others", "tuesday") == ["run calls"]
    assert jobs.run("others", "monday") == []


def test_a_job_without_assets_recovers_with_its_next_success(jobs: Jobs) -> None:
    """No partition has failed, so the next successful run of the job resolves the incident."""
    BROKEN.add("op")
    assert jobs.run("simple") == ["run simple"]
    BROKEN.clear()
    assert jobs.run("others", "monday") == ["run simple"]
    assert jobs.run("simple") == []


def test_an_incident_without_a_recorded_run_is_resolved_by_a_success() -> None:
    """Its run was deleted, or failed before runs were recorded."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert FailedRuns(instance, "calls", ["incremental_run"]).have_recovered()


def test_the_incident_names_each_problem_once(jobs: Jobs) -> None:
    """Problems that only differ in their day are one line with the number of calls."""
    assert jobs.run("scoring") == ["run scoring"]
    (text,) = jobs.descriptions()
    assert text.splitlines()[1:] == [
        "kit meddicc: kit_not_found (132 calls of 2 days, 2026-11-01 to 2026-11-02): fix `kits.meddicc.code`",
        "2026-11-02: another",
    ]
