"""semarize_runs and semarize_scores: one paid run per call, kit and transcript."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from copilot_pipeline.assets.partitions import days_of, fail_if, land, spec
from copilot_pipeline.runtime import Runtime
from copilot_pipeline.steps.scoring import ScoredDay
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
    problems: dict[date, list[str]] = {}
    tables = runtime.score_tables()

    def scored() -> Iterator[date]:
        for report in _scored(runtime, days):
            if report.problems:
                problems[report.day] = report.problems
            yield report.day

    for done in tables.tabulate(scored()):
        if done.problem is not None:
            problems.setdefault(done.day, []).append(done.problem)
        if done.day in problems:
            continue
        facts = [
            (table, {"dagster/partition_row_count": done.rows[table.name], "calls_without_score": done.unscored})
            for table in SCORE_TABLES
            if table.name in chosen
        ]
        land(context, done.day, facts, days)
    tables.refresh_views()
    fail_if(problems, runtime, "semarize_scores")
    for table in SCORE_TABLES:
        if table.name in chosen:
            yield dg.MaterializeResult(asset_key=table.name)


def _scored(runtime: Runtime, days: list[date]) -> Iterator[ScoredDay]:
    if not runtime.kits:
        runtime.progress.note("no kits in pipeline.yaml: nothing is scored")
        yield from (ScoredDay(day) for day in days)
        return
    with runtime.scoring() as scoring:
        yield from runtime.noticing_fatal(scoring.run(days))
