"""Read the versions of deals, and the conversations of the weeks in which they changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from copilot_pipeline.marts.conversation_outcomes import CallMetrics
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all
from copilot_pipeline.transform.deal_versions import DealVersion

CALLS_PER_READ = 5_000
QUOTES_PER_CALL = 2
MAX_QUOTES = 5  # of a deal and week
DealWeek = tuple[str, date]  # deal id, Monday
_SQL = load_queries(__package__, "history.sql")


class DealName(NamedTuple):
    """A deal's name and that of its account."""

    deal_id: str
    name: str | None
    account_name: str | None


@dataclass(slots=True)
class Conversations:
    """The calls of a deal in a week, oldest first, and what was said on them."""

    call_ids: list[str] = field(default_factory=list)
    quotes: list[str] = field(default_factory=list)


class _CallOfWeek(NamedTuple):
    deal_id: str
    week: date
    call_id: str


class _Spoken(NamedTuple):
    call_id: str
    brick: str
    quote: str
    speaker: str | None


class HistoryReader:
    """Reads the tables that analysts read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def deal_versions(self) -> list[DealVersion]:
        """Return every version of the deals, by deal in the order of time."""
        with self._database.connection() as connection:
            return fetch_all(connection, DealVersion, _SQL["deal_versions"])

    def deal_names(self) -> Mapping[str, DealName]:
        """Return the names of the deals by id."""
        with self._database.connection() as connection:
            return {deal.deal_id: deal for deal in fetch_all(connection, DealName, _SQL["deal_names"])}

    def conversation_metrics(self) -> list[CallMetrics]:
        """Return the metrics of each call of a deal, oldest first. Reads `rep_calls`."""
        with self._database.connection() as connection:
            return fetch_all(connection, CallMetrics, _SQL["conversation_metrics"])

    def conversations(self, weeks: Collection[DealWeek]) -> Mapping[DealWeek, Conversations]:
        """Return the conversations of deals in weeks, with a few quotes each, those of prospects first."""
        parameters = {"deal_ids": [deal_id for deal_id, _ in weeks], "weeks": [week for _, week in weeks]}
        conversations: defaultdict[DealWeek, Conversations] = defaultdict(Conversations)
        with self._database.connection() as connection:
            for call in fetch_all(connection, _CallOfWeek, _SQL["conversations_of_weeks"], parameters):
                conversations[call.deal_id, call.week].call_ids.append(call.call_id)
            call_ids = [call_id for one in conversations.values() for call_id in one.call_ids]
            quotes: defaultdict[str, list[str]] = defaultdict(list)
            for start in range(0, len(call_ids), CALLS_PER_READ):
                chunk = {"call_ids": call_ids[start : start + CALLS_PER_READ], "quotes_per_call": QUOTES_PER_CALL}
                for spoken in fetch_all(connection, _Spoken, _SQL["quotes_of_calls"], chunk):
                    who = spoken.speaker or "unknown speaker"
                    quotes[spoken.call_id].append(f"{spoken.brick}: “{spoken.quote}” ({who})")
        for one in conversations.values():
            # The newest calls first, because they are the last before the change.
            one.quotes = [quote for call_id in reversed(one.call_ids) for quote in quotes[call_id]][:MAX_QUOTES]
        return conversations
