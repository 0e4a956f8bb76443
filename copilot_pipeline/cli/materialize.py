"""Materialize assets in this process, as Dagster runs that the UI shows: what `run`, `marts` and `demo` do.

The raw layer and the assets below it are separate runs, so that a day that could not be fetched completely does not
keep the other days from being loaded and scored, and a deal does not block the table of all deals.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from copilot_pipeline import errors
from copilot_pipeline.cli.current_tables import CurrentTables
from copilot_pipeline.cli.process_days import LAST, MIRRORED, require_keys
from copilot_pipeline.clients.weekly_quota import week_of
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.defs.days import definitions_of_days
from copilot_pipeline.defs.instance import open_instance
from copilot_pipeline.defs.partitions import PROBLEMS
from copilot_pipeline.defs.runs import REQUESTED_AT_TAG
from copilot_pipeline.defs.scores.loading import REBUILT_TABLES
from copilot_pipeline.errors import ConfigurationError, CredentialsRefused, PipelineError, QuotaExhausted
from copilot_pipeline.load.tables import (
    CALL_TABLES,
    MART_TABLES,
    RAW_CALL_DETAILS,
    SEMARIZE_RUNS,
    USER_HISTORY,
    USERS,
)
from copilot_pipeline.marts.versions import MARTS
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import Progress

# Errors of these steps concern all days. What concerns one day is in the metadata of the step's failure.
_PARTITIONED_STEPS = frozenset({RAW_CALL_DETAILS.name, SEMARIZE_RUNS.name, "score_tables"})
_FATAL = (ConfigurationError, CredentialsRefused, QuotaExhausted)  # of any step
_ERRORS: dict[str, type[PipelineError]] = {
    name: error for name, error in vars(errors).items() if isinstance(error, type) and issubclass(error, PipelineError)
}


def materialize_stages(
    settings: Settings,
    database: Database,
    stages: Sequence[Sequence[str]],
    days: Sequence[date],
    requested_at: datetime,
    progress: Progress,
    *,
    force: bool = False,
) -> list[str]:
    """Materialize the assets of each stage for days, in a run unless all are up to date. Return the problems.

    Raise what concerns all days (credentials, quota). With `force`, tables of days that are up to date are rebuilt.
    """
    instance, definitions = open_instance(settings.environment), definitions_of_days(progress)
    current = CurrentTables(settings, database, instance, days, progress)
    problems: list[str] = []
    for assets in stages:
        if not force and current.include(assets):
            progress.note(f"up to date: {', '.join(assets)}")
            continue
        result = _materialize(definitions, instance, assets, requested_at, days, force=force)
        problems += [problem for problem in _problems(result) if problem not in problems]
    return problems


def refresh_inputs_of_marts(settings: Settings) -> list[str]:
    """Read users and the CRM records that are new or open, and rebuild `deals` and `accounts`.

    Return what could not be refreshed. Marts are built nevertheless, from what is stored.
    """
    definitions, instance = definitions_of_days(), open_instance(settings.environment)
    problems: list[str] = []
    try:
        require_keys(settings, (USERS.name,))
        # One by one: a deal that cannot be read does not block the users.
        for names in ([USERS.name, USER_HISTORY.name], *([name] for name in MIRRORED)):
            problems += _problems(_materialize(definitions, instance, names, datetime.now(UTC)))
    except (ConfigurationError, CredentialsRefused, QuotaExhausted) as error:
        problems.append(str(error))
    return problems + _problems(_materialize(definitions, instance, list(LAST), datetime.now(UTC)))


def materialize_marts(settings: Settings, *, force: bool = False) -> dict[str, int]:
    """Rebuild the marts that are not up to date; with `force`, all of them.

    Return their row counts; raise `PipelineError` if one of them failed.
    """
    from copilot_pipeline.definitions import build_definitions

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
    from copilot_pipeline.definitions import build_definitions

    definitions, instance = build_definitions(), open_instance(settings.environment)
    problems = _problems(_materialize(definitions, instance, list(LAST), datetime.now(UTC)))
    names = [table.name for table in MART_TABLES]
    return problems + _problems(_materialize(definitions, instance, names, datetime.now(UTC)))


def cancel_queued(settings: Settings, tags: Mapping[str, str]) -> tuple[int, int]:
    """Cancel the queued runs with these tags. Return the number cancelled and the number running."""
    instance = open_instance(settings.environment)
    queued = instance.get_runs(dg.RunsFilter(tags=dict(tags), statuses=[dg.DagsterRunStatus.QUEUED]))
    cancelled = sum(instance.run_coordinator.cancel_run(run.run_id) for run in queued)
    running = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return cancelled, instance.get_runs_count(dg.RunsFilter(tags=dict(tags), statuses=running))


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
    steps = {"call_tables": CALL_TABLES, "score_tables": REBUILT_TABLES, **{mart.name: mart.tables for mart in MARTS}}
    forced = [step for step, tables in steps.items() if any(table.name in assets for table in tables)]
    # Forced, the step that pays would rebuild the same tables a second time.
    return [*forced, SEMARIZE_RUNS.name] if SEMARIZE_RUNS.name in assets and "score_tables" not in forced else forced


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
