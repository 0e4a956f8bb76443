"""Materialize assets in this process, as Dagster runs that the UI shows: what `run`, `marts` and `demo` do.

The raw layer and the assets below it are separate runs, so that a day that could not be fetched completely does not
keep the other days from being loaded and scored, and a deal does not block the table of all deals.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from copilot_pipeline import errors
from copilot_pipeline.clients.clari import connect as clari
from copilot_pipeline.clients.semarize import connect as semarize
from copilot_pipeline.clients.weekly_quota import week_of
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.definitions import build_definitions
from copilot_pipeline.defs.instance import open_instance
from copilot_pipeline.defs.partitions import PROBLEMS
from copilot_pipeline.defs.runs import REQUESTED_AT_TAG
from copilot_pipeline.errors import ConfigurationError, CredentialsRefused, PipelineError, QuotaExhausted
from copilot_pipeline.load.lake import Lake, accept_lake
from copilot_pipeline.load.tables import (
    ACCOUNTS,
    BRICKS,
    CALL_TABLES,
    DEAL_HISTORY,
    DEALS,
    MART_TABLES,
    RAW_CALL_DETAILS,
    SCORE_TABLES,
    SCORECARDS,
    TOPICS,
    USER_HISTORY,
    USERS,
)
from copilot_pipeline.marts.versions import MARTS
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import Progress
from copilot_pipeline.state import CallStore, ListCursors

RAW_DEALS, RAW_ACCOUNTS = "raw_deals", "raw_accounts"
_FIRST = (USERS.name, USER_HISTORY.name, TOPICS.name, SCORECARDS.name, RAW_CALL_DETAILS.name)
_THEN = tuple(table.name for table in (*CALL_TABLES, *SCORE_TABLES, BRICKS))
_MIRRORED = (RAW_DEALS, RAW_ACCOUNTS)
_LAST = (DEALS.name, DEAL_HISTORY.name, ACCOUNTS.name)
# Each record costs a request, so these are read every night and on request, not with every range of days.
EVERYTHING = (*_FIRST, *_THEN, *_LAST)
KNOWN_ASSETS = (*_FIRST, *_THEN, *_MIRRORED, *_LAST)

# Errors of these steps concern all days. What concerns one day is in the metadata of the step's failure.
_PARTITIONED_STEPS = frozenset({RAW_CALL_DETAILS.name, "score_tables"})
_FATAL = (ConfigurationError, CredentialsRefused, QuotaExhausted)  # of any step
_ERRORS: dict[str, type[PipelineError]] = {
    name: error for name, error in vars(errors).items() if isinstance(error, type) and issubclass(error, PipelineError)
}


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of a range of days."""

    days: tuple[date, ...]
    problems: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether everything is done."""
        return not self.problems


def materialize_days(
    settings: Settings,
    database: Database,
    days: Sequence[date],
    assets: Sequence[str],
    progress: Progress,
    *,
    force: bool = False,
) -> Finished:
    """Materialize assets for days. Raise what concerns all days (credentials, quota); return the other problems.

    With `force`, tables of days that are up to date are rebuilt.

    The same command, given again within a day after it was killed or failed, continues with what it had listed.
    """
    unknown = sorted(set(assets) - set(KNOWN_ASSETS))
    if unknown:
        raise ConfigurationError(f"unknown asset: {', '.join(unknown)}. Known assets: {', '.join(KNOWN_ASSETS)}")
    _require_keys(settings, assets)
    lake = Lake(settings.environment.lake_url)
    lake.probe()
    accept_lake(lake, database)
    instance = open_instance(settings.environment)
    calls = CallStore(database, settings.zone)
    cursors = ListCursors(calls)
    command = f"{min(days)} {max(days)} {' '.join(assets)}"
    requested_at = cursors.start_command(command)
    definitions = build_definitions({"progress": progress})
    problems: list[str] = []
    for stage in (_FIRST, _THEN, _MIRRORED, _LAST):
        chosen = [name for name in stage if name in assets]
        if chosen:
            result = _materialize(definitions, instance, chosen, requested_at, days, force=force)
            problems += [problem for problem in _problems(result) if problem not in problems]
    cursors.finish_command(command)
    if RAW_CALL_DETAILS.name in assets:
        problems += _deferred(calls, days, problems)
    return Finished(tuple(days), tuple(problems))


def refresh_inputs_of_marts(settings: Settings) -> list[str]:
    """Read users and the CRM records that are new or open, and rebuild `deals` and `accounts`.

    Return what could not be refreshed. Marts are built nevertheless, from what is stored.
    """
    definitions, instance = build_definitions(), open_instance(settings.environment)
    problems: list[str] = []
    try:
        _require_keys(settings, (USERS.name,))
        # One by one: a deal that cannot be read does not block the users.
        for names in ([USERS.name, USER_HISTORY.name], *([name] for name in _MIRRORED)):
            problems += _problems(_materialize(definitions, instance, names, datetime.now(UTC)))
    except (ConfigurationError, CredentialsRefused, QuotaExhausted) as error:
        problems.append(str(error))
    return problems + _problems(_materialize(definitions, instance, list(_LAST), datetime.now(UTC)))


def materialize_marts(settings: Settings, *, force: bool = False) -> dict[str, int]:
    """Rebuild the marts that are not up to date; with `force`, all of them.

    Return their row counts; raise `PipelineError` if one of them failed.
    """
    names = [table.name for table in MART_TABLES]
    definitions, instance = build_definitions(), open_instance(settings.environment)
    result = _materialize(definitions, instance, names, datetime.now(UTC), force=force)
    problems = _problems(result)
    if problems:
        raise PipelineError("the marts could not be built: " + "; ".join(problems))
    return {
        event.asset_key.to_user_string(): int(str(event.materialization.metadata["dagster/row_count"].value))
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def rebuild_from_stored(settings: Settings) -> list[str]:
    """Rebuild deals, accounts and the marts from what is stored, without a request. Return the problems."""
    definitions, instance = build_definitions(), open_instance(settings.environment)
    problems = _problems(_materialize(definitions, instance, list(_LAST), datetime.now(UTC)))
    names = [table.name for table in MART_TABLES]
    return problems + _problems(_materialize(definitions, instance, names, datetime.now(UTC)))


def cancel_queued(settings: Settings, tags: Mapping[str, str]) -> tuple[int, int]:
    """Cancel the queued runs with these tags. Return the number cancelled and the number running."""
    instance = open_instance(settings.environment)
    queued = instance.get_runs(dg.RunsFilter(tags=dict(tags), statuses=[dg.DagsterRunStatus.QUEUED]))
    cancelled = sum(instance.run_coordinator.cancel_run(run.run_id) for run in queued)
    running = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return cancelled, instance.get_runs_count(dg.RunsFilter(tags=dict(tags), statuses=running))


def _require_keys(settings: Settings, assets: Sequence[str]) -> None:
    """Raise `ConfigurationError` before the first request if a key is missing."""
    if any(name in (*_FIRST, *_MIRRORED) for name in assets):
        clari.credentials(settings.environment)
    if settings.pipeline.kits and any(table.name in assets for table in SCORE_TABLES):
        semarize.api_key(settings.environment)


def _deferred(calls: CallStore, days: Sequence[date], problems: Sequence[str]) -> list[str]:
    """Return a problem for each deferred call, because the days are incomplete without them."""
    texts = "\n".join(problems)
    lines = []
    for call in calls.deferred(days):
        if f"call {call.call_id}:" not in texts:
            next_attempt = f"tried again after {call.next_attempt_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            lines.append(f"{call.call_date}: call {call.call_id}: {call.problem}; {next_attempt}")
    return lines


def _materialize(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Sequence[str],
    requested_at: datetime,
    days: Sequence[date] = (),
    *,
    force: bool = False,
) -> dg.ExecuteInProcessResult:
    """Run the assets. Raise `KeyboardInterrupt` if it was interrupted, and errors that concern all days."""
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    tags = {REQUESTED_AT_TAG: requested_at.isoformat()}
    if days:
        tags["dagster/asset_partition_range_start"] = min(days).isoformat()
        tags["dagster/asset_partition_range_end"] = max(days).isoformat()
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(name) for name in assets],
        tags=tags,
        run_config={
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "ops": {step: {"config": {"force": True}} for step in _forced_steps(assets) if force},
        },
        raise_on_error=False,
    )
    for failure in _failures(result):
        if _has_class(failure, "DagsterExecutionInterruptedError"):
            raise KeyboardInterrupt
    for failure in _failures(result):
        error = _pipeline_error(failure)
        if error and (isinstance(error, _FATAL) or failure.step_key in _PARTITIONED_STEPS):
            raise error
    return result


def _forced_steps(assets: Sequence[str]) -> list[str]:
    """The steps of assets that skip what is unchanged."""
    steps = {"call_tables": CALL_TABLES, "score_tables": SCORE_TABLES, **{mart.name: mart.tables for mart in MARTS}}
    return [step for step, tables in steps.items() if any(table.name in assets for table in tables)]


def _failures(result: dg.ExecuteInProcessResult) -> list[dg.DagsterEvent]:
    return [event for event in result.all_events if event.is_step_failure]


def _problems(result: dg.ExecuteInProcessResult) -> list[str]:
    """Return the problems in the metadata of failures and materializations, or the reason of each failure."""
    problems: list[str] = []
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data.user_failure_data
            listed = _listed(failure.metadata if failure else {})
            problems += listed or [f"{event.step_key}: {_reason(event)}"]
        elif event.is_step_materialization:
            problems += _listed(event.step_materialization_data.materialization.metadata)
    return list(dict.fromkeys(problems))


def _listed(metadata: Mapping[str, Any]) -> list[str]:
    value = metadata.get(PROBLEMS)
    return [str(line) for line in value.value or ()] if isinstance(value, dg.JsonMetadataValue) else []


def _error_chain(event: dg.DagsterEvent) -> Iterator[Any]:
    error = event.step_failure_data.error
    while error is not None:
        yield error
        error = error.cause


def _has_class(event: dg.DagsterEvent, name: str) -> bool:
    return any(error.cls_name == name for error in _error_chain(event))


def _pipeline_error(event: dg.DagsterEvent) -> PipelineError | None:
    """Rebuild the pipeline error that failed the step from the class name and message that Dagster recorded."""
    for error in _error_chain(event):
        kind = _ERRORS.get(error.cls_name or "")
        if kind is None:
            continue
        message = error.message.strip().partition(": ")[2]
        if kind is QuotaExhausted:
            return QuotaExhausted(message, resets_at=week_of(datetime.now(UTC))[1])
        return kind(message) if kind in (ConfigurationError, CredentialsRefused) else PipelineError(message)
    return None


def _reason(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    cause = error.cause if error and error.cause else error
    return cause.message.strip() if cause else "failed"
