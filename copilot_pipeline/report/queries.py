"""Reads a report from the marts. A report is about one week, and shows the weeks that led to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from psycopg.rows import class_row

from copilot_pipeline.config.marts import ReportSettings
from copilot_pipeline.marts.model import monday
from copilot_pipeline.postgres import Database
from copilot_pipeline.report.model import (
    Accuracy,
    Adoption,
    Coverage,
    Driver,
    Ending,
    FlaggedClaim,
    OpenDeals,
    Regression,
    Report,
    RiskyDeal,
    SkillCourse,
    SkillPoint,
    ThinCall,
    Unscored,
    UnscoredCall,
    Volume,
)

MOST_REPS = 20
MOST_COURSES = 24
MOST_POINTS = 25
MOST_CLAIMS = 40
MOST_DRIVERS = 15
MOST_DEALS = 25
MOST_CALLS = 5  # of the week, by name

Row = TypeVar("Row")

_COURSES = """
WITH ranked AS (
  SELECT rep_id, skill, bool_or(regression_detected AND newest = 1) AS is_sliding, max(call_number) AS calls
  FROM (
    SELECT rep_id, skill, call_number, regression_detected,
      row_number() OVER (PARTITION BY rep_id, skill ORDER BY call_number DESC) AS newest
    FROM copilot.coaching_scores
  ) AS numbered GROUP BY rep_id, skill
  ORDER BY 3 DESC, 4 DESC, 1, 2 LIMIT %s
)
SELECT coalesce(rep_name, rep_id), skill, threshold, is_sliding, call_number, started_at, score, is_below,
  rolling_mean, review_url
FROM copilot.coaching_scores JOIN ranked USING (rep_id, skill)
WHERE call_number > calls - %s
ORDER BY is_sliding DESC, calls DESC, rep_id, skill, call_number
"""


class ReportQueries:
    """The answers as they stand in the tables."""

    def __init__(self, database: Database, settings: ReportSettings) -> None:
        self._database = database
        self._settings = settings

    def report(self, today: date) -> Report:
        """The report on the last finished week before `today`, or on the newest week with calls before it."""
        week = self._week(today)
        return Report(
            title=self._settings.title,
            week=week,
            made_at=datetime.now(UTC),
            volume=self.volume(week),
            coverage_by_week=self.coverage_by_week(week),
            coverage_by_rep=self.coverage_by_rep(),
            thin_calls=self.thin_calls(week),
            endings=self.endings(),
            courses=self.courses(),
            slides=self.slides(week),
            claims=self.claims(week),
            accuracy=self.accuracy(week),
            adoption=self.adoption(),
            drivers=self.drivers(),
            conclusion=self._conclusion(),
            open_deals=self.open_deals(),
            unscored=self.unscored(week),
        )

    def _week(self, today: date) -> date:
        finished = monday(today) - timedelta(days=7)
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT max(call_date) FILTER (WHERE call_date < %s), min(call_date) FROM copilot.calls",
                (finished + timedelta(days=7),),
            ).fetchone()
        newest, oldest = row if row else (None, None)
        # All calls may be of this week: then it is about this week.
        return monday(newest or oldest) if (newest or oldest) else finished

    def _first_week(self, week: date) -> date:
        return week - timedelta(days=7 * (self._settings.weeks - 1))

    def volume(self, week: date) -> tuple[Volume, ...]:
        """By week; weeks without a call between others are there with zeros."""
        return self._rows(
            Volume,
            """SELECT week::date AS week, count(calls.call_id)::int AS calls,
              (count(*) FILTER (WHERE has_transcript))::int AS with_transcript,
              (count(*) FILTER (WHERE EXISTS (SELECT FROM copilot.semarize_runs AS runs
                WHERE runs.call_id = calls.call_id AND runs.status = 'succeeded')))::int AS scored,
              (count(*) FILTER (WHERE has_crm_link))::int AS linked
            FROM generate_series(
              greatest(%s::date, (SELECT date_trunc('week', min(call_date)) FROM copilot.calls)),
              %s::date, interval '7 days') AS week
            LEFT JOIN copilot.calls AS calls ON calls.call_date >= week AND calls.call_date < week + interval '7 days'
            GROUP BY 1 ORDER BY 1""",
            (self._first_week(week), week),
        )

    def coverage_by_week(self, week: date) -> tuple[Coverage, ...]:
        """The elements, week by week."""
        return self._rows(
            Coverage,
            """SELECT grain_id AS "group", element, n::int, covered::int FROM copilot.meddicc_summary
            WHERE grain = 'week' AND n > 0 AND grain_id::date BETWEEN %s AND %s ORDER BY grain_id, element""",
            (self._first_week(week), week),
        )

    def coverage_by_rep(self) -> tuple[Coverage, ...]:
        """The elements by rep, over all calls; the reps with most calls."""
        return self._rows(
            Coverage,
            """SELECT coalesce(grain_name, grain_id) AS "group", element, n::int, covered::int
            FROM copilot.meddicc_summary JOIN (
              SELECT grain_id FROM copilot.meddicc_summary WHERE grain = 'rep' GROUP BY 1
              ORDER BY max(n) DESC, 1 LIMIT %s) AS most USING (grain_id)
            WHERE grain = 'rep' AND n > 0 ORDER BY n DESC, grain_id, element""",
            (MOST_REPS,),
        )

    def thin_calls(self, week: date) -> tuple[ThinCall, ...]:
        """Calls of the week on a deal that covered least: a meeting among colleagues has nothing to cover."""
        return self._rows(
            ThinCall,
            """SELECT calls.title, calls.started_at, min(coverage.rep_name) AS rep, count(*)::int AS n,
              (count(*) FILTER (WHERE coverage.is_covered))::int AS covered,
              coalesce(array_agg(coverage.element) FILTER (WHERE NOT coverage.is_covered), '{}') AS lacks,
              calls.review_url
            FROM copilot.meddicc_coverage AS coverage JOIN copilot.calls AS calls USING (call_id)
            WHERE coverage.week = %s AND calls.deal_id IS NOT NULL
            GROUP BY calls.call_id HAVING NOT bool_and(coverage.is_covered)
            ORDER BY avg(coverage.is_covered::int), calls.started_at DESC, calls.call_id LIMIT %s""",
            (week, MOST_CALLS),
        )

    def unscored(self, week: date) -> Unscored:
        """Calls of the week without scores of any kit."""
        without = """FROM copilot.calls WHERE call_date >= %s AND call_date < %s AND NOT EXISTS (
          SELECT FROM copilot.semarize_runs AS runs WHERE runs.call_id = calls.call_id AND status = 'succeeded')"""
        days = (week, week + timedelta(days=7))
        with self._database.connection() as connection:
            row = connection.execute(f"SELECT count(*) {without}".encode(), days).fetchone()
        named = self._rows(
            UnscoredCall,
            f"""SELECT title, started_at, review_url, coalesce((SELECT string_agg(DISTINCT why, '; ')
              FROM copilot.calls_without_scores AS one WHERE one.call_id = calls.call_id), 'not scored yet') AS why
            {without} ORDER BY started_at DESC, call_id LIMIT %s""",
            (*days, MOST_CALLS),
        )
        return Unscored(row[0] if row else 0, named)

    def endings(self) -> tuple[Ending, ...]:
        """Won and lost deals without coverage, the least covered first."""
        return self._rows(
            Ending,
            """SELECT element, outcome, n::int, uncovered::int, share_low AS low, share_high AS high, p_value
            FROM copilot.meddicc_outcomes WHERE outcome IN ('won', 'lost')
            ORDER BY max(share) FILTER (WHERE outcome = 'lost') OVER (PARTITION BY element) DESC NULLS LAST,
              element, outcome""",
        )

    def courses(self) -> tuple[SkillCourse, ...]:
        """The courses of skills: those that slide, then of the reps with most calls."""
        with self._database.connection() as connection:
            rows = connection.execute(_COURSES, (MOST_COURSES, MOST_POINTS)).fetchall()
        return tuple(_course(list(points)) for _, points in groupby(rows, key=lambda row: row[:4]))

    def slides(self, week: date) -> tuple[Regression, ...]:
        """Slides that are not over, and those that ended in the week or after it."""
        return self._rows(
            Regression,
            """SELECT coalesce(slides.rep_name, rep_id) AS rep, skill, coalesce(manager_name, manager_id) AS manager,
              slides.calls::int, latest, lowest, threshold, first_call_at, detected_at, recovered_at,
              calls_since_training::int, first.review_url
            FROM copilot.coaching_regressions AS slides
              LEFT JOIN copilot.calls AS first ON first.call_id = slides.first_call_id
            WHERE NOT is_over OR recovered_at >= %s ORDER BY is_over, detected_at DESC, rep_id, skill""",
            (week,),
        )

    def claims(self, week: date) -> tuple[FlaggedClaim, ...]:
        """The newest claims up to the end of the week."""
        return self._rows(
            FlaggedClaim,
            """SELECT week, started_at, rep_name AS rep, kind, quote, match, start_s, speaker, document, product,
              reason, review_url
            FROM copilot.claims WHERE week BETWEEN %s AND %s ORDER BY started_at DESC, claim_id LIMIT %s""",
            (self._first_week(week), week, MOST_CLAIMS),
        )

    def accuracy(self, week: date) -> tuple[Accuracy, ...]:
        """Calls without a flagged claim, week by week."""
        return self._rows(
            Accuracy,
            """SELECT grain_id::date AS week, n::int, accurate::int, claims::int, share, share_low AS low,
              share_high AS high
            FROM copilot.claim_accuracy WHERE grain = 'week' AND n > 0 AND grain_id::date BETWEEN %s AND %s
            ORDER BY 1""",
            (self._first_week(week), week),
        )

    def adoption(self) -> tuple[Adoption, ...]:
        """Changes of messaging, newest first."""
        return self._rows(
            Adoption,
            """SELECT message, changed_on, n::int, calls_using::int, lag_days, still_old::int
            FROM copilot.message_adoption WHERE rep_id = 'all' ORDER BY changed_on DESC, message""",
        )

    def drivers(self) -> tuple[Driver, ...]:
        """The best drivers: what is certain first, and little else once something is."""
        return self._rows(
            Driver,
            """SELECT condition, sentence, support::int, won::int, win_rate, win_rate_low AS low,
              win_rate_high AS high, base_rate, q_value, is_significant, direction
            FROM copilot.win_loss_drivers
            ORDER BY is_significant DESC, CASE direction
              WHEN 'wins' THEN win_rate_low / nullif(base_rate, 0)
              ELSE (1 - win_rate_high) / nullif(1 - base_rate, 0) END DESC NULLS LAST, condition LIMIT %s""",
            (MOST_DRIVERS,),
        )

    def _conclusion(self) -> str | None:
        with self._database.connection() as connection:
            row = connection.execute("SELECT conclusion FROM copilot.win_loss_conclusion").fetchone()
        return row[0] if row else None

    def open_deals(self) -> OpenDeals:
        """Open deals; those with most risks by name."""
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT count(*), count(*) FILTER (WHERE risks > 0) FROM copilot.deal_inspection"
            ).fetchone()
        risky = self._rows(
            RiskyDeal,
            """SELECT coalesce(deal_name, deal_id) AS name, account_name AS account, stage, amount,
              days_since_last_call, prospects::int, owner_name AS owner, coalesce(risk_flags, '{}') AS risks,
              coalesce(stage_lacks, '{}') AS lacks, meddicc_covered AS covered, last_call_url AS review_url
            FROM copilot.deal_inspection WHERE risks > 0
            ORDER BY deal_inspection.risks DESC, amount DESC NULLS LAST, deal_id LIMIT %s""",
            (MOST_DEALS,),
        )
        deals, with_risks = row or (0, 0)
        return OpenDeals(deals, with_risks, risky)

    def _rows(self, row: type[Row], query: str, values: Sequence[Any] = ()) -> tuple[Row, ...]:
        with self._database.connection() as connection, connection.cursor(row_factory=class_row(row)) as cursor:
            return tuple(cursor.execute(query.encode(), values))


def _course(rows: Sequence[tuple[Any, ...]]) -> SkillCourse:
    """A rep's skill, from its rows in call order."""
    rep, skill, threshold, is_sliding, *_ = rows[-1]
    return SkillCourse(
        rep, skill, threshold, is_sliding, tuple(SkillPoint(*row[4:9]) for row in rows), review_url=rows[-1][9]
    )
