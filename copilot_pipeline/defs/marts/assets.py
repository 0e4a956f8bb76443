"""Marts, rebuilt from the scores after their inputs changed, and the weekly report."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import dagster as dg

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.automation.conditions import HOURLY_AFTER_INPUTS, weekly_after
from copilot_pipeline.defs.data_versions import RebuildConfig, data_version_of
from copilot_pipeline.defs.markdown import bullet_list, image
from copilot_pipeline.defs.marts import building
from copilot_pipeline.defs.marts.building import BuiltMart, Facts, Made, make_forecast, make_win_loss
from copilot_pipeline.defs.marts.second_process import WITH_MODELS, MartWork
from copilot_pipeline.defs.resources.second_process import SecondProcessResource
from copilot_pipeline.defs.resources.services import DeliveriesResource
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.defs.specs import OWNERS, spec
from copilot_pipeline.load.inputs import code_version
from copilot_pipeline.load.privacy import private_columns
from copilot_pipeline.load.tables import (
    CALLS,
    COACHING_REGRESSIONS,
    MART_TABLES,
    Table,
)
from copilot_pipeline.marts.versions import (
    CLAIM_VERIFICATION,
    COACHING,
    CONVERSATIONS,
    FORECAST,
    MART_CODE,
    MARTS,
    MEDDICC,
    OPEN_DEALS,
    PIPELINE,
    REPS_ON_CALLS,
    WIN_LOSS,
    Mart,
)

if TYPE_CHECKING:
    from copilot_pipeline.delivery.service import DeliveryService
    from copilot_pipeline.marts.build import MartBuilder

WEEKLY_REPORT = "weekly_report"

_BUILT_FIRST, _BUILT_LAST = "1", "-1"  # priorities of steps within the process of a run


def _mart_assets(mart: Mart, make: "Callable[[MartBuilder, DeliveryService], Made]") -> dg.AssetsDefinition:
    @dg.multi_asset(name=mart.name, specs=_specs(mart), op_tags={"dagster/priority": _priority(mart)})
    @retried_when_disconnected
    def build_mart(
        context: dg.AssetExecutionContext,
        config: RebuildConfig,
        settings: SettingsResource,
        postgres: PostgresResource,
        lake: LakeResource,
        deliveries: DeliveriesResource,
        second_process: SecondProcessResource,
    ) -> Iterator[dg.MaterializeResult[None]]:
        loaded, now = settings.load(), datetime.now(UTC)
        files = lake.open(postgres.database).hiding(private_columns(loaded))
        work = MartWork(loaded, postgres.database.url, files.url, now, config.force)
        beside = second_process.of_run(work, postgres.database, {op.name for op in context.job_def.nodes})
        built = beside.result_of(mart)
        if built is None:
            made = lambda builder: make(builder, deliveries.service())  # noqa: E731
            built = building.build_mart(mart, made, files, postgres.database, loaded, now=now, force=config.force)
        beside.start(built=mart)
        if built.was_current:
            metadata = _former_metadata(context, mart.tables)
        else:
            metadata = _with_charts(built.facts, mart.tables, postgres, loaded)
        yield from _results(mart, built, metadata)

    return build_mart


def _specs(mart: Mart) -> list[dg.AssetSpec]:
    return [
        spec(
            table,
            group="marts",
            kinds=["parquet", "postgres"],
            deps=[one.name for one in mart.inputs],
            partitioned=False,
            condition=HOURLY_AFTER_INPUTS,
            code_version=code_version(MART_CODE),
        )
        for table in mart.tables
    ]


def _priority(mart: Mart) -> str:
    """Marts that others read are built first; those of the second process are reported last, when they are built."""
    if mart.name in WITH_MODELS:
        return _BUILT_LAST
    is_read = any(table in other.inputs for other in MARTS for table in mart.tables)
    return _BUILT_FIRST if is_read else "0"


def _results(mart: Mart, built: BuiltMart, metadata: Mapping[str, Facts]) -> Iterator[dg.MaterializeResult[None]]:
    for table in mart.tables:
        yield dg.MaterializeResult(
            asset_key=table.name,
            metadata={
                **metadata.get(table.name, {}),
                "dagster/row_count": built.rows[table.name],
                "up_to_date": built.was_current,
            },
            data_version=data_version_of([built.version]),
        )


def _with_charts(
    facts: dict[str, Facts], tables: Sequence[Table], postgres: PostgresResource, settings: Settings
) -> dict[str, Facts]:
    from copilot_pipeline.report import ReportQueries, preview

    queries = ReportQueries.of_marts(postgres.database, settings.pipeline.marts)
    charts = {table.name: preview(queries, table.name, _today(settings)) for table in tables}
    shown = {name: {"chart": image(chart)} for name, chart in charts.items() if chart is not None}
    return {table.name: {**facts.get(table.name, {}), **shown.get(table.name, {})} for table in tables}


def _former_metadata(context: dg.AssetExecutionContext, tables: Sequence[Table]) -> dict[str, Facts]:
    """What was shown with the tables when they were built, with the chart: it is still true."""
    events = {
        table.name: context.instance.get_latest_materialization_event(dg.AssetKey(table.name)) for table in tables
    }
    return {
        name: dict(event.asset_materialization.metadata)
        for name, event in events.items()
        if event is not None and event.asset_materialization is not None
    }


def _coaching(builder: "MartBuilder", deliveries: "DeliveryService") -> Made:
    rows, regressions = builder.build_coaching()
    digests = deliveries.enqueue_regression_digests(regressions)
    ongoing = sum(not regression.is_over for regression in regressions)
    return rows, {COACHING_REGRESSIONS.name: {"ongoing_regressions": ongoing, "digests_enqueued": digests}}


meddicc = _mart_assets(MEDDICC, lambda builder, _: (builder.build_meddicc(), {}))
coaching = _mart_assets(COACHING, _coaching)
claim_verification = _mart_assets(CLAIM_VERIFICATION, lambda builder, _: (builder.build_claims(), {}))
rep_calls = _mart_assets(REPS_ON_CALLS, lambda builder, _: (builder.build_rep_calls(), {}))
win_loss = _mart_assets(WIN_LOSS, lambda builder, _: make_win_loss(builder))
open_deals = _mart_assets(OPEN_DEALS, lambda builder, _: (builder.build_open_deals(), {}))
conversation_outcomes = _mart_assets(CONVERSATIONS, lambda builder, _: (builder.build_conversation_outcomes(), {}))
pipeline_changes = _mart_assets(PIPELINE, lambda builder, _: (builder.build_pipeline(), {}))
forecast = _mart_assets(FORECAST, lambda builder, _: make_forecast(builder))


@dg.asset(
    name=WEEKLY_REPORT,
    deps=[CALLS.name, *(table.name for table in MART_TABLES)],
    group_name="marts",
    owners=OWNERS,
    kinds={"html"},
    description="The report on the last complete week: one HTML file that needs no network.",
    automation_condition=weekly_after(dg.AssetSelection.assets(*(table.name for table in MART_TABLES))),
)
@retried_when_disconnected
def weekly_report(
    settings: SettingsResource, postgres: PostgresResource, lake: LakeResource, deliveries: DeliveriesResource
) -> dg.MaterializeResult[None]:
    """One file per week, and one message per recipient and week. Building it again replaces that week's file."""
    from copilot_pipeline.delivery.report_delivery import TeamMessage, WeeklyMessage
    from copilot_pipeline.report import ReportQueries, forecast_lines, headlines, render
    from copilot_pipeline.report.team_messages import team_message, team_reports

    loaded = settings.load()
    marts, link_hosts = loaded.pipeline.marts, loaded.pipeline.advanced.clari.link_hosts
    queries = ReportQueries.of_marts(postgres.database, marts)
    report = queries.report(_today(loaded))
    files = lake.open(postgres.database)
    page = render(report, link_hosts).encode()
    file = f"reports/week-of-{report.week.isoformat()}.html"
    path = files.replace_file(file, page)
    teams = {}
    for address, name, of_team in team_reports(report, queries) if marts.report.send.has_team_reports else ():
        files.replace_file(name, render(of_team, link_hosts).encode())
        teams[address] = TeamMessage(team_message(of_team), name)
    lines = [*forecast_lines(report), *headlines(report)]
    message = WeeklyMessage(report.week, report.title, file, lines, teams)
    return dg.MaterializeResult(
        metadata={
            "file": dg.MetadataValue.path(path),
            "week": report.week.isoformat(),
            "what_changed": bullet_list(lines),
            "bytes": len(page),
            "team_reports": len(teams),
            "messages_enqueued": deliveries.service().enqueue_report(message) if report.is_complete else 0,
        }
    )


def _today(settings: Settings) -> date:
    return datetime.now(UTC).astimezone(settings.zone).date()
