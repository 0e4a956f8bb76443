"""Process a range of days in this process: what `run` and `demo` do. Dagster is imported after the first request."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date

from copilot_pipeline.clients.clari import connect as clari
from copilot_pipeline.clients.rate_limits import MANUAL
from copilot_pipeline.clients.semarize import connect as semarize
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.extract.early_listing import list_meanwhile
from copilot_pipeline.load.lake import Lake, accept_lake
from copilot_pipeline.load.tables import (
    ACCOUNTS,
    BRICKS,
    CALL_TABLES,
    DEAL_HISTORY,
    DEALS,
    RAW_CALL_DETAILS,
    SCORE_TABLES,
    SCORECARDS,
    SEMARIZE_RUNS,
    TOPICS,
    USER_HISTORY,
    USERS,
)
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import Progress
from copilot_pipeline.state import CallStore, ListCursors

RAW_DEALS, RAW_ACCOUNTS = "raw_deals", "raw_accounts"
FIRST = (USERS.name, USER_HISTORY.name, TOPICS.name, SCORECARDS.name, RAW_CALL_DETAILS.name)
THEN = tuple(table.name for table in (*CALL_TABLES, *SCORE_TABLES, BRICKS))
MIRRORED = (RAW_DEALS, RAW_ACCOUNTS)
LAST = (DEALS.name, DEAL_HISTORY.name, ACCOUNTS.name)
# Each record costs a request, so these are read every night and on request, not with every range of days.
EVERYTHING = (*FIRST, *THEN, *LAST)
KNOWN_ASSETS = (*FIRST, *THEN, *MIRRORED, *LAST)


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of a range of days."""

    days: tuple[date, ...]
    problems: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether everything is done."""
        return not self.problems


def process_days(
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
    require_keys(settings, assets)
    lake = Lake(settings.environment.lake_url)
    lake.probe()
    accept_lake(lake, database)
    calls = CallStore(database, settings.zone)
    cursors = ListCursors(calls)
    command = f"{min(days)} {max(days)} {' '.join(assets)}"
    requested_at = cursors.start_command(command)
    lists = RAW_CALL_DETAILS.name in assets
    with list_meanwhile(settings, database, days, MANUAL, requested_at) if lists else nullcontext():
        from copilot_pipeline.cli.materialize import materialize_stages

    chosen = [[name for name in stage if name in assets] for stage in (FIRST, THEN, MIRRORED, LAST)]
    stages = [stage for stage in chosen if stage]
    problems = materialize_stages(settings, database, stages, days, requested_at, progress, force=force)
    cursors.finish_command(command)
    if lists:
        problems += _deferred(calls, days, problems)
    return Finished(tuple(days), tuple(problems))


def require_keys(settings: Settings, assets: Sequence[str]) -> None:
    """Raise `ConfigurationError` before the first request if a key is missing."""
    if any(name in (*FIRST, *MIRRORED) for name in assets):
        clari.credentials(settings.environment)
    if settings.pipeline.kits and SEMARIZE_RUNS.name in assets:
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
