"""The content of a report as plain values, read from the marts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from copilot_pipeline.report.actions import NO_ACTIONS, Actions, Team
from copilot_pipeline.report.deals import OpenDeals
from copilot_pipeline.report.forecast import NO_FORECAST, ForecastSection


@dataclass(frozen=True, slots=True)
class Volume:
    """Calls of a week, and how many have a transcript, scores and a CRM link."""

    week: date  # its Monday
    calls: int
    with_transcript: int
    scored: int  # with a finished run of at least one kit
    linked: int  # to a deal or an account of the CRM
    is_complete: bool = True  # whether data of all of its days are there


@dataclass(frozen=True, slots=True)
class Coverage:
    """The scored calls of a group that cover an element."""

    group: str  # a Monday as YYYY-MM-DD, or a rep
    element: str
    n: int
    covered: int
    team: str | None = None  # of a rep

    @property
    def share(self) -> float:
        """Covered share of `n`, which is never 0."""
        return self.covered / self.n


@dataclass(frozen=True, slots=True)
class LowCoverageCall:
    """A scored call of the week that covers few elements."""

    title: str | None
    started_at: datetime
    rep: str | None
    n: int  # elements that its kits score
    covered: int
    missing: Sequence[str]
    review_url: str | None
    account: str | None = None
    deal: str | None = None


@dataclass(frozen=True, slots=True)
class UnscoredCall:
    """A call of the week without scores, and the reason."""

    title: str | None
    started_at: datetime
    why: str
    review_url: str | None
    account: str | None = None
    deal: str | None = None


@dataclass(frozen=True, slots=True)
class UnscoredCalls:
    """The number of calls without scores, and the newest of them."""

    total: int
    listed: tuple[UnscoredCall, ...]


@dataclass(frozen=True, slots=True)
class ElementOutcome:
    """Deals of one outcome in which no call covered an element."""

    element: str
    outcome: str
    n: int
    uncovered: int
    low: float
    high: float
    mean_calls: float
    p_value: float | None
    adjusted_difference: float | None  # lost minus won, at the same number of scored calls
    adjusted_low: float | None
    adjusted_high: float | None
    adjusted_n: int | None

    @property
    def share(self) -> float:
        """Uncovered share of `n`, which is never 0."""
        return self.uncovered / self.n


@dataclass(frozen=True, slots=True)
class SkillPoint:
    """The score of a skill on one call."""

    call_number: int
    started_at: datetime
    score: float
    is_below: bool
    rolling_mean: float


@dataclass(frozen=True, slots=True)
class SkillSeries:
    """The newest scores of a rep's skill, in call order."""

    rep: str
    skill: str
    threshold: float
    in_regression: bool
    points: tuple[SkillPoint, ...]
    review_url: str | None = None  # of the newest call


@dataclass(frozen=True, slots=True)
class Regression:
    """A skill below its threshold, and lower than the rep's own earlier calls."""

    rep: str
    skill: str
    manager: str | None
    calls: int
    latest: float
    lowest: float
    threshold: float
    mean: float
    earlier_mean: float
    earlier_calls: int
    run_chance: float | None  # of as many calls in a row below the threshold at the rep's own level
    first_call_at: datetime
    detected_on: date
    recovered_at: datetime | None
    calls_since_training: int | None
    review_url: str | None  # of the first call
    account: str | None = None  # of the first call
    deal: str | None = None


@dataclass(frozen=True, slots=True)
class FlaggedClaim:
    """A flagged claim with its quote."""

    week: date
    started_at: datetime
    rep: str | None
    kind: str
    quote: str | None
    statement: str | None
    match: str
    start_s: float | None
    speaker: str | None
    document: str | None
    product: str | None
    reason: str | None
    review_url: str | None
    account: str | None = None
    deal: str | None = None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The checked calls of a week, and those without a flagged claim."""

    week: date
    n: int
    accurate: int
    claims: int
    share: float
    low: float
    high: float

    @property
    def flagged(self) -> int:
        """Checked calls with a flagged claim."""
        return self.n - self.accurate


@dataclass(frozen=True, slots=True)
class TalkShare:
    """A rep's own share of the speech: the mean over calls, with its interval (None for a single call)."""

    rep: str
    n: int
    mean: float
    low: float | None
    high: float | None
    all_own_speakers: float | None  # the mean share of all own speakers together on the same calls


@dataclass(frozen=True, slots=True)
class Adoption:
    """A change of messaging and its use on calls."""

    message: str
    changed_on: date
    n: int
    calls_using: int
    lag_days: float | None
    still_old: int


@dataclass(frozen=True, slots=True)
class Driver:
    """A condition that is associated with won or lost deals. All numbers are those of the newer deals."""

    condition: str
    sentence: str
    support: int
    won: int
    win_rate: float
    low: float
    high: float
    expected_rate: float | None  # of comparable deals
    is_confirmed: bool
    is_significant: bool  # on the older deals
    direction: str


@dataclass(frozen=True, slots=True)
class Report:
    """The content of the page."""

    title: str
    week: date  # Monday of the week of the report
    generated_at: datetime
    marts_as_of: datetime | None  # when the oldest mart was built; None before the first
    deals_as_of: datetime | None  # the age of the deals that it was built from
    built_at: Mapping[str, datetime]  # by mart
    volume: tuple[Volume, ...]
    coverage_by_week: tuple[Coverage, ...]
    coverage_by_rep: tuple[Coverage, ...]
    low_coverage_calls: tuple[LowCoverageCall, ...]
    element_outcomes: tuple[ElementOutcome, ...]
    talk_shares: tuple[TalkShare, ...]
    skill_series: tuple[SkillSeries, ...]
    regressions: tuple[Regression, ...]
    claims: tuple[FlaggedClaim, ...]
    accuracy: tuple[Accuracy, ...]
    adoption: tuple[Adoption, ...]
    drivers: tuple[Driver, ...]
    conclusion: str | None  # None before the first win/loss analysis
    open_deals: OpenDeals
    unscored: UnscoredCalls
    forecast: ForecastSection = NO_FORECAST
    actions: Actions = NO_ACTIONS
    teams: tuple[Team, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)  # of bricks, by code
    team: Team | None = None  # of a manager's page, which has only what concerns the team

    @property
    def week_before(self) -> date:
        """The Monday of the week before."""
        return self.week - timedelta(days=7)

    @property
    def first_week(self) -> date:
        """The Monday of the first week that is shown."""
        return self.volume[0].week if self.volume else self.week

    @property
    def incomplete_weeks(self) -> frozenset[date]:
        """The Mondays of the weeks without data of all of their days."""
        return frozenset(one.week for one in self.volume if not one.is_complete)

    @property
    def is_complete(self) -> bool:
        """Whether data of all days of the week are there."""
        return self.week not in self.incomplete_weeks

    @property
    def is_comparable(self) -> bool:
        """Whether the week and the week before are complete; only then are they compared."""
        return self.is_complete and self.week_before not in self.incomplete_weeks

    @property
    def last_day(self) -> date:
        """The Sunday of the week."""
        return self.week + timedelta(days=6)
