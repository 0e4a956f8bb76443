"""Remove old runs of Dagster with their events and logs, through Dagster's own interface."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy

# Private, because Dagster exports the statuses of runs one by one only, and deletes no results of checks itself.
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

RUNS_PER_QUERY = 100


def remove_old_runs(instance: dg.DagsterInstance, limit: timedelta) -> int:
    """Delete finished runs that are older than the limit; return their number.

    A run that was the last to materialize an asset or a day of it stays: without its events the UI would show the day
    as missing, and automation would build it again.
    """
    old = old_runs(instance, limit)
    for run_id in old:
        manager = instance.compute_log_manager
        manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
    for start in range(0, len(old), RUNS_PER_QUERY):
        _remove_check_results(instance, old[start : start + RUNS_PER_QUERY])
    return len(old)


def _remove_check_results(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> None:
    """Delete the results of checks in deleted runs, which Dagster leaves. The newest one of each check stays."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    results = AssetCheckExecutionsTable
    newest = sqlalchemy.select(sqlalchemy.func.max(results.c.id)).group_by(results.c.asset_key, results.c.check_name)
    with storage.index_connection() as connection:
        connection.execute(results.delete().where(results.c.run_id.in_(run_ids), results.c.id.not_in(newest)))


def old_runs(instance: dg.DagsterInstance, limit: timedelta) -> list[str]:
    """Return the ids of the runs that are deleted."""
    filters = dg.RunsFilter(statuses=FINISHED_STATUSES, created_before=datetime.now(UTC) - limit)
    old: list[str] = []
    cursor: str | None = None
    while records := instance.get_run_records(filters, limit=RUNS_PER_QUERY, cursor=cursor):
        cursor = records[-1].dagster_run.run_id
        old += [record.dagster_run.run_id for record in records]
    needed = _runs_of_latest_materializations(instance) if old else set()
    return [run_id for run_id in old if run_id not in needed]


def _runs_of_latest_materializations(instance: dg.DagsterInstance) -> set[str]:
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    runs: set[str] = set()
    for key in instance.all_asset_keys():
        latest = instance.get_latest_materialization_event(key)
        if latest is not None:
            runs.add(latest.run_id)
        ids = list(instance.event_log_storage.get_latest_storage_id_by_partition(key, kind).values())
        for start in range(0, len(ids), RUNS_PER_QUERY):
            some = ids[start : start + RUNS_PER_QUERY]
            found = instance.fetch_materializations(dg.AssetRecordsFilter(key, storage_ids=some), limit=len(some))
            runs |= {record.run_id for record in found.records}
    return runs
