"""Marts, rebuilt from the scores after their inputs changed, and the weekly report."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.automation.conditions import HOURLY_AFTER_INPUTS, weekly_after
from copilot_pipeline.defs.markdown import bullet_list, image
from copilot_pipeline.defs.resources.services import DeliveriesResource
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.defs.specs import OWNERS, spec
from copilot_pipeline.load.privacy import private_columns
from copilot_pipeline.load.tables import (
    CALLS,
    CLAIM_ACCURACY,
    CLAIMS,
    COACHING_REGRESSIONS,
    COACHING_SCORES,
    CONVERSATION_OUTCOMES,
    DEAL_FORECAST,
    DEAL_HISTORY,
    DEAL_INSPECTION,
    DEAL_SIGNALS,
    DEALS,
    EVIDENCE,
    FORECAST_TABLES,
    MART_TABLES,
    MEDDICC_COVERAGE,
    MEDDICC_OUTCOMES,
    MEDDICC_SUMMARY,
    MESSAGE_ADOPTION,
    PARTICIPANTS,
    PIPELINE_TABLES,
    REP_CALLS,
    SEMARIZE_SCORES,
    USERS,
    UTTERANCES,
    WIN_LOSS_CONCLUSION,
    WIN_LOSS_DRIVERS,
    Table,
)

if TYPE_CHECKING:
    from copilot_pipeline.delivery.service import DeliveryService
    from copilot_pipeline.marts.build import MartBuilder

WEEKLY_REPORT = "weekly_report"
_SCORES = (SEMARIZE_SCORES.name, EVIDENCE.name)

Facts = dict[str, Any]
Built = tuple[dict[str, int], dict[str, Facts]]  # rows by table, and further metadata by table


def _mart_assets(
    name: str,
    tables: Sequence[Table],
    deps: Sequence[str],
    build: "Callable[[MartBuilder, DeliveryService], Built]",
) -> dg.AssetsDefinition:
    specs = [
        spec(
            table,
            group="marts",
            kinds=["parquet", "postgres"],
            deps=deps,
            partitioned=False,
            condition=HOURLY_AFTER_INPUTS,
        )
        for table in tables
    ]

    @dg.multi_asset(name=name, specs=specs)
    @retried_when_disconnected
    def mart(
        settings: SettingsResource, postgres: PostgresResource, lake: LakeResource, deliveries: DeliveriesResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        # scipy and matplotlib: their import takes longer than loading a day.
        from copilot_pipeline.marts.build import MartBuilder
        from copilot_pipeline.report import ReportQueries, preview

        loaded = settings.load()
        files = lake.open(postgres.database).hiding(private_columns(loaded))
        builder = MartBuilder(files, postgres.database, loaded.pipeline.marts, zone=loaded.zone)
        rows, facts = build(builder, deliveries.service())
        queries = ReportQueries(postgres.database, loaded.pipeline.marts.report, loaded.pipeline.marts.deals.risks)
        for table in tables:
            metadata: Facts = {"dagster/row_count": rows[table.name], **facts.get(table.name, {})}
            chart = preview(queries, table.name, _today(loaded))
            if chart is not None:
                metadata["chart"] = image(chart)
            yield dg.MaterializeResult(asset_key=table.name, metadata=metadata)

    return mart


def _coaching(builder: "MartBuilder", deliveries: "DeliveryService") -> Built:
    rows, regressions = builder.build_coaching()
    digests = deliveries.enqueue_regression_digests(regressions)
    ongoing = sum(not regression.is_over for regression in regressions)
    return rows, {COACHING_REGRESSIONS.name: {"ongoing_regressions": ongoing, "digests_enqueued": digests}}


def _forecast(builder: "MartBuilder", _: "DeliveryService") -> Built:
    rows, note = builder.build_forecast()
    return rows, {DEAL_FORECAST.name: {"basis": note}}


def _win_loss(builder: "MartBuilder", _: "DeliveryService") -> Built:
    rows, conclusion = builder.build_win_loss()
    return rows, {WIN_LOSS_CONCLUSION.name: {"conclusion": conclusion.conclusion}}


meddicc = _mart_assets(
    "meddicc",
    (MEDDICC_COVERAGE, MEDDICC_SUMMARY, MEDDICC_OUTCOMES),
    (*_SCORES, DEALS.name, USERS.name),
    lambda builder, _: (builder.build_meddicc(), {}),
)
coaching = _mart_assets("coaching", (COACHING_SCORES, COACHING_REGRESSIONS), (*_SCORES, USERS.name), _coaching)
claim_verification = _mart_assets(
    "claim_verification",
    (CLAIMS, CLAIM_ACCURACY, MESSAGE_ADOPTION),
    (*_SCORES, UTTERANCES.name),
    lambda builder, _: (builder.build_claims(), {}),
)
rep_calls = _mart_assets(
    "reps_on_calls",
    (REP_CALLS,),
    (CALLS.name, PARTICIPANTS.name, USERS.name),
    lambda builder, _: (builder.build_rep_calls(), {}),
)
win_loss = _mart_assets("win_loss", (WIN_LOSS_DRIVERS, WIN_LOSS_CONCLUSION), (*_SCORES, DEALS.name), _win_loss)
open_deals = _mart_assets(
    "open_deals",
    (DEAL_SIGNALS, DEAL_INSPECTION),
    (*_SCORES, DEALS.name, MEDDICC_SUMMARY.name),
    lambda builder, _: (builder.build_open_deals(), {}),
)
conversation_outcomes = _mart_assets(
    "conversations_against_outcomes",
    (CONVERSATION_OUTCOMES,),
    (REP_CALLS.name, CALLS.name, DEALS.name),
    lambda builder, _: (builder.build_conversation_outcomes(), {}),
)
pipeline_changes = _mart_assets(
    "pipeline",
    PIPELINE_TABLES,
    (DEAL_HISTORY.name, CALLS.name, EVIDENCE.name),
    lambda builder, _: (builder.build_pipeline(), {}),
)

forecast = _mart_assets(
    "forecast",
    FORECAST_TABLES,
    (SEMARIZE_SCORES.name, DEALS.name, DEAL_HISTORY.name, USERS.name, MEDDICC_COVERAGE.name),
    _forecast,
)


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
    from copilot_pipeline.report import ReportQueries, headlines, render
    from copilot_pipeline.report.team_messages import team_message, team_reports

    loaded = settings.load()
    marts, link_hosts = loaded.pipeline.marts, loaded.pipeline.advanced.clari.link_hosts
    queries = ReportQueries(postgres.database, marts.report, marts.deals.risks)
    report = queries.report(_today(loaded))
    files = lake.open(postgres.database)
    page = render(report, link_hosts).encode()
    file = f"reports/week-of-{report.week.isoformat()}.html"
    path = files.replace_file(file, page)
    teams = {}
    for address, name, of_team in team_reports(report, queries) if marts.report.send.managers else ():
        files.replace_file(name, render(of_team, link_hosts).encode())
        teams[address] = TeamMessage(team_message(of_team), name)
    message = WeeklyMessage(report.week, report.title, file, headlines(report), teams)
    return dg.MaterializeResult(
        metadata={
            "file": dg.MetadataValue.path(path),
            "week": report.week.isoformat(),
            "what_changed": bullet_list(headlines(report)),
            "bytes": len(page),
            "team_reports": len(teams),
            "messages_enqueued": deliveries.service().enqueue_report(message) if report.is_complete else 0,
        }
    )


def _today(settings: Settings) -> date:
    return datetime.now(UTC).astimezone(settings.zone).date()
