"""semarize_runs, which is paid for: one run per call, kit and transcript; and what is rebuilt from its results."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from itertools import chain

import dagster as dg

from copilot_pipeline.defs.data_versions import RebuildConfig
from copilot_pipeline.defs.measurements import log_day
from copilot_pipeline.defs.partitions import PartitionReporter, days_of
from copilot_pipeline.defs.resources.services import DeliveriesResource, SemarizeResource
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.defs.retries import retried_when_disconnected
from copilot_pipeline.defs.runs import DAYS_PER_RUN, REBUILT_DAYS_PER_RUN, SEMARIZE_POOL
from copilot_pipeline.defs.scores.loading import REBUILT_TABLES, DayLoads, other_days
from copilot_pipeline.defs.scores.rescoring import ScoringConfig, rescoring, state_price
from copilot_pipeline.defs.specs import spec
from copilot_pipeline.load.inputs import SCORE_TABLE_CODE, code_version
from copilot_pipeline.load.tables import SEMARIZE_RUNS, TRANSCRIPTS
from copilot_pipeline.progress import Progress
from copilot_pipeline.score.factory import RUNNER_RETRIES, make_score_tables, open_runner
from copilot_pipeline.score.runs import SemarizeRunner
from copilot_pipeline.score.score_tables import ScoreTables


@dg.multi_asset(
    name=SEMARIZE_RUNS.name,
    specs=[
        spec(
            SEMARIZE_RUNS,
            group="scores",
            kinds=["parquet", "postgres"],
            deps=[TRANSCRIPTS.name],
            code_version=code_version(SCORE_TABLE_CODE),
            skippable=True,  # a run that states a price materializes nothing
            cost="Runs that are missing are requested, and paid for.",
        )
    ],
    backfill_policy=dg.BackfillPolicy.multi_run(DAYS_PER_RUN),
    pool=SEMARIZE_POOL,
)
@retried_when_disconnected
def semarize_runs(
    context: dg.AssetExecutionContext,
    config: ScoringConfig,
    settings: SettingsResource,
    postgres: PostgresResource,
    lake: LakeResource,
    semarize: SemarizeResource,
    deliveries: DeliveriesResource,
    progress: dg.ResourceParam[Progress],
) -> Iterator[dg.MaterializeResult[None]]:
    """Score transcripts that have no score, load the score tables of each day, enqueue deliveries."""
    days, loaded, database = days_of(context), settings.load(), postgres.database
    if config.states_price:
        state_price(context, config, loaded, database, days)
        return
    loads = DayLoads()
    if loaded.pipeline.kits:
        files = lake.open(database)
        tables = make_score_tables(loaded, database, files, force=config.force)
        with rescoring(context, config, loaded, database, days), PartitionReporter(context, days) as reporter:
            with (
                semarize.client(RUNNER_RETRIES) as client,
                open_runner(loaded, client, database, files, progress) as runner,
            ):
                # The transcripts of days that have every score are not even read.
                settled = tables.settled_days(days)
                unsettled = [day for day in days if day not in settled]
                scored = _scored_days(runner, unsettled, loads.problems, partial(log_day, context, progress))
                to_load = chain(sorted(settled, reverse=True), scored, other_days(loaded, database, days))
                loads.load(tables, to_load, reporter, [SEMARIZE_RUNS], left_to_others=REBUILT_TABLES)
            _refresh_views(context, tables, progress)
            # Also for days with problems: a call whose score is pending does not delay the others.
            loads.mistakes = deliveries.service(progress).enqueue(days)
            loads.fail_if_incomplete()
    else:
        progress.note(loaded.without_kits or "")
    yield from loads.results(days, [SEMARIZE_RUNS])


@dg.multi_asset(
    specs=[
        spec(
            table,
            group="scores",
            kinds=["parquet", "postgres"],
            deps=[SEMARIZE_RUNS.name, TRANSCRIPTS.name],
            code_version=code_version(SCORE_TABLE_CODE),
            cost="Rebuilt from stored results, without a request.",
        )
        for table in REBUILT_TABLES
    ],
    can_subset=True,  # either of them may be selected in the UI; all score tables are written, in one transaction
    backfill_policy=dg.BackfillPolicy.multi_run(REBUILT_DAYS_PER_RUN),
)
@retried_when_disconnected
def score_tables(
    context: dg.AssetExecutionContext,
    config: RebuildConfig,
    settings: SettingsResource,
    postgres: PostgresResource,
    lake: LakeResource,
    deliveries: DeliveriesResource,
    progress: dg.ResourceParam[Progress],
) -> Iterator[dg.MaterializeResult[None]]:
    """Rebuild the score tables from stored results, without a request, and enqueue deliveries.

    A day is rebuilt only if what it is made from has changed.
    """
    days, loaded, database = days_of(context), settings.load(), postgres.database
    selected = [table for table in REBUILT_TABLES if dg.AssetKey(table.name) in context.selected_asset_keys]
    loads = DayLoads()
    if loaded.pipeline.kits:
        tables = make_score_tables(loaded, database, lake.open(database), force=config.force)
        with PartitionReporter(context, days) as reporter:
            to_load = chain(sorted(days, reverse=True), other_days(loaded, database, days))
            loads.load(tables, to_load, reporter, selected, left_to_others=())
            # The step that pays has done this for what it has loaded.
            if loads.has_rebuilt or not _are_scored(context):
                _refresh_views(context, tables, progress)
                loads.mistakes = deliveries.service(progress).enqueue(days, sends_requests=False)
            loads.fail_if_incomplete()
    yield from loads.results(days, selected)


def _are_scored(context: dg.AssetExecutionContext) -> bool:
    """Whether the run also selects the step that pays."""
    return dg.AssetKey(SEMARIZE_RUNS.name) in context.job_def.asset_layer.selected_asset_keys


def _refresh_views(context: dg.AssetExecutionContext, tables: ScoreTables, progress: Progress) -> None:
    for warning in tables.refresh_views():
        context.log.warning(warning)
        progress.note(f"warning: {warning}")


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
