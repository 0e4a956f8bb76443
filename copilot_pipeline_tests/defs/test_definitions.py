"""The definitions as the UI shows them: assets, partitions, pools, checks, jobs and schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from pathlib import Path

import dagster as dg
import pytest
import yaml

from copilot_pipeline.cli.process_days import KNOWN_ASSETS
from copilot_pipeline.config.pipeline_file import PollingSettings
from copilot_pipeline.definitions import defs
from copilot_pipeline.defs.checks import CHECKS
from copilot_pipeline.defs.days import definitions_of_days
from copilot_pipeline.load.tables import MART_TABLES, RAW_CALL_DETAILS, WAREHOUSE_TABLES, Table

TABLES = {table.name: table for table in (*WAREHOUSE_TABLES, RAW_CALL_DETAILS)}
SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
ASSETS = sorted(SPECS)
CHECK_KEYS = {spec.key for check in CHECKS for spec in check.check_specs}
EVERY_DAY = {table.name for table in TABLES.values() if table.partitioned}


def definition_of(name: str) -> dg.AssetsDefinition:
    """The definition of an asset."""
    result: dg.AssetsDefinition = defs.resolve_assets_def(dg.AssetKey(name))
    return result


def test_the_definitions_can_be_loaded() -> None:
    """Dagster's own validation passes."""
    dg.Definitions.validate_loadable(defs)


def test_every_table_is_an_asset() -> None:
    """Each table of the warehouse, and the raw layer, is an asset under its own name."""
    assert set(TABLES) <= set(ASSETS)


def test_the_definitions_of_a_command_have_all_that_its_days_need() -> None:
    """`run` builds a part of the definitions: each asset with its inputs, the same checks and the same resources."""
    of_days = definitions_of_days()
    specs = {spec.key.to_user_string(): spec for spec in of_days.resolve_all_asset_specs()}
    assert set(specs) == set(KNOWN_ASSETS)
    for name, spec in specs.items():
        assert [dep.asset_key for dep in spec.deps] == [dep.asset_key for dep in SPECS[name].deps]
        assert {dep.asset_key.to_user_string() for dep in spec.deps} <= set(KNOWN_ASSETS)
    checks = {check.key for one in of_days.asset_checks or [] for check in one.check_specs}
    assert checks == {key for key in CHECK_KEYS if key.asset_key.to_user_string() in KNOWN_ASSETS}
    assert set(of_days.resources or {}) == set(defs.resources or {})


@pytest.mark.parametrize("name", ASSETS)
def test_each_asset_is_described(name: str) -> None:
    """Each asset has a description that ends as a sentence, a group, owners and kinds."""
    spec = SPECS[name]
    assert spec.description
    assert spec.description.rstrip().endswith(".")
    assert spec.group_name not in (None, "default")
    assert spec.owners
    assert spec.kinds


def test_the_graph_of_groups_has_no_cycle() -> None:
    """Groups have an order, and the marts are last."""
    groups = TopologicalSorter(
        {
            group: {SPECS[dep.asset_key.to_user_string()].group_name for name in members for dep in SPECS[name].deps}
            - {group}
            for group, members in _groups().items()
        }
    )
    assert list(groups.static_order())[-1] == "marts"


def _groups() -> dict[str | None, list[str]]:
    groups: dict[str | None, list[str]] = {}
    for name, spec in SPECS.items():
        groups.setdefault(spec.group_name, []).append(name)
    return groups


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_an_asset_shows_its_columns(table: Table) -> None:
    """The column schema in the UI is the column list: names, types, sentences, what is never null."""
    schema = SPECS[table.name].metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [(column.name, column.type, column.description) for column in schema.columns] == [
        (column.name, column.kind.postgres, column.description) for column in table.columns
    ]
    for shown, column in zip(schema.columns, table.columns, strict=True):
        assert shown.constraints.nullable is not column.required
    if table.in_warehouse:
        assert SPECS[table.name].metadata["dagster/table_name"] == f"copilot.{table.name}"


@pytest.mark.parametrize("name", ASSETS)
def test_days_are_partitions(name: str) -> None:
    """Daily tables are partitioned by the day in the time zone, today included; snapshots are not partitioned."""
    partitions = SPECS[name].partitions_def
    if name not in EVERY_DAY:
        assert partitions is None
        return
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    assert partitions.get_last_partition_key() == datetime.now(UTC).date().isoformat()


def pools_of(name: str) -> set[str]:
    """The pools of an asset."""
    return set(definition_of(name).op.pools)


def test_assets_are_in_the_pool_of_their_api() -> None:
    """Assets that send requests to Clari Copilot share one pool, scoring has its own, and the others have none."""
    pools = {name: pools_of(name) for name in ASSETS}
    requesting = {"raw_call_details", "users", "user_history", "topics", "scorecards", "raw_deals", "raw_accounts"}
    assert {name for name, names in pools.items() if names == {"clari_copilot"}} == requesting
    assert {name for name, names in pools.items() if names == {"semarize"}} == {"semarize_runs"}
    without = ("calls", "participants", "transcripts", "utterances", "semarize_scores", "evidence", "deals", "claims")
    assert all(pools[name] == set() for name in without)


def test_the_poll_and_the_incremental_run_have_their_own_pools() -> None:
    """Neither has to wait for a backfill, which occupies the pool of its assets for a long time."""
    pools = {name: set(defs.resolve_job_def(name).nodes[0].definition.pools) for name in ("poll", "incremental_run")}
    assert pools == {"poll": {"poll"}, "incremental_run": {"incremental_run"}}


def test_every_pool_is_limited() -> None:
    """dagster.yaml gives each other pool a limit of one run: a new asset cannot exceed the limit of the API."""
    config = yaml.safe_load((Path(__file__).parents[2] / "dagster.yaml").read_text())
    assert config["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}


def test_the_graph_leads_from_the_raw_layer_to_the_scores() -> None:
    """Tables depend on the raw layer, scores on transcripts, deals on calls."""
    upstream = {name: {dep.asset_key.to_user_string() for dep in SPECS[name].deps} for name in ASSETS}
    for name in ("calls", "participants", "transcripts", "utterances"):
        assert upstream[name] == {"raw_call_details", "users"}
    assert upstream["semarize_runs"] == {"transcripts"}
    assert upstream["semarize_scores"] == upstream["evidence"] == {"semarize_runs", "transcripts"}
    assert upstream["deals"] == {"calls", "raw_deals"}
    assert upstream["accounts"] == {"calls", "raw_accounts"}
    assert all(upstream[name] <= set(ASSETS) for name in ASSETS)


@pytest.mark.parametrize("name", sorted(EVERY_DAY))
def test_a_backfill_has_several_days_per_run(name: str) -> None:
    """A year is not 365 runs, and the daily run can start between two runs that cost requests."""
    policy = definition_of(name).backfill_policy
    assert policy is not None
    assert policy.max_partitions_per_run != 1


def test_rebuilding_tables_fans_out_over_runs_and_leaves_places_free() -> None:
    """The runs of call tables and score tables need no pool, and are not those of the steps before, which hold one.
    A backfill cannot take all places of the queue: an incremental run and a poll start beside it."""
    for tables, paid in (("transcripts", "raw_call_details"), ("semarize_scores", "semarize_runs")):
        rebuilt, requesting = definition_of(tables), definition_of(paid)
        assert rebuilt.backfill_policy is not None
        assert rebuilt.backfill_policy.max_partitions_per_run is not None
        assert rebuilt.backfill_policy != requesting.backfill_policy
        assert rebuilt.op.pool is None
        assert requesting.op.pool is not None
    for file in ("dagster.yaml", "deploy/image/dagster.yaml", "deploy/kubernetes/base/dagster.yaml"):
        runs = yaml.safe_load((Path(__file__).parents[2] / file).read_text())["concurrency"]["runs"]
        (backfills,) = runs["tag_concurrency_limits"]
        assert backfills["key"] == "dagster/backfill"
        assert backfills["limit"] <= runs["max_concurrent_runs"] - 2


def test_each_check_is_described_and_belongs_to_an_asset() -> None:
    """Every check has a description that is a sentence, and its asset exists."""
    specs = [spec for check in defs.asset_checks or [] for spec in check.check_specs]
    assert len(specs) >= 5
    for spec in specs:
        assert spec.asset_key.to_user_string() in ASSETS
        assert spec.description
        assert spec.description.endswith(".")
    assert len({spec.name for spec in specs}) == len(specs)


def test_schedules_are_on_by_default() -> None:
    """Each schedule is on from the start, names its zone, and starts a job that exists."""
    schedules = list(defs.schedules or [])
    assert schedules
    for schedule in schedules:
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        assert schedule.execution_timezone == "UTC"
        assert defs.resolve_job_def(schedule.job_name)


def test_the_daily_schedule_requests_the_last_days() -> None:
    """Each morning the last closed days are requested, newest first, each at most once per morning."""
    schedule = next(one for one in defs.schedules or [] if one.name == "daily_call_partitions")
    assert isinstance(schedule, dg.ScheduleDefinition)
    morning = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
    yesterday = morning.date() - timedelta(days=1)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=morning, repository_def=defs.get_repository_def()
        )
        requests = schedule.evaluate_tick(context).run_requests
    days = [request.partition_key for request in requests or []]
    assert days == [(yesterday - timedelta(days=back)).isoformat() for back in range(PollingSettings().recheck_days)]
    assert len({request.run_key for request in requests or []}) == len(days)


def test_the_daily_job_has_all_partitioned_assets() -> None:
    """The job of the schedule materializes every partitioned table."""
    job = defs.resolve_job_def("call_partitions")
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == EVERY_DAY


def test_a_deal_that_cannot_be_read_does_not_block_the_marts() -> None:
    """The table of deals is built with the marts, from whatever could be read."""

    def selected_by(job: str) -> set[str]:
        selected = defs.resolve_job_def(job).asset_layer.selected_asset_keys
        return {key.to_user_string() for key in selected}

    assert "raw_deals" in selected_by("reference_data")
    assert "deals" not in selected_by("reference_data")
    assert selected_by("marts") == {"accounts", "deals", "deal_history", *(table.name for table in MART_TABLES)}
