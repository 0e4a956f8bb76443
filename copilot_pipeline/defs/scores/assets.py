"""semarize_runs, semarize_scores and evidence: one paid run per call, kit and transcript."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import chain

import dagster as dg
from pydantic import Field

from copilot_pipeline.defs.partitions import PartitionReporter, days_of, fail_if, spec
from copilot_pipeline.load.tables import SCORE_TABLES, TRANSCRIPTS
from copilot_pipeline.runtime import Runtime
from copilot_pipeline.state.rescores import RescoreRequest


class ScoringConfig(dg.Config):
    """What a person may ask of a run in the Launchpad; nothing of it is needed."""

    rescore: bool = Field(default=False, description="Score transcripts again that have a score.")
    pay: bool = Field(default=False, description="Do it. Without, the run says what it would cost, and stops.")
    only_failed: bool = Field(default=False, description="Only what failed, was refused, or has not ended for a day.")
    kits: list[str] = Field(default_factory=list, description="Only these kits, by our names. Default: all.")


@dg.multi_asset(
    specs=[
        spec(table, group="scores", kinds=["parquet", "postgres"], deps=[TRANSCRIPTS.name]) for table in SCORE_TABLES
    ],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.multi_run(7),
    pool="semarize",
)
def semarize(
    context: dg.AssetExecutionContext, config: ScoringConfig, runtime: dg.ResourceParam[Runtime]
) -> Iterator[dg.MaterializeResult[None]]:
    """Scores what has no score yet, then makes the tables of each day."""
    days = days_of(context)
    chosen = {key.to_user_string() for key in context.selected_asset_keys}
    if runtime.kits:
        with _ordered(context, config, runtime, days):
            _score(context, runtime, days, chosen)
    else:
        runtime.progress.note("no kits in pipeline.yaml: nothing is scored")
    for table in SCORE_TABLES:
        if table.name in chosen:
            yield dg.MaterializeResult(asset_key=table.name)


@contextmanager
def _ordered(
    context: dg.AssetExecutionContext, config: ScoringConfig, runtime: Runtime, days: list[date]
) -> Iterator[None]:
    """Within it, what is to be scored again is. One order for a run and its retries: none pays for another's."""
    if not config.rescore:
        yield
        return
    rescoring = runtime.rescoring()
    wanted = RescoreRequest(days[0], days[-1], rescoring.chosen(config.kits), config.only_failed)
    name = f"dagster {context.run.root_run_id or context.run_id}"
    cost = rescoring.cost(wanted, name)
    if not config.pay:
        raise dg.Failure(
            f"Not begun: {cost.in_words()}. Launch it with `pay: true` to do it.",
            metadata={"runs_paid_for": cost.runs},
            allow_retries=False,
        )
    context.log.info(cost.in_words())
    order = rescoring.begin(wanted, name)
    yield
    rescoring.finish(order)


def _score(context: dg.AssetExecutionContext, runtime: Runtime, days: list[date], chosen: set[str]) -> None:
    problems: dict[date, list[str]] = {}
    tables = runtime.score_tables()
    with PartitionReporter(context, days) as landed:
        for done in tables.build(chain(_scored(runtime, days, problems), _left_over(runtime, days))):
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
        # Of days with problems too: a call whose answer is still to come does not keep its neighbours' back.
        runtime.outgoing.enqueue_deliveries(days)
        fail_if(problems, runtime, "semarize_scores")


def _left_over(runtime: Runtime, days: list[date]) -> list[date]:
    """Other days whose call tables are newer than their scores: a call moved away from them, and its scores go too."""
    return [day for day in runtime.calls.partitions.days_with_outdated_scores() if day not in days]


def _scored(runtime: Runtime, days: list[date], problems: dict[date, list[str]]) -> Iterator[date]:
    """Days whose runs are at their end, or given up on for now: those are among the problems."""
    with runtime.scoring() as scoring:
        for report in runtime.noticing_fatal(scoring.run(days)):
            if report.problems:
                problems[report.day] = report.problems
            yield report.day
