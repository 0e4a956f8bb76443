"""Whether a mart is up to date: what it was made from, compared with what it would be made from now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.load.inputs import code_version, text_version
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import (
    ACCOUNTS,
    CALLS,
    CLAIM_ACCURACY,
    CLAIMS,
    COACHING_REGRESSIONS,
    COACHING_SCORES,
    CONVERSATION_OUTCOMES,
    DEAL_HISTORY,
    DEAL_INSPECTION,
    DEAL_SIGNALS,
    DEALS,
    EVIDENCE,
    FORECAST_TABLES,
    MEDDICC_COVERAGE,
    MEDDICC_OUTCOMES,
    MEDDICC_SUMMARY,
    MESSAGE_ADOPTION,
    PARTICIPANTS,
    PIPELINE_TABLES,
    REP_CALLS,
    SEMARIZE_RUNS,
    SEMARIZE_SCORES,
    USER_HISTORY,
    USERS,
    UTTERANCES,
    WIN_LOSS_CONCLUSION,
    WIN_LOSS_DRIVERS,
    Table,
)
from copilot_pipeline.load.versions import CurrentPartition, InputsOfDay, PartitionVersions, rows_as_facts
from copilot_pipeline.postgres import Database
from copilot_pipeline.state.locks import exclusive
from copilot_pipeline.state.table_versions import NO_DAY, StoredVersions, TableVersions, confirm_marts

# All code that shapes a row of a mart. A test compares it with what the modules import.
MART_CODE = ("clients", "load", "marts", "privacy", "transform")


@dataclass(frozen=True, slots=True)
class Mart:
    """Tables that are built together, and the tables whose rows they are made from.

    `as_of` is the format of the hour or week on which its rows, or the messages about them, depend as well.
    """

    name: str
    tables: tuple[Table, ...]
    inputs: tuple[Table, ...]
    as_of: str | None = None

    @property
    def group(self) -> str:
        """The name of its version in the state store."""
        return f"mart {self.name}"


_HOUR, _WEEK = "%Y-%m-%d %H", "%G-%V"
_SCORED = (CALLS, PARTICIPANTS, SEMARIZE_RUNS, SEMARIZE_SCORES, EVIDENCE, USERS, USER_HISTORY)
_DEALS = (DEALS, ACCOUNTS)

MEDDICC = Mart("meddicc", (MEDDICC_COVERAGE, MEDDICC_SUMMARY, MEDDICC_OUTCOMES), (*_SCORED, *_DEALS))
COACHING = Mart("coaching", (COACHING_SCORES, COACHING_REGRESSIONS), _SCORED, _WEEK)
CLAIM_VERIFICATION = Mart("claim_verification", (CLAIMS, CLAIM_ACCURACY, MESSAGE_ADOPTION), (*_SCORED, UTTERANCES))
REPS_ON_CALLS = Mart("reps_on_calls", (REP_CALLS,), (CALLS, PARTICIPANTS, USERS, USER_HISTORY))
WIN_LOSS = Mart("win_loss", (WIN_LOSS_DRIVERS, WIN_LOSS_CONCLUSION), (*_SCORED, *_DEALS))
OPEN_DEALS = Mart("open_deals", (DEAL_SIGNALS, DEAL_INSPECTION), (*_SCORED, *_DEALS, MEDDICC_SUMMARY), _HOUR)
CONVERSATIONS = Mart(
    "conversations_against_outcomes", (CONVERSATION_OUTCOMES,), (REP_CALLS, CALLS, PARTICIPANTS, *_DEALS)
)
PIPELINE = Mart("pipeline", PIPELINE_TABLES, (DEALS, DEAL_HISTORY, CALLS, EVIDENCE), _HOUR)
FORECAST = Mart("forecast", FORECAST_TABLES, (*_SCORED, *_DEALS, DEAL_HISTORY, MEDDICC_COVERAGE), _HOUR)

MARTS = (
    MEDDICC, COACHING, CLAIM_VERIFICATION, REPS_ON_CALLS, WIN_LOSS, OPEN_DEALS, CONVERSATIONS, PIPELINE, FORECAST,
)  # fmt: skip

# The name of the version of each table, if it is not that of the table.
_GROUPS: Mapping[str, str] = {
    **dict.fromkeys([CALLS.name, PARTICIPANTS.name, UTTERANCES.name], "calls"),
    **dict.fromkeys([SEMARIZE_RUNS.name, SEMARIZE_SCORES.name, EVIDENCE.name], "scores"),
    USER_HISTORY.name: USERS.name,
    DEAL_HISTORY.name: DEALS.name,
    **{table.name: mart.group for mart in MARTS for table in mart.tables},
}
_PARTITIONED = frozenset({"calls", "scores"})


class MartVersions:
    """Compares what marts are made from with what they were made from."""

    def __init__(
        self, lake: Lake, database: Database, settings: Settings, *, now: datetime, force: bool = False
    ) -> None:
        """With `force`, no mart is up to date. `now` is the time of the build."""
        self._lake = lake
        self._database = database
        self._now = now
        self._force = force
        self._inputs = {
            "code": code_version(MART_CODE),
            "settings": text_version(f"{settings.pipeline.marts.model_dump_json()} {settings.zone}"),
        }

    def is_current(self, mart: Mart) -> bool:
        """Return whether the mart is up to date now; another process may change it in the meantime."""
        return self._partition(mart).current(NO_DAY) is not None

    @contextmanager
    def build(self, mart: Mart) -> Iterator[MartVersion]:
        """Yield whether the mart is up to date. Until the block ends, no other process builds it."""
        versions = self._partition(mart)
        with exclusive(self._database.url, mart.group):
            current = versions.current(NO_DAY)
            if current is not None:
                with self._database.transaction() as connection:
                    confirm_marts(connection, [table.name for table in mart.tables])
            yield MartVersion(versions, self._database, current)

    def _partition(self, mart: Mart) -> PartitionVersions:
        return PartitionVersions(
            self._lake,
            TableVersions(self._database, mart.group),
            mart.tables,
            lambda *_: InputsOfDay(self._inputs_of(mart)),
            force=self._force,
        )

    def _inputs_of(self, mart: Mart) -> Mapping[str, str]:
        stored = StoredVersions(self._database)
        inputs = {**self._inputs, **{table.name: self._version_of(table, stored) for table in mart.inputs}}
        if mart.as_of is not None:
            inputs["as_of"] = self._now.astimezone(UTC).strftime(mart.as_of)
        if CALLS in mart.inputs:
            inputs["upcoming_calls"] = str(stored.upcoming_calls())
        return inputs

    def _version_of(self, table: Table, stored: StoredVersions) -> str:
        """Return what identifies the rows of a table.

        Rows without a version, because they are incomplete or were not written by a load, are identified by the
        transactions that wrote them.
        """
        group = _GROUPS.get(table.name, table.name)
        version = stored.version(group)
        if group in _PARTITIONED:
            days = stored.unversioned_days(group)
            return f"{version} {stored.fingerprint(table.name, days)}" if days else str(version)
        return stored.fingerprint(table.name) if version is None else version


class MartVersion:
    """A mart that is up to date (`current`), or is being built."""

    def __init__(self, versions: PartitionVersions, database: Database, current: CurrentPartition | None) -> None:
        self._versions = versions
        self._database = database
        self.current = current

    def record(self, rows: Mapping[str, int]) -> str | None:
        """Record what the mart was made from after it was built, and return its version."""
        with self._database.transaction() as connection:
            return self._versions.record(connection, NO_DAY, rows_as_facts(rows))
