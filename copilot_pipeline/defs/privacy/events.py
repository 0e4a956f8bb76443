"""Remove old runs of Dagster with their events and logs, through Dagster's own interface where it has one."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import dagster as dg
import sqlalchemy

# Private, because Dagster exports the statuses of runs one by one only, deletes no single events of a run, and leaves
# the results of checks of a deleted run: https://github.com/dagster-io/dagster/pull/18341
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

PER_QUERY = 100
_Item = TypeVar("_Item")
LatestEvents = Mapping[str, Sequence[int]]  # ids of the latest materializations of assets and their days, by run


def remove_old_runs(instance: dg.DagsterInstance, limit: timedelta) -> int:
    """Delete finished runs that are older than the limit; return their number.

    A run that was the last to materialize an asset or a day of it stays, with the events of these materializations:
    without them the UI would show the day as missing, and automation would build it again.
    """
    old = _finished_runs(instance, limit)
    latest = _latest_materializations(instance) if old else {}
    unneeded = [run_id for run_id in old if run_id not in latest]
    for run_id in unneeded:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
    kept = [run_id for run_id in old if run_id in latest]
    for some in _parts(kept):
        for run_id in _remove_other_events(instance, some, latest):
            instance.compute_log_manager.delete_logs(prefix=[run_id])
    for some in _parts(old):
        _remove_check_results(instance, some)
    return len(unneeded)


def _remove_other_events(instance: dg.DagsterInstance, run_ids: Sequence[str], latest: LatestEvents) -> set[str]:
    """Delete the events of runs except the latest materializations; return the runs that had others."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return set()
    events, tags = SqlEventLogStorageTable, AssetEventTagsTable
    needed = [event for run_id in run_ids for event in latest[run_id]]
    with storage.index_connection() as connection:
        chosen = sqlalchemy.select(events.c.id, events.c.run_id)
        others = connection.execute(chosen.where(events.c.run_id.in_(run_ids), events.c.id.not_in(needed))).all()
        for some in _parts([event for event, _ in others]):
            connection.execute(tags.delete().where(tags.c.event_id.in_(some)))
            connection.execute(events.delete().where(events.c.id.in_(some)))
    return {run_id for _, run_id in others}


def _remove_check_results(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> None:
    """Delete the results of checks in old runs, which Dagster leaves. The newest one of each check stays."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    results = AssetCheckExecutionsTable
    newest = sqlalchemy.select(sqlalchemy.func.max(results.c.id)).group_by(results.c.asset_key, results.c.check_name)
    with storage.index_connection() as connection:
        connection.execute(results.delete().where(results.c.run_id.in_(run_ids), results.c.id.not_in(newest)))


def old_runs(instance: dg.DagsterInstance, limit: timedelta) -> list[str]:
    """Return the ids of the runs that are deleted."""
    old = _finished_runs(instance, limit)
    latest = _latest_materializations(instance) if old else {}
    return [run_id for run_id in old if run_id not in latest]


def _finished_runs(instance: dg.DagsterInstance, limit: timedelta) -> list[str]:
    """Return the ids of the finished runs that are older than the limit."""
    filters = dg.RunsFilter(statuses=FINISHED_STATUSES, created_before=datetime.now(UTC) - limit)
    old: list[str] = []
    cursor: str | None = None
    while records := instance.get_run_records(filters, limit=PER_QUERY, cursor=cursor):
        cursor = records[-1].dagster_run.run_id
        old += [record.dagster_run.run_id for record in records]
    return old


def _latest_materializations(instance: dg.DagsterInstance) -> LatestEvents:
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    latest: defaultdict[str, list[int]] = defaultdict(list)
    for key in instance.all_asset_keys():
        for record in instance.fetch_materializations(key, limit=1).records:
            latest[record.run_id].append(record.storage_id)
        ids = list(instance.event_log_storage.get_latest_storage_id_by_partition(key, kind).values())
        for run_id, event in _runs_of(instance, ids):
            latest[run_id].append(event)
    return latest


def _runs_of(instance: dg.DagsterInstance, ids: Sequence[int]) -> Iterator[tuple[str, int]]:
    """Yield the run of each event. Dagster would parse all events, of which there is one for each asset and day."""
    storage, events = instance.event_log_storage, SqlEventLogStorageTable
    if not isinstance(storage, SqlEventLogStorage):
        raise TypeError(f"events are stored in {type(storage).__name__}, which has no tables")
    with storage.index_connection() as connection:
        for some in _parts(ids):
            yield from connection.execute(
                sqlalchemy.select(events.c.run_id, events.c.id).where(events.c.id.in_(some))
            ).tuples()


def _parts(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), PER_QUERY):
        yield items[start : start + PER_QUERY]
