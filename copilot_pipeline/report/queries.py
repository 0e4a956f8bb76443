"""Read a report from the marts. A report covers one week and shows the weeks before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from psycopg.rows import RowFactory, class_row, dict_row

from copilot_pipeline.config.marts import MartSettings, ReportSettings, RiskSettings
from copilot_pipeline.marts.intervals import CONFIDENCE_LEVEL
from copilot_pipeline.marts.model import monday
from copilot_pipeline.marts.money import Money
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.report.actions import NO_ACTIONS, Team, read_actions, read_labels, read_teams
from copilot_pipeline.report.deals import OpenDeals, risky_deal
from copilot_pipeline.report.forecast import NO_FORECAST, ForecastSection, read_forecast
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

MAX_REPS = 20
MAX_SKILL_SERIES = 24
MAX_POINTS = 25
MAX_CLAIMS = 40
MAX_DRIVERS = 15
MAX_DEALS = 25
MAX_CALLS = 5  # of the week, listed by title

_SQL = load_queries("copilot_pipeline.report.sql", "report.sql")
Row = TypeVar("Row")


class ReportQueries:
    """Reads the sections of a report from the tables of the warehouse."""

    def __init__(
        self,
        database: Database,
        settings: ReportSettings,
        risks: Sequence[RiskSettings] = (),
        reps: Sequence[str] | None = None,
    ) -> None:
        """`risks` are those of the setting `marts.deals.risks`; their bricks lead to the sentences.

        With `reps`, user ids, all that is listed by rep, call or open deal is that of these reps.
        """
        self._database = database
        self._settings = settings
        self._risks = risks
        self._reps = list(reps) if reps is not None else None

    @classmethod
    def of_marts(cls, database: Database, marts: MartSettings) -> ReportQueries:
        """Return those of a report on all reps, as the settings have it."""
        return cls(database, marts.report, marts.deals.risks)

    def report(self, today: date) -> Report:
        """Return the report on the last week that ended before `today`, or on the newest week with calls before it.

        If all calls are of the current week, the report is on that week.
        """
        week = self._week(today)
        built_at = {row["mart"]: row["built_at"] for row in self._rows("built_at", dict_row)}
        (as_of,) = self._rows("as_of", dict_row)
        return Report(
            title=self._settings.title,
            week=week,
            generated_at=datetime.now(UTC),
            marts_as_of=as_of["marts_as_of"],
            deals_as_of=as_of["deals_as_of"],
            built_at=built_at,
            volume=self.volume(week, today),
            coverage_by_week=self.coverage_by_week(week),
            coverage_by_rep=self.coverage_by_rep(week),
            low_coverage_calls=self.low_coverage_calls(week),
            element_outcomes=self.element_outcomes(),
            talk_shares=self.talk_shares(week),
            skill_series=self.skill_series(week),
            regressions=self.regressions(week),
            claims=self.claims(week),
            accuracy=self.accuracy(week),
            adoption=self.adoption(),
            drivers=self.drivers(),
            conclusion=self._conclusion(),
            open_deals=self.open_deals(),
            unscored=self.unscored(week),
            forecast=self.forecast(),
            actions=read_actions(self._database, week),
            teams=read_teams(self._database, self._first_week(week), week),
            labels=read_labels(self._database),
        )

    def of_team(self, report: Report, team: Team) -> Report:
        """Return what a report on the whole company has of one team: its calls, reps, claims and open deals."""
        reps = [one.rep_id for one in team.reps if one.rep_id is not None]
        own = ReportQueries(self._database, self._settings, self._risks, reps)
        return replace(
            report,
            team=team,
            teams=(team,),
            coverage_by_rep=own.coverage_by_rep(report.week),
            low_coverage_calls=own.low_coverage_calls(report.week),
            talk_shares=own.talk_shares(report.week),
            skill_series=own.skill_series(report.week),
            regressions=own.regressions(report.week),
            claims=own.claims(report.week),
            open_deals=own.open_deals(),
            coverage_by_week=(),
            element_outcomes=(),
            accuracy=(),
            adoption=(),
            forecast=NO_FORECAST,
            actions=NO_ACTIONS,
        )

    def _week(self, today: date) -> date:
        current = monday(today)
        (dates,) = self._rows("call_date_range", dict_row, before=current)
        day = dates["newest"] or dates["oldest"]
        return monday(day) if day else current - timedelta(days=7)

    def _first_week(self, week: date) -> date:
        return week - timedelta(days=7 * (self._settings.weeks - 1))

    def volume(self, week: date, today: date | None = None) -> tuple[Volume, ...]:
        """Return calls by week; weeks without calls have zeros.

        A week is complete if it is over and the data begin before it and reach its Friday.
        """
        return self._rows(
            "volume",
            class_row(Volume),
            first_week=self._first_week(week),
            week=week,
            today=today or week + timedelta(days=7),
        )

    def coverage_by_week(self, week: date) -> tuple[Coverage, ...]:
        """Return the coverage of each element by week."""
        return self._rows("coverage_by_week", class_row(Coverage), first_week=self._first_week(week), week=week)

    def coverage_by_rep(self, week: date) -> tuple[Coverage, ...]:
        """Return the coverage of each element over the weeks shown, the reps with the most calls first."""
        return self._rows("coverage_by_rep", class_row(Coverage), first_week=self._first_week(week), week=week)

    def talk_shares(self, week: date) -> tuple[TalkShare, ...]:
        """Return each rep's own share of the speech over the weeks shown, for the reps with the most calls."""
        rows = self._rows("talk_shares", dict_row, first_week=self._first_week(week), week=week, limit=MAX_REPS)
        return tuple(_talk_share(row) for row in rows)

    def low_coverage_calls(self, week: date) -> tuple[LowCoverageCall, ...]:
        """Return the calls of the week with a deal that cover the fewest elements; internal meetings have no deal."""
        return self._rows("low_coverage_calls", class_row(LowCoverageCall), week=week, limit=MAX_CALLS)

    def unscored(self, week: date) -> UnscoredCalls:
        """Return the calls of the week without scores of any kit."""
        rows = self._rows("unscored_calls", dict_row, week=week, limit=MAX_CALLS)
        total = rows[0]["total"] if rows else 0
        listed = tuple(UnscoredCall(**{name: value for name, value in row.items() if name != "total"}) for row in rows)
        return UnscoredCalls(total, listed)

    def element_outcomes(self) -> tuple[ElementOutcome, ...]:
        """Return the won and lost deals without coverage of each element, the least covered element first."""
        return self._rows("element_outcomes", class_row(ElementOutcome))

    def skill_series(self, week: date | None = None) -> tuple[SkillSeries, ...]:
        """Return the scores of each rep and skill up to the end of a week (None: all).

        Those in regression come first, then the reps with the most calls.
        """
        rows = self._rows(
            "skill_series",
            dict_row,
            last_day=week + timedelta(days=6) if week else None,
            max_series=MAX_SKILL_SERIES,
            max_points=MAX_POINTS,
        )
        grouped = groupby(rows, key=lambda row: (row["rep_id"], row["skill"]))
        return tuple(_series(list(of_series)) for _, of_series in grouped)

    def regressions(self, week: date) -> tuple[Regression, ...]:
        """Return regressions as they were at the end of the week: ongoing ones, and those that recovered in it."""
        return self._rows("regressions", class_row(Regression), week=week)

    def claims(self, week: date) -> tuple[FlaggedClaim, ...]:
        """Return the newest claims up to the end of the week."""
        return self._rows(
            "claims", class_row(FlaggedClaim), first_week=self._first_week(week), week=week, limit=MAX_CLAIMS
        )

    def accuracy(self, week: date) -> tuple[Accuracy, ...]:
        """Return the checked calls without a flagged claim by week."""
        return self._rows("accuracy", class_row(Accuracy), first_week=self._first_week(week), week=week)

    def adoption(self) -> tuple[Adoption, ...]:
        """Return the changes of messaging, newest first."""
        return self._rows("adoption", class_row(Adoption))

    def drivers(self) -> tuple[Driver, ...]:
        """Return the strongest drivers, confirmed ones first."""
        return self._rows("drivers", class_row(Driver), limit=MAX_DRIVERS)

    def _conclusion(self) -> str | None:
        rows = self._rows("conclusion", dict_row)
        return rows[0]["conclusion"] if rows else None

    def open_deals(self) -> OpenDeals:
        """Return the number of open deals, and those with risks: those with a sentence and the largest first."""
        deals = self._deals_of_reps()
        (counts,) = self._rows("open_deal_counts", dict_row, deals=deals)
        bricks = [(risk.name, brick.key) for risk in self._risks for _, brick, _ in risk.when.comparisons()]
        risky = self._rows(
            "risky_deals",
            dict_row,
            deals=deals,
            limit=MAX_DEALS,
            risks=[name for name, _ in bricks],
            kits=[kit for _, (kit, _) in bricks],
            bricks=[brick for _, (_, brick) in bricks],
        )
        is_converted = counts["converted"] is not None and not counts["not_converted"]
        return OpenDeals(
            deals=counts["deals"],
            with_risks=counts["with_risks"],
            without_amount=counts["without_amount"],
            pipeline=self._rows("pipeline_by_currency", class_row(Money), deals=deals),
            converted=Money(counts["converted_currency"], counts["converted"]) if is_converted else None,
            risky=tuple(map(risky_deal, risky)),
            at_risk=self._rows("at_risk_by_currency", class_row(Money), deals=deals),
        )

    def _deals_of_reps(self) -> list[str] | None:
        """Return the open deals of the reps that are listed; None if those of all are."""
        if self._reps is None:
            return None
        return [row["deal_id"] for row in self._rows("deals_of_reps", dict_row)]

    def forecast(self) -> ForecastSection:
        """Return the newest forecast and its track record."""
        return read_forecast(self._database)

    def _rows(self, query: str, row_factory: RowFactory[Row], **parameters: Any) -> tuple[Row, ...]:
        with self._database.connection() as connection, connection.cursor(row_factory=row_factory) as cursor:
            return tuple(cursor.execute(_SQL[query], {"reps": self._reps, **parameters}))


def _series(rows: list[dict[str, Any]]) -> SkillSeries:
    newest = rows[-1]
    columns = [one.name for one in fields(SkillPoint)]
    points = tuple(SkillPoint(**{name: row[name] for name in columns}) for row in rows)
    return SkillSeries(
        rep=newest["rep"],
        skill=newest["skill"],
        threshold=newest["threshold"],
        in_regression=newest["in_regression"],
        points=points,
        review_url=newest["review_url"],
    )


def _talk_share(row: dict[str, Any]) -> TalkShare:
    """Return the mean with its t interval, cut to the possible values."""
    margin = None
    if row["n"] > 1:
        from scipy.stats import t

        margin = float(t.ppf(0.5 + CONFIDENCE_LEVEL / 2, row["n"] - 1)) * row["deviation"] / float(row["n"]) ** 0.5
    return TalkShare(
        rep=row["rep"],
        n=row["n"],
        mean=row["mean"],
        low=max(0.0, row["mean"] - margin) if margin is not None else None,
        high=min(1.0, row["mean"] + margin) if margin is not None else None,
        all_own_speakers=row["all_own_speakers"],
    )
