"""What a run over many days reports of its partitions."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.defs.instance import open_instance
from copilot_pipeline.defs.partitions import DAYS, PartitionReporter, days_of
from copilot_pipeline.load.tables import CALLS, UTTERANCES
from copilot_pipeline.postgres import Database

FIRST = date(2026, 3, 2)
SELECTED = [FIRST + timedelta(days=number) for number in range(4)]
LOADED = SELECTED[:3]


@dg.multi_asset(
    specs=[dg.AssetSpec(table.name, partitions_def=DAYS) for table in (CALLS, UTTERANCES)],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def tables(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
    """Load all days but the last one, and fail."""
    with PartitionReporter(context, days_of(context)) as reporter:
        for day in LOADED:
            reporter.add(day, [(CALLS, {"rows": day.day}), (UTTERANCES, {"rows": 2 * day.day})])
        yield from ()
        raise RuntimeError("the disk is full")


def test_a_failed_run_keeps_its_finished_days_in_few_transactions(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finished days are materialized and the last one has failed, of each table. The events of the finished ones
    are written in one transaction for each table.
    """
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    monkeypatch.setenv("COPILOT_PIPELINE_HOME", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    keys = [day.isoformat() for day in SELECTED]
    with open_instance(Environment()) as instance:
        tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
        assert not dg.materialize([tables], instance=instance, tags=tags, raise_on_error=False).success
        for table in (CALLS, UTTERANCES):
            states = instance.get_status_by_partition(dg.AssetKey(table.name), keys, DAYS) or {}
            names = [state.value for key in keys if (state := states[key])]
            assert names == ["MATERIALIZED"] * len(LOADED) + ["FAILED"]
        newest = instance.get_latest_materialization_event(dg.AssetKey(UTTERANCES.name))
        assert newest is not None
        assert newest.asset_materialization is not None
        assert newest.asset_materialization.partition == LOADED[-1].isoformat()
    with database.connection() as connection:
        written = connection.execute(
            """SELECT dagster_event_type, count(*), count(DISTINCT xmin::text) FROM public.event_logs
            WHERE partition IS NOT NULL GROUP BY 1 ORDER BY 1"""
        ).fetchall()
    assert written == [
        ("ASSET_MATERIALIZATION", 2 * len(LOADED), 2),
        ("ASSET_MATERIALIZATION_PLANNED", 2 * len(SELECTED), 1),
    ]
