"""Tables that a command does not have to build, because they are up to date in both stores and in Dagster."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from functools import partial

import dagster as dg

from copilot_pipeline.cli.connections import delivery_service
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.extract.factory import make_accounts, make_deals
from copilot_pipeline.extract.table_factory import make_call_tables
from copilot_pipeline.load.day_load import PARTITION_ERRORS
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import ACCOUNTS, BRICKS, CALL_TABLES, DEAL_HISTORY, DEALS, SCORE_TABLES, SEMARIZE_RUNS
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import Progress
from copilot_pipeline.score.factory import make_bricks, make_score_tables
from copilot_pipeline.state import CallStore


class CurrentTables:
    """Finds out whether a run of Dagster for some assets and days would build nothing.

    Such a run costs half a second for its plan and its events, more than the comparison of all versions.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        instance: dg.DagsterInstance,
        days: Sequence[date],
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._database = database
        self._instance = instance
        self._days = days
        self._progress = progress
        self._lake = Lake(settings.environment.lake_url)

    def include(self, assets: Collection[str]) -> bool:
        """Return whether all of the assets are up to date, with an event of each in Dagster.

        The other work of such a run is done: deliveries of the days are enqueued, views of kits refreshed, and the
        unpartitioned tables have the present time as the one at which they were confirmed.
        """
        parts = (
            (CALL_TABLES, self._has_call_tables),
            (SCORE_TABLES, partial(self._has_score_tables, pays=SEMARIZE_RUNS.name in assets)),
            ((BRICKS,), self._has_bricks),
            ((DEALS, DEAL_HISTORY), self._has_deals),
            ((ACCOUNTS,), self._has_accounts),
        )
        known = {table.name: has for tables, has in parts for table in tables}
        if not set(assets) <= known.keys() or not all(map(self._is_reported, assets)):
            return False
        try:
            return all(has() for has in dict.fromkeys(known[name] for name in assets))
        except PARTITION_ERRORS:  # the run reports it
            return False

    def _is_reported(self, asset: str) -> bool:
        """Return whether Dagster has an event of the asset, for each day, that is newer than any that failed."""
        key, storage = dg.AssetKey(asset), self._instance.event_log_storage
        if asset not in {table.name for table in (*CALL_TABLES, *SCORE_TABLES)}:
            return self._instance.get_latest_materialization_event(key) is not None
        days = {day.isoformat() for day in self._days}
        failed = storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
        return days <= storage.get_materialized_partitions(key) and days.isdisjoint(failed)

    def _has_call_tables(self) -> bool:
        tables = make_call_tables(self._settings, self._database, self._lake)
        return tables.days_to_build(self._days) == sorted(self._days, reverse=True) and not tables.changed_days(
            self._days
        )

    def _has_score_tables(self, *, pays: bool) -> bool:
        if not self._settings.pipeline.kits:
            self._progress.note(self._settings.without_kits or "")
            return True
        tables = make_score_tables(self._settings, self._database, self._lake)
        outdated = CallStore(self._database, self._settings.zone).partitions.days_with_outdated_scores()
        if outdated or tables.settled_days(self._days) != set(self._days):
            return False
        deliveries = delivery_service(self._settings, self._database, self._progress)
        return not tables.refresh_views() and not deliveries.enqueue(self._days, sends_requests=pays)

    def _has_bricks(self) -> bool:
        return make_bricks(self._settings, self._database, self._lake).is_current(datetime.now(UTC))

    def _has_deals(self) -> bool:
        return make_deals(self._settings, self._database, self._lake).confirm_table()

    def _has_accounts(self) -> bool:
        return make_accounts(self._settings, self._database, self._lake).confirm_table()
