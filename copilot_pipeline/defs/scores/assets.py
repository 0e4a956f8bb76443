"""semarize_runs, semarize_scores and evidence: one paid run per call, kit and transcript."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from itertools import chain

import dagster as dg
from pydantic import Field

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.data_versions import RebuildConfig, data_version_of
from copilot_pipeline.defs.measurements import log_day
from copilot_pipeline.defs.partitions import PROBLEMS, PartitionReporter, days_of, fail_if
from copilot_pipeline.defs.resources.services import DeliveriesResource, SemarizeResource
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.defs.runs import SEMARIZE_POOL
from copilot_pipeline.defs.specs import spec
from copilot_pipeline.load.inputs import SCORE_TABLE_CODE, code_version
from copilot_pipeline.load.tables import SCORE_TABLES, TRANSCRIPTS, Table
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import Progress
from copilot_pipeline.score.factory import RUNNER_RETRIES, make_rescore_service, make_score_tables, open_runner
from copilot_pipeline.score.rescore import RescoreService
from copilot_pipeline.score.runs import SemarizeRunner
from copilot_pipeline.score.score_tables import ScoreTables
from copilot_pipeline.state import CallStore
from copilot_pipeline.state.rescores import RescoreRequest


class ScoringConfig(RebuildConfig):
    """Options of a run in the Launchpad; all have defaults."""

    rescore: bool = Field(default=False, description="Score transcripts again that already have a score.")
    pay: bool = Field(default=False, description="Confirm the cost. Without it, the run states the cost and stops.")
    only_failed: bool = Field(
        default=False, description="Only runs that failed, were refused, or have been open for more than a day."
    )
    other_redaction: bool = Field(
        default=False, description="Only calls that were scored with another redaction than that of pipeline.yaml."
    )
    kits: list[str] = Field(default_factory=list, description="Only these kits, by name. Default: all.")


@dg.multi_asset(
    specs=[
        spec(
            table,
            group="scores",
            kinds=["parquet", "postgres"],
            deps=[TRANSCRIPTS.name],
            code_version=code_version(SCORE_TABLE_CODE),
        )
        for table in SCORE_TABLES
    ],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.multi_run(7),
    pool=SEMARIZE_POOL,
)
@retried_when_disconnected
def score_tables(
    context: dg.AssetExecutionContext,
    config: ScoringConfig,
    settings: SettingsResource,
    postgres: PostgresResource,
    lake: LakeResource,
    semarize: SemarizeResource,
    deliveries: DeliveriesResource,
    progress: dg.ResourceParam[Progress],
) -> Iterator[dg.MaterializeResult[None]]:
    """Score transcripts that have no score, rebuild the score tables of each day, enqueue deliveries."""
    days = days_of(context)
    selected = [table for table in SCORE_TABLES if dg.AssetKey(table.name) in context.selected_asset_keys]
    loaded, database = settings.load(), postgres.database
    if config.rescore and not config.pay:
        _state_price(context, config, loaded, database, days, selected)
        return
    files = lake.open(database)
    mistakes: list[str] = []
    versions: dict[date, str | None] = {}
    if loaded.pipeline.kits:
        problems: dict[date, list[str]] = {}
        tables = make_score_tables(loaded, database, files, force=config.force)
        with _rescoring(context, config, loaded, database, days), PartitionReporter(context, days) as reporter:
            with (
                semarize.client(RUNNER_RETRIES) as client,
                open_runner(loaded, client, database, files, progress) as runner,
            ):
                # The transcripts of days that have every score are not even read.
                settled = tables.settled_days(days)
                unsettled = [day for day in days if day not in settled]
                scored = _scored_days(runner, unsettled, problems, partial(log_day, context, progress))
                to_load = chain(sorted(settled, reverse=True), scored, _other_days(loaded, database, days))
                versions = _load(tables, to_load, selected, problems, reporter)
            for warning in tables.refresh_views():
                context.log.warning(warning)
                progress.note(f"warning: {warning}")
            # Also for days with problems: a call whose score is still pending does not delay the others.
            mistakes = deliveries.service(progress).enqueue(days)
            fail_if(problems, "semarize_scores", also=mistakes)
    else:
        progress.note(loaded.without_kits or "")
    for table in selected:
        yield dg.MaterializeResult(
            asset_key=table.name,
            metadata={PROBLEMS: dg.MetadataValue.json(mistakes)} if mistakes else None,
            data_version=data_version_of([versions.get(day) for day in days]),
        )


@contextmanager
def _rescoring(
    context: dg.AssetExecutionContext, config: ScoringConfig, settings: Settings, database: Database, days: list[date]
) -> Iterator[None]:
    """Score again what the run's configuration requests. A retry continues the request and does not pay twice."""
    if not config.rescore:
        yield
        return
    service = make_rescore_service(settings, database)
    request = _rescore_request(service, config, days)
    name = _rescore_name(context)
    context.log.info(service.cost(request, name).describe())
    started = service.start(request, name)
    yield
    service.finish(started)


def _state_price(
    context: dg.AssetExecutionContext,
    config: ScoringConfig,
    settings: Settings,
    database: Database,
    days: list[date],
    selected: Sequence[Table],
) -> None:
    """State what a rescore would cost, in the metadata of an observation of each table. Nothing is materialized."""
    service = make_rescore_service(settings, database)
    cost = service.cost(_rescore_request(service, config, days), _rescore_name(context))
    text = f"Not started: {cost.describe()}. Set `pay: true` to confirm."
    context.log.info(text)
    for table in selected:
        facts: dict[str, int | str] = {"paid_runs": cost.runs, "price": text}
        context.log_event(dg.AssetObservation(table.name, description=text, metadata=facts))


def _rescore_request(service: RescoreService, config: ScoringConfig, days: list[date]) -> RescoreRequest:
    redaction = service.redaction if config.other_redaction else None
    return RescoreRequest(days[0], days[-1], service.select_kits(config.kits), config.only_failed, redaction)


def _rescore_name(context: dg.AssetExecutionContext) -> str:
    return f"dagster {context.run.root_run_id or context.run_id}"


def _scored_days(
    runner: SemarizeRunner, days: list[date], problems: dict[date, list[str]], log: Callable[[str], None]
) -> Iterator[date]:
    """Days whose runs have ended or are given up for now; the latter are added to `problems`."""
    for report in runner.run(days):
        for line in report.describe():
            log(line)
        if report.problems:
            problems[report.day] = report.problems
        yield report.day


def _other_days(settings: Settings, database: Database, days: list[date]) -> list[date]:
    """Other days whose call tables are newer than their scores, because a call moved to another day."""
    outdated = CallStore(database, settings.zone).partitions.days_with_outdated_scores()
    return [day for day in outdated if day not in days]


def _load(
    tables: ScoreTables,
    days: Iterator[date],
    selected: Sequence[Table],
    problems: dict[date, list[str]],
    reporter: PartitionReporter,
) -> dict[date, str | None]:
    """Rebuild the score tables of the days; report those without problems. Return what identifies their inputs."""
    versions: dict[date, str | None] = {}
    for loaded in tables.build(days, problems):
        if loaded.problem is not None:
            problems.setdefault(loaded.day, []).append(loaded.problem)
        if loaded.day in problems:
            continue
        counts = {
            "calls_without_score": loaded.unscored,
            "truncated_values": loaded.truncated,
            "refused_rows": loaded.refused,
            "scored_with_other_redaction": loaded.other_redaction,
            "up_to_date": loaded.is_current,
        }
        facts = [(table, {"dagster/partition_row_count": loaded.rows[table.name], **counts}) for table in selected]
        reporter.add(loaded.day, facts)
        versions[loaded.day] = loaded.version
    return versions
