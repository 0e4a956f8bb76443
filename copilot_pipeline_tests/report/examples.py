"""Builders of reports for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from copilot_pipeline.marts.money import Money
from copilot_pipeline.report import render
from copilot_pipeline.report.deals import OpenDeals, RiskyDeal
from copilot_pipeline.report.forecast import (
    Decile,
    ForecastDeal,
    ForecastMonth,
    ForecastReason,
    ForecastSection,
    Overdue,
    TrackRecord,
)
from copilot_pipeline.report.model import (
    Accuracy,
    Adoption,
    Coverage,
    Driver,
    ElementOutcome,
    FlaggedClaim,
    LowCoverageCall,
    Regression,
    Report,
    SkillPoint,
    SkillSeries,
    TalkShare,
    UnscoredCall,
    UnscoredCalls,
    Volume,
)

WEEK = date(2026, 11, 16)
MOMENT = datetime(2026, 11, 18, 12, tzinfo=UTC)
LINK = "https://copilot.clari.com/call/c-1"
ELEMENTS = ("metrics", "economic_buyer", "decision_criteria", "decision_process", "identify_pain", "champion")
CONCLUSION = (
    "budget_confirmed: 4.1 times the wins expected of comparable deals (95 % interval 3.2 to 5.0): 37 of 52 newer "
    "deals won, 9.0 expected. Of 900 conditions tested on 180 closed deals, 2 are confirmed."
)

EMPTY = Report(
    title="Conversations",
    week=WEEK,
    generated_at=MOMENT,
    marts_as_of=None,
    deals_as_of=None,
    built_at={},
    volume=(),
    coverage_by_week=(),
    coverage_by_rep=(),
    low_coverage_calls=(),
    element_outcomes=(),
    talk_shares=(),
    skill_series=(),
    regressions=(),
    claims=(),
    accuracy=(),
    adoption=(),
    drivers=(),
    conclusion=None,
    open_deals=OpenDeals(0, 0, 0, (), None, ()),
    unscored=UnscoredCalls(0, ()),
)


def weeks(count: int) -> list[date]:
    """Return consecutive Mondays; the last is that of the report."""
    return [WEEK - timedelta(days=7 * back) for back in reversed(range(count))]


def series(rep: str = "Ana Ruiz", *, in_regression: bool = False) -> SkillSeries:
    """Return a series of twenty calls."""
    points = tuple(
        SkillPoint(number, MOMENT, 0.3 if in_regression and number > 15 else 0.7, in_regression and number > 15, 0.6)
        for number in range(1, 21)
    )
    return SkillSeries(rep, "objection_handling_score", 0.6, in_regression, points)


def regression(rep: str = "Ana Ruiz", **fields: Any) -> Regression:
    """Return an ongoing regression that was detected in the week."""
    found = Regression(rep, "objection_handling_score", "Max Boss", 5, 0.3, 0.2, 0.6, 0.25, 0.71, 24, 0.004,
                       MOMENT, MOMENT.date(), None, 4, LINK)  # fmt: skip
    return replace(found, **fields)


def claim(quote: str | None = "It ships in March.", **fields: Any) -> FlaggedClaim:
    """Return a claim whose quote is in the transcript."""
    found = FlaggedClaim(
        WEEK,
        MOMENT,
        "Ana Ruiz",
        "roadmap_leak",
        quote,
        "yes",
        "exact",
        92.5,
        "Ana Ruiz",
        "Roadmap Policy",
        None,
        None,
        LINK,
    )
    return replace(found, **fields)


def driver(condition: str, **fields: Any) -> Driver:
    """Return a confirmed driver of winning."""
    found = Driver(
        condition,
        f"{condition}: 4.1 times the wins expected of comparable deals (95 % interval 3.2 to 5.0): 37 of 52 newer "
        "deals won, 9.0 expected",
        52, 37, 0.71, 0.58, 0.82, 0.17, True, True, "wins",
    )  # fmt: skip
    return replace(found, **fields)


def forecast_section(**fields: Any) -> ForecastSection:
    """Return a forecast of two currencies by a model that is better than the stage."""
    months = tuple(
        ForecastMonth(f"2026-{number:02}" if number < 13 else "none", currency, 9, 900e3, 400e3, 350e3, 98e3, 690e3,
                      253e3, 627e3)
        for currency in ("EUR", None)
        for number in (11, 12, 13)
    )  # fmt: skip
    reasons = (
        ForecastReason("champion: yes on 2 of 5 calls: +9 points", LINK),
        ForecastReason("silent for 21 days: \N{MINUS SIGN}14 points", None),
    )
    deal = ForecastDeal("Acme", "Acme Inc", "Proposal", "Ana", 120e3, "EUR", WEEK, 0.64, 0.31, 0.84, reasons, LINK)
    record = TrackRecord(
        "backtest", 254, 1953, 0.215, 0.235, 0.238, "The model is better than the win rate of the stage.", WEEK, WEEK
    )
    section = ForecastSection(
        made_on=WEEK,
        basis="model",
        note="Brier score of 254 closed deals in the backtest.",
        months=months,
        overdue=(Overdue("EUR", 3, 90e3, 20e3),),
        deals=(deal,),
        records=(record,),
        deciles=tuple(Decile(80, 8 * n, n / 10 - 0.05, n / 10, n / 10 - 0.08, n / 10 + 0.08) for n in range(1, 10)),
    )
    return replace(section, **fields)


def full(**fields: Any) -> Report:
    """Return a report with content in every section: twelve weeks, twenty reps."""
    report = replace(
        EMPTY,
        volume=tuple(Volume(week, 120 + n, 110, 100, 90) for n, week in enumerate(weeks(12))),
        coverage_by_week=tuple(
            Coverage(week.isoformat(), element, 100, 40 + 3 * n)
            for n, week in enumerate(weeks(12))
            for element in ELEMENTS
        ),
        coverage_by_rep=tuple(Coverage(f"Rep {n}", element, 30, n) for n in range(20) for element in ELEMENTS),
        low_coverage_calls=(
            LowCoverageCall("Renewal with Acme", MOMENT, "Ana Ruiz", 6, 1, ("champion", "decision_process"), LINK),
        ),
        element_outcomes=tuple(
            ElementOutcome(element, outcome, 300, 204, 0.62, 0.73, 4.2, 0.001, 0.06, -0.02, 0.14, 560)
            for element in ELEMENTS
            for outcome in ("lost", "won")
        ),
        talk_shares=(TalkShare("Ana Ruiz", 40, 0.26, 0.24, 0.28, 0.5), TalkShare("Bo Li", 1, 0.3, None, None, 0.3)),
        skill_series=(series(in_regression=True), *(series(f"Rep {n}") for n in range(11))),
        regressions=(regression(), regression("Bo Li", recovered_at=MOMENT, manager=None, review_url=None)),
        claims=(
            claim(),
            claim("This was never said.", match="not found", start_s=None, speaker=None),
            claim(None, match="no quote", start_s=None),
        ),
        accuracy=tuple(Accuracy(week, 100, 90, 12, 0.9, 0.83, 0.94) for week in weeks(12)),
        adoption=(Adoption("New pricing", WEEK, 80, 30, 4.0, 12), Adoption("New name", WEEK, 80, 0, None, 80)),
        drivers=(
            driver("budget_confirmed and decision_maker_present and discovery_depth > 65"),
            driver("not champion", direction="losses", won=3, win_rate=0.06, low=0.02, high=0.16),
            driver(
                "weather",
                is_confirmed=False,
                is_significant=False,
                sentence="weather: 1.1 times the wins expected of comparable deals (95 % interval 0.6 to 1.8): 9 of 40 "
                "newer deals won, 8.2 expected, not significant",
            ),
        ),
        conclusion=CONCLUSION,
        open_deals=OpenDeals(
            19,
            1,
            2,
            (Money("EUR", 1234567.0), Money("USD", 50000.0)),
            Money("EUR", 1280567.0),
            (RiskyDeal("Acme", "Acme Inc", "Negotiation", 1234567.0, "EUR", 20.0, 1, "Ana", ("risk_flag",), ("budget",),
                       0.5, LINK),),
        ),
        forecast=forecast_section(),
        unscored=UnscoredCalls(31, (UnscoredCall(None, MOMENT, "the vendor is still working on it", LINK),)),
    )  # fmt: skip
    return replace(report, **fields)


@cache
def full_page() -> str:
    """Return the page of `full()`, which takes seconds to draw."""
    return render(full())
