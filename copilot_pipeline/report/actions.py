"""What to do this week: the forecast and its moves, and what reps and teams do on their calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from psycopg.rows import RowFactory, class_row, dict_row

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries

DAYS_BETWEEN = 7  # between the two forecasts that are compared
MAX_MOVES = 4  # by currency
MAX_CHANGES = 4
MAX_TOPICS = 3  # of a rep or a team

_SQL = load_queries("copilot_pipeline.report.sql", "actions.sql")
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class ForecastTotal:
    """The expected amount of the open deals in one currency, now and in an earlier forecast."""

    currency: str | None
    made_on: date
    deals: int  # with an amount and a probability
    expected: float
    before_on: date | None  # None without a forecast of a week earlier
    before: float | None
    before_is_reconstructed: bool = False  # computed later, from what was known on that day

    @property
    def change(self) -> float | None:
        """The expected amount minus the earlier one."""
        return self.expected - self.before if self.before is not None else None


@dataclass(frozen=True, slots=True)
class ForecastMove:
    """A deal that moved the forecast: its part of the expected amount now and before, and what changed."""

    name: str
    account: str | None
    currency: str | None
    expected: float
    before: float
    cause: str  # new, won, lost, removed, amount, stage or probability
    stage: str | None
    stage_before: str | None
    probability: float | None
    probability_before: float | None
    reason: str | None  # the strongest reason of the present probability
    review_url: str | None

    @property
    def change(self) -> float:
        """The effect on the forecast."""
        return self.expected - self.before


@dataclass(frozen=True, slots=True)
class PipelineChange:
    """A change of an open deal in the week, as a sentence."""

    name: str
    account: str | None
    sentence: str
    change: float
    currency: str | None


@dataclass(frozen=True, slots=True)
class PipelineStep:
    """The open pipeline at the beginning and the end of the week, in one currency."""

    currency: str | None
    opening: float
    closing: float


@dataclass(frozen=True, slots=True)
class Actions:
    """Why the forecast moved."""

    totals: tuple[ForecastTotal, ...] = ()
    moves: tuple[ForecastMove, ...] = ()
    pipeline: tuple[PipelineStep, ...] = ()
    changes: tuple[PipelineChange, ...] = ()

    def moves_in(self, currency: str | None) -> list[ForecastMove]:
        """Return the largest moves in a currency."""
        return [move for move in self.moves if move.currency == currency][:MAX_MOVES]


NO_ACTIONS = Actions()


@dataclass(frozen=True, slots=True)
class TopicCount:
    """A topic and the calls on which it came up."""

    topic: str
    calls: int


@dataclass(frozen=True, slots=True)
class Activity:
    """What happened on the calls of a rep or of a team. Means are None if no call has the figure."""

    name: str
    calls: int  # on which the rep spoke
    talk_share: float | None  # mean of the own share of the speech
    talk_n: int
    led: int  # calls of which the rep is the call's rep; the figures below are theirs
    longest_monologue_s: float | None  # mean of the longest monologue of the call
    monologue_n: int
    questions: float | None  # of own speakers, mean by call
    questions_n: int
    with_competitor: int
    with_next_steps: int
    topics: tuple[TopicCount, ...] = ()  # the most frequent ones, of the calls of which the rep is the call's rep
    rep_id: str | None = None  # None for a team


@dataclass(frozen=True, slots=True)
class Team:
    """A manager's team: the figures over all of its calls, and those of its reps."""

    total: Activity
    reps: tuple[Activity, ...] = field(default=())
    manager_email: str | None = None
    manager_id: str | None = None


def read_actions(database: Database, week: date) -> Actions:
    """Return the newest forecast against that of a week earlier, and the changes of the pipeline in a week."""
    parameters = {"week": week, "days": DAYS_BETWEEN, "limit": MAX_CHANGES}
    with database.connection() as connection:
        return Actions(
            totals=_rows(connection, "forecast_totals", class_row(ForecastTotal), parameters),
            moves=_rows(connection, "forecast_moves", class_row(ForecastMove), {**parameters, "limit": MAX_MOVES}),
            pipeline=_rows(connection, "pipeline_of_week", class_row(PipelineStep), parameters),
            changes=_rows(connection, "pipeline_changes", class_row(PipelineChange), parameters),
        )


def read_teams(database: Database, first_week: date, week: date) -> tuple[Team, ...]:
    """Return the teams with the most calls first; in each the reps by name."""
    with database.connection() as connection:
        rows = _rows(connection, "activity", dict_row, {"first_week": first_week, "week": week, "topics": MAX_TOPICS})
    teams: dict[object, list[Activity]] = {}
    totals: dict[object, Activity] = {}
    emails: dict[object, str | None] = {}
    for row in rows:
        manager, is_total = row.pop("manager_id"), row.pop("is_total")
        emails[manager] = row.pop("manager_email")
        topics = tuple(TopicCount(**topic) for topic in row.pop("topics"))
        one = Activity(**row, topics=topics)
        if is_total:
            totals[manager] = one
        else:
            teams.setdefault(manager, []).append(one)
    return tuple(
        Team(total, tuple(teams.get(manager, ())), emails[manager], None if manager is None else str(manager))
        for manager, total in totals.items()
    )


def read_labels(database: Database) -> dict[str, str]:
    """Return the label of each brick that has one, by code; empty in a database without the table `bricks`."""
    with database.connection() as connection:
        (exists,) = _rows(connection, "has_bricks", dict_row, {})
        if not exists["has_bricks"]:
            return {}
        return {row["brick"]: row["label"] for row in _rows(connection, "labels", dict_row, {})}


def _rows(
    connection: Connection, query: str, row_factory: RowFactory[Row], parameters: dict[str, object]
) -> tuple[Row, ...]:
    return tuple(connection.cursor(row_factory=row_factory).execute(_SQL[query], parameters))


def count_of_reps(teams: Sequence[Team]) -> int:
    """Count the reps of all teams."""
    return sum(len(team.reps) for team in teams)
