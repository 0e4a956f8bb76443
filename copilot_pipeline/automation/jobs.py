"""What runs by itself beside the assets: polling for changes, and following what arrived."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from copilot_pipeline.assets.partitions import DAYS
from copilot_pipeline.runtime import Runtime
from copilot_pipeline.steps.hints import LOOK, WEBHOOK
from copilot_pipeline.steps.polling import DOOR as POLLING
from copilot_pipeline.tables import CALL_TABLES, RAW_CALL_DETAILS, SCORE_TABLES, Table

# Higher goes first: what somebody waits for, then the daily run, then any backfill.
ARRIVALS_PRIORITY = {"dagster/priority": "20"}
ARRIVAL_DOORS = (POLLING, WEBHOOK, LOOK)


@dg.op(pool="clari_copilot", description="Lists what changed since the last poll into the ledger. No details.")
def poll_changes(context: dg.OpExecutionContext, runtime: dg.ResourceParam[Runtime]) -> None:
    """The second door."""
    with runtime.clari(POLLING) as client:
        polled = runtime.polling(client).poll()
    context.log.info(
        f"{polled.calls} calls changed between {polled.after:%Y-%m-%d %H:%M} and {polled.before:%H:%M} UTC"
    )


@dg.job(description="What changed since the last poll.", tags=ARRIVALS_PRIORITY)
def poll() -> None:
    """One op."""
    poll_changes()


@dg.op(
    pool="clari_copilot",
    description="Follows webhooks and calls that ripen, fetches what polling found, and finishes the days they are of.",
)
def follow_arrivals(context: dg.OpExecutionContext, runtime: dg.ResourceParam[Runtime]) -> None:
    """One run for many days, newest first."""
    problems: list[str] = []
    with runtime.clari(WEBHOOK) as client:
        followed = runtime.hints(client).follow()
    problems += followed.problems
    known = _days_within_partitions(runtime.calls.days_in_work(ARRIVAL_DOORS))
    stored: list[date] = []
    with runtime.extraction(POLLING) as extraction:
        for report in extraction.run(known, are_listed=True):
            problems += report.problems
            stored.append(report.day)
            _log(context, [RAW_CALL_DETAILS], report.day)
    to_finish = _days_within_partitions({*stored, *runtime.calls.days_to_finish()})
    for day in _tabulated(runtime, to_finish, problems):
        _log(context, CALL_TABLES, day)
    for day in _scored(runtime, _days_within_partitions({*to_finish, *followed.run_days}), problems):
        _log(context, SCORE_TABLES, day)
    runtime.enqueue_deliveries(to_finish)
    if problems:
        raise dg.Failure("Some of it is left for the next run:\n" + "\n".join(problems[:20]), allow_retries=False)


@dg.job(description="Webhooks, ripened calls and polled changes, all the way to the scores.", tags=ARRIVALS_PRIORITY)
def arrivals() -> None:
    """One op."""
    follow_arrivals()


@dg.op(description="Sends what waits in the outbox, looks for failures, and tells people of them.")
def send_deliveries(context: dg.OpExecutionContext, runtime: dg.ResourceParam[Runtime]) -> None:
    """Each delivery goes out once; a sink that is down delays its own only."""
    sent = runtime.deliver()
    for name, problem in sent.problems.items():
        context.log.warning(f"{name}: {problem}")


@dg.job(description="Slack, CRM and webhooks: what the routes of pipeline.yaml ask for.", tags=ARRIVALS_PRIORITY)
def deliver() -> None:
    """One op."""
    send_deliveries()


def _tabulated(runtime: Runtime, days: list[date], problems: list[str]) -> Iterator[date]:
    tabulating = runtime.tabulating()
    for done in tabulating.tabulate(tabulating.days_to_tabulate(days)):
        if done.problem is None:
            yield done.day
        else:
            problems.append(f"{done.day}: {done.problem}")


def _scored(runtime: Runtime, days: list[date], problems: list[str]) -> Iterator[date]:
    if not runtime.kits or not days:
        return

    def finished() -> Iterator[date]:
        with runtime.scoring() as scoring:
            for report in scoring.run(days):
                problems.extend(report.problems)
                yield report.day

    tables = runtime.score_tables()
    for done in tables.tabulate(finished()):
        if done.problem is None:
            yield done.day
        else:
            problems.append(f"{done.day}: {done.problem}")
    tables.refresh_views()


def _days_within_partitions(days: "set[date] | list[date]") -> list[date]:
    """Newest first; a call from before the first partition or of a day to come waits for its day."""
    return sorted((day for day in days if DAYS.has_partition_key(day.isoformat())), reverse=True)


def _log(context: dg.OpExecutionContext, tables: "list[Table] | tuple[Table, ...]", day: date) -> None:
    for table in tables:
        context.log_event(dg.AssetMaterialization(table.name, partition=day.isoformat()))
