"""Scored calls with their answers, reps and deals: the input of marts and deliveries. Plain values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from copilot_pipeline.transform.deal_outcomes import DealOutcome

Value = bool | float | str | list[Any] | dict[str, Any] | None
BrickKey = tuple[str, str]  # the kit's name in pipeline.yaml, the brick's key

OPEN_RUN_STATUSES = frozenset({"pending", "queued", "running", "unknown"})


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote of an answer and its place: a row of `evidence` without keys, with the text of the utterance (`said`)."""

    text: str
    match: str  # exact, normalized, fuzzy, not found
    score: float | None = None  # 0 to 1
    seq: int | None = None
    start_s: float | None = None
    speaker: str | None = None
    side: str | None = None
    said: str | None = None
    person_id: str | None = None  # of the speaker, on this call


@dataclass(frozen=True, slots=True)
class BrickAnswer:
    """A brick's answer on one call. `value` is None where the kit returned null: never false, never 0.

    `evidence` holds the quotations as the kit returned them, `quotes` the same quotations as located in the transcript.
    """

    value: Value
    confidence: float | None = None
    reason: str | None = None
    evidence: tuple[str, ...] = ()
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class KitRun:
    """The run behind a kit's answers. `version` changes with the run, the kit's version or the transcript."""

    status: str
    version: str
    finished_at: datetime | None = None
    kit_version_id: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the run may still return answers."""
        return self.status in OPEN_RUN_STATUSES

    @property
    def has_succeeded(self) -> bool:
        """Whether the run has returned its answers."""
        return self.status == "succeeded"


@dataclass(frozen=True, slots=True)
class Rep:
    """The salesperson of a call: identified by user id, else normalised e-mail address. Never by name."""

    rep_id: str
    name: str | None = None
    manager_id: str | None = None
    manager_name: str | None = None
    manager_email: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCall:
    """A call with the runs and answers of its kits.

    `bricks` has an entry for every brick with a score, null values included. `fields` (columns of `copilot.calls` by
    name) is read for deliveries only; `rep`, `prospects` and `team` are read for marts only.
    """

    call_id: str
    call_date: date  # the day in the partition zone
    started_at: datetime  # aware, UTC
    deal_id: str | None = None
    review_url: str | None = None
    duration_s: float | None = None  # read for marts only
    bricks: Mapping[BrickKey, BrickAnswer] = field(default_factory=dict)
    runs: Mapping[str, KitRun] = field(default_factory=dict)  # by kit
    fields: Mapping[str, Any] = field(default_factory=dict)
    rep: Rep | None = None
    prospects: tuple[str, ...] = ()  # names, else e-mail addresses, of the prospects on the call
    # Own people who spoke, by their person id on this call; None if neither an id nor an address identifies them.
    team: Mapping[str, Rep | None] = field(default_factory=dict)

    @property
    def week(self) -> date:
        """Monday of the call's week."""
        return monday(self.call_date)

    @property
    def is_scored(self) -> bool:
        """Whether any kit has returned its answers."""
        return any(run.has_succeeded for run in self.runs.values())

    def is_scored_by(self, kit: str) -> bool:
        """Whether this kit has returned its answers."""
        run = self.runs.get(kit)
        return run is not None and run.has_succeeded

    def kit_version_id(self, kit: str) -> str | None:
        """Return the version of the kit that the answers come from."""
        run = self.runs.get(kit)
        return run.kit_version_id if run is not None and run.has_succeeded else None

    def value_of(self, key: BrickKey | None) -> Value:
        """Return a brick's value; None if it has none or there is no brick."""
        answer = self.bricks.get(key) if key is not None else None
        return answer.value if answer is not None else None

    def reps(self) -> list[Rep]:
        """Return the call's rep and the other own people who spoke on it, each once."""
        return list({rep.rep_id: rep for rep in (*self.team.values(), self.rep) if rep is not None}.values())

    def speaker_of(self, quote: Quote) -> Rep | None:
        """Return the own person who said it, or the call's rep if the speaker is unknown."""
        return self.team.get(quote.person_id, self.rep) if quote.person_id is not None else self.rep


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal. `closed_at` is when it entered its closed stage, if the CRM's stage history records it.

    `stages` are the moments at which it entered its stages, in order; `account_fields` are custom fields by name.
    """

    deal_id: str
    outcome: DealOutcome
    name: str | None = None
    account_name: str | None = None
    amount: float | None = None
    currency: str | None = None  # of the amount, ISO 4217
    stage: str | None = None
    forecast_category: str | None = None
    close_date: datetime | None = None
    closed_at: datetime | None = None
    created_at: datetime | None = None
    stages: tuple[tuple[datetime, str], ...] = ()
    account_fields: Mapping[str, str] = field(default_factory=dict)


def items_of(value: Value) -> list[Any]:
    """Return the items of a list; any other value, an object included, is a list of one."""
    return value if isinstance(value, list) else [value]


@lru_cache(maxsize=4096)  # the same few days recur for every row
def monday(day: date) -> date:
    """Return the Monday of a day's week (ISO 8601)."""
    return day - timedelta(days=day.weekday())
