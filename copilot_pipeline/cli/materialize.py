"""Materialize assets in this process, as Dagster runs that the UI shows.

The raw layer and the assets below it are separate runs, so that a day that could not be fetched completely does not
keep the other days from being loaded and scored.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

import dagster as dg

from copilot_pipeline.definitions import defs
from copilot_pipeline.defs.instance import open_instance
from copilot_pipeline.errors import ConfigurationError, PipelineError
from copilot_pipeline.load.tables import (
    ACCOUNTS,
    CALL_TABLES,
    DEALS,
    MART_TABLES,
    RAW_CALL_DETAILS,
    SCORE_TABLES,
    SCORECARDS,
    TOPICS,
    USERS,
)
from copilot_pipeline.runtime import Runtime

RAW_DEALS, RAW_ACCOUNTS = "raw_deals", "raw_accounts"
_FIRST = (USERS.name, TOPICS.name, SCORECARDS.name, RAW_CALL_DETAILS.name)
_THEN = tuple(table.name for table in (*CALL_TABLES, *SCORE_TABLES))
_MIRRORED = (RAW_DEALS, RAW_ACCOUNTS)
_LAST = (DEALS.name, ACCOUNTS.name)
# Each record costs a request, so these are read every night and on request, not with every range of days.
EVERYTHING = (*_FIRST, *_THEN, *_LAST)
KNOWN_ASSETS = (*_FIRST, *_THEN, *_MIRRORED, *_LAST)


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of a range of days."""

    days: tuple[date, ...]
    problems: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether everything is done."""
        return not self.problems


def days_between(first: date, last: date) -> tuple[date, ...]:
    """Return the days from the first to the last, inclusive."""
    return tuple(first + timedelta(days=offset) for offset in range((last - first).days + 1))


def materialize_days(runtime: Runtime, days: Sequence[date], assets: Sequence[str] = EVERYTHING) -> Finished:
    """Materialize assets for days. Raises errors that concern all days (credentials, quota) and returns the others.

    If it is interrupted and repeated within a day, it continues with the listing that it had.
    """
    unknown = sorted(set(assets) - set(KNOWN_ASSETS))
    if unknown:
        raise ConfigurationError(f"unknown asset: {', '.join(unknown)}. Known assets: {', '.join(KNOWN_ASSETS)}")
    runtime.require(
        clari=any(name in (*_FIRST, *_MIRRORED) for name in assets),
        semarize=any(table.name in assets for table in SCORE_TABLES),
    )
    runtime.lake.probe()
    instance = open_instance(runtime.settings.environment)
    order = f"{min(days)} {max(days)} {' '.join(assets)}"
    runtime.ordered_at = runtime.listings.start_command(order)
    for stage in (_FIRST, _THEN, _MIRRORED, _LAST):
        chosen = [name for name in stage if name in assets]
        if chosen:
            _materialize(instance, runtime, chosen, days)
    runtime.listings.finish_command(order)
    if RAW_CALL_DETAILS.name in assets:
        runtime.problems.extend(_resting(runtime, days))
    return Finished(tuple(days), tuple(runtime.problems))


def _resting(runtime: Runtime, days: Sequence[date]) -> list[str]:
    """Return a problem for each deferred call, because the days are incomplete without them."""
    named = "\n".join(runtime.problems)
    lines = []
    for call in runtime.calls.deferred(days):
        if f"call {call.call_id}:" not in named:
            again = f"tried again after {call.next_attempt_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            lines.append(f"{call.call_date}: call {call.call_id}: {call.problem}; {again}")
    return lines


def cancel_queued(runtime: Runtime, tags: Mapping[str, str]) -> tuple[int, int]:
    """Cancel the queued runs with these tags. Returns the number cancelled and the number in progress."""
    instance = open_instance(runtime.settings.environment)
    waiting = instance.get_runs(dg.RunsFilter(tags=dict(tags), statuses=[dg.DagsterRunStatus.QUEUED]))
    cancelled = sum(instance.run_coordinator.cancel_run(run.run_id) for run in waiting)
    under_way = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return cancelled, instance.get_runs_count(dg.RunsFilter(tags=dict(tags), statuses=under_way))


def materialize_answers(runtime: Runtime) -> dict[str, int]:
    """Rebuild the marts and return their row counts. Raises `PipelineError` if one of them failed."""
    names = [table.name for table in MART_TABLES]
    result = _materialize(open_instance(runtime.settings.environment), runtime, names)
    if runtime.problems:
        raise PipelineError("the marts could not be built: " + "; ".join(runtime.problems))
    return {
        event.asset_key.to_user_string(): int(str(event.materialization.metadata["dagster/row_count"].value))
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def _materialize(
    instance: dg.DagsterInstance, runtime: Runtime, assets: Sequence[str], days: Sequence[date] = ()
) -> dg.ExecuteInProcessResult:
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    job = defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(name) for name in assets],
        tags={
            "dagster/asset_partition_range_start": min(days).isoformat(),
            "dagster/asset_partition_range_end": max(days).isoformat(),
        }
        if days
        else None,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    if result.success:
        return result
    if any(event.is_step_failure and _is_interruption(event) for event in result.all_events):
        raise KeyboardInterrupt
    if runtime.fatal is not None:
        raise runtime.fatal
    if not runtime.problems:
        failures = [event for event in result.all_events if event.is_step_failure]
        runtime.problems.extend(f"{event.step_key}: {_reason(event)}" for event in failures)
    return result


def _is_interruption(event: dg.DagsterEvent) -> bool:
    """Return whether Ctrl-C ended the step, which Dagster records as a failure."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterExecutionInterruptedError"


def _reason(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    cause = error.cause if error and error.cause else error
    return cause.message.strip() if cause else "failed"
