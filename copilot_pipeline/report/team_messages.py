"""The report on each team for its manager, and its figures as text: names and figures, without quotes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from copilot_pipeline.days import day_in_text
from copilot_pipeline.marts.money import formatted
from copilot_pipeline.report.actions import Activity, Team
from copilot_pipeline.report.deals import RiskyDeal
from copilot_pipeline.report.figures import ongoing_regressions
from copilot_pipeline.report.formatting import count_of, display_name, labelled, plain, score, skill_name
from copilot_pipeline.report.model import Report
from copilot_pipeline.report.queries import ReportQueries


def team_reports(report: Report, queries: ReportQueries) -> Iterator[tuple[str, str, Report]]:
    """Yield the e-mail address of each manager, the file of the report on the team in the lake, and that report.

    Teams without a manager or an address are left out.
    """
    for team in report.teams:
        if team.manager_email and team.manager_id:
            number = hashlib.sha256(team.manager_id.encode()).hexdigest()[:16]  # an id may not be a name of a file
            file = f"reports/week-of-{report.week.isoformat()}-team-{number}.html"
            yield team.manager_email, file, queries.of_team(report, team)


def team_message(report: Report) -> str:
    """Return a report on a team as text."""
    return "\n".join(_lines(report, report.team)) if report.team is not None else ""


def _lines(report: Report, team: Team) -> Iterator[str]:
    yield f"Week of {day_in_text(report.week)}, {count_of(len(team.reps), 'rep')}."
    yield from _block(
        "To coach",
        [
            f"{plain(one.rep)}: {skill_name(one.skill)} fell from {score(one.earlier_mean)} (n {one.earlier_calls}) "
            f"to {score(one.mean)} (n {one.calls})"
            for one in ongoing_regressions(report)
        ],
    )
    yield from _block(
        "Claims to correct",
        [
            f"{plain(one.rep or 'unknown')}: {display_name(one.kind)}"
            f"{f', see {plain(one.document)}' if one.document else ''}"
            for one in report.claims
            if one.week == report.week
        ],
    )
    yield from _block(
        "Deals with risks",
        [_deal(one, report) for one in report.open_deals.risky],
    )
    yield from _block(
        f"Calls from {day_in_text(report.first_week)} to {day_in_text(report.last_day)}",
        [_figures("The team", team.total), *(_figures(one.name, one) for one in team.reps)],
    )


def _block(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"{title}:", *(f"- {line}" for line in dict.fromkeys(lines)))


def _deal(one: RiskyDeal, report: Report) -> str:
    amount = f", {formatted(one.amount, one.currency)}" if one.amount is not None else ""
    closes = f", closes {day_in_text(one.close_date)}" if one.close_date else ""
    risks = "; ".join(plain(labelled(risk, report.labels)) for risk in one.risks)
    return f"{plain(one.name)}{amount}{closes}, {plain(one.owner or 'unknown')}: {risks}"


def _figures(name: str, one: Activity) -> str:
    share = f", mean talk share {one.talk_share:.2f} (n {one.talk_n})" if one.talk_share is not None else ""
    questions = f", {one.questions:.1f} questions per call (n {one.questions_n})" if one.questions is not None else ""
    return f"{plain(name)}: {count_of(one.calls, 'call')}{share}{questions}"
