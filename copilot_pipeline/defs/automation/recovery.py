"""Whether what failed has succeeded since: the partitions of a failed run, whichever run materializes them."""

from collections.abc import Collection, Iterator

import dagster as dg

from copilot_pipeline.defs.partitions import PROBLEMS
from copilot_pipeline.defs.problems import grouped
from copilot_pipeline.delivery.incident_monitor import IncidentMonitor
from copilot_pipeline.delivery.incidents import Failure

INCIDENT_TAG = "copilot_pipeline/incident"  # on failed runs: `open` until their partitions have succeeded
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
MAX_REASONS = 5  # problems in the text of an incident
FAILED_RUN = "run "  # the prefix of the names of incidents of jobs
Pair = tuple[dg.AssetKey, str | None]  # an asset and its partition, None if it has no partitions


def report_failed(instance: dg.DagsterInstance, run: dg.DagsterRun, monitor: IncidentMonitor) -> None:
    """Open the incident of the run's job, or repeat it when that is due."""
    what = "\n".join([f"Run {run.run_id[:8]} of {run.job_name} failed.", *_reasons(instance, run)])
    todo = "Open the run in the Dagster UI: its last event names the days and the reason. Then run the same days again."
    monitor.open(Failure(f"{FAILED_RUN}{run.job_name}", what, todo))
    instance.add_run_tags(run.run_id, {INCIDENT_TAG: "open"})


def _reasons(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """Return the first problems in the metadata of the failed steps, each once with its count."""
    problems: list[str] = []
    for record in instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records:
        event = record.event_log_entry.dagster_event
        failure = event.step_failure_data.user_failure_data if event is not None else None
        listed = failure.metadata.get(PROBLEMS) if failure is not None else None
        if isinstance(listed, dg.JsonMetadataValue):
            problems += [str(problem) for problem in listed.value or ()]
    reasons = grouped(problems)
    more = len(reasons) - MAX_REASONS
    return [*reasons[:MAX_REASONS], *([f"… and {more} more"] if more > 0 else [])]


def resolve_recovered(
    instance: dg.DagsterInstance,
    succeeded: dg.DagsterRun,
    monitor: IncidentMonitor,
    without_partitions: Collection[str],
) -> None:
    """Resolve the incidents of jobs of which everything that failed has succeeded since.

    Jobs `without_partitions` are frequent, and have no effect on the partitions of other jobs.
    """
    for incident in monitor.open_incidents():
        job = incident.name.removeprefix(FAILED_RUN)
        if not incident.name.startswith(FAILED_RUN):
            continue
        if succeeded.job_name in without_partitions and succeeded.job_name != job:
            continue
        if FailedRuns(instance, job, without_partitions).have_recovered():
            monitor.resolve(incident.name)


class FailedRuns:
    """The failed runs of a job that an incident was opened for.

    A run of call partitions is recovered when all its days have been materialized by other runs; the incremental run
    materializes single calls of a day, which is not enough.
    """

    def __init__(self, instance: dg.DagsterInstance, job: str, without_partitions: Collection[str]) -> None:
        self._instance = instance
        self._job = job
        self._without_partitions = without_partitions

    def have_recovered(self) -> bool:
        """Return whether everything that failed has succeeded since; those that have are marked as resolved."""
        unfinished = False
        for record in self._open():
            if self._has_recovered(record):
                self._instance.add_run_tags(record.dagster_run.run_id, {INCIDENT_TAG: "resolved"})
            else:
                unfinished = True
        return not unfinished

    def _open(self) -> list[dg.RunRecord]:
        filters = dg.RunsFilter(job_name=self._job, statuses=[dg.DagsterRunStatus.FAILURE], tags={INCIDENT_TAG: "open"})
        return list(self._instance.get_run_records(filters))

    def _has_recovered(self, failed: dg.RunRecord) -> bool:
        later = self._instance.get_run_records(
            dg.RunsFilter(created_after=failed.create_timestamp, statuses=_ENDED), ascending=True
        )
        run = failed.dagster_run
        missing = set(_planned(self._instance, run)) - set(_materialized(self._instance, run.run_id))
        if not missing:  # a job without assets, or one whose last step failed
            return any(record.dagster_run.job_name == self._job and record.dagster_run.is_success for record in later)
        for record in later:
            if record.dagster_run.job_name not in self._without_partitions:
                missing -= set(_materialized(self._instance, record.dagster_run.run_id))
        return not missing


def _planned(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[Pair]:
    """Yield what the run was to materialize."""
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    for record in instance.get_records_for_run(run.run_id, of_type=planned).records:
        event = record.event_log_entry.dagster_event
        if event is None or event.asset_key is None:
            continue
        data = event.asset_materialization_planned_data
        keys = data.partitions_subset.get_partition_keys() if data.partitions_subset else [data.partition]
        yield from ((event.asset_key, key) for key in keys)


def _materialized(instance: dg.DagsterInstance, run_id: str) -> Iterator[Pair]:
    """Yield what the run has materialized."""
    materialized = dg.DagsterEventType.ASSET_MATERIALIZATION
    for record in instance.get_records_for_run(run_id, of_type=materialized).records:
        event = record.event_log_entry.dagster_event
        if event is not None and event.asset_key is not None:
            yield event.asset_key, event.partition
