"""semarize_runs and semarize_scores: one paid run per call, kit and transcript."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from copilot_pipeline.assets.partitions import LandedDays, days_of, fail_if, spec
from copilot_pipeline.runtime import Runtime
from copilot_pipeline.tables import SCORE_TABLES, TRANSCRIPTS


@dg.multi_asset(
    specs=[
        spec(table, group="scores", kinds=["parquet", "postgres"], deps=[TRANSCRIPTS.name]) for table in SCORE_TABLES
    ],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.multi_run(7),
    pool="semarize",
)
def semarize(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]
) -> Iterator[dg.MaterializeResult[None]]:
    """Scores what has no score yet, then makes both tables of each day."""
    days = days_of(context)
    chosen = {key.to_user_string() for key in context.selected_asset_keys}
    if runtime.kits:
        _score(context, runtime, days, chosen)
    else:
        runtime.progress.note("no kits in pipeline.yaml: nothing is scored")
    for table in SCORE_TABLES:
        if table.name in chosen:
            yield dg.MaterializeResult(asset_key=table.name)


def _score(context: dg.AssetExecutionContext, runtime: Runtime, days: list[date], chosen: set[str]) -> None:
    problems: dict[date, list[str]] = {}
    tables = runtime.score_tables()
    with LandedDays(context, days) as landed:
        for done in tables.tabulate(_scored(runtime, days, problems)):
            if done.problem is not None:
                problems.setdefault(done.day, []).append(done.problem)
            if done.day in problems:
                continue
            facts = [
                (table, {"dagster/partition_row_count": done.rows[table.name], "calls_without_score": done.unscored})
                for table in SCORE_TABLES
                if table.name in chosen
            ]
            landed.add(done.day, facts)
        tables.refresh_views()
        runtime.enqueue_deliveries([day for day in days if day not in problems])
        fail_if(problems, runtime, "semarize_scores")


def _scored(runtime: Runtime, days: list[date], problems: dict[date, list[str]]) -> Iterator[date]:
    """Days whose runs are at their end, or given up on for now: those are among the problems."""
    with runtime.scoring() as scoring:
        for report in runtime.noticing_fatal(scoring.run(days)):
            if report.problems:
                problems[report.day] = report.problems
            yield report.day
