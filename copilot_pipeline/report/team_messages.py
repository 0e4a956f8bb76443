"""The report's part of each team, as text for its manager. Names and figures only: quotes are in the report."""

from __future__ import annotations

from collections.abc import Iterator

from copilot_pipeline.marts.money import formatted
from copilot_pipeline.report.actions import Activity, Team
from copilot_pipeline.report.figures import ongoing_regressions
from copilot_pipeline.report.formatting import count_of, display_name, plain, score, skill_name
from copilot_pipeline.report.model import Report


def team_messages(report: Report) -> dict[str, str]:
    """Return the text of each team by the e-mail address of its manager; teams without one are left out."""
    return {team.manager_email: "\n".join(_lines(report, team)) for team in report.teams if team.manager_email}


def _lines(report: Report, team: Team) -> Iterator[str]:
    reps = {one.name for one in team.reps}
    yield f"Week of {report.week}, {count_of(len(reps), 'rep')}."
    regressions = [one for one in ongoing_regressions(report) if one.rep in reps]
    yield from _block(
        "To coach",
        [
            f"{plain(one.rep)}: {skill_name(one.skill)} fell from {score(one.earlier_mean)} (n {one.earlier_calls}) "
            f"to {score(one.mean)} (n {one.calls})"
            for one in regressions
        ],
    )
    yield from _block(
        "Claims to correct",
        [
            f"{plain(one.rep)}: {display_name(one.kind)}{f', see {plain(one.document)}' if one.document else ''}"
            for one in report.claims
            if one.week == report.week and one.rep in reps
        ],
    )
    yield from _block(
        "Deals with risks, of those in the report",
        [
            f"{plain(one.name)}{f', {formatted(one.amount, one.currency)}' if one.amount is not None else ''}; "
            f"{plain(one.owner)}"
            for one in report.open_deals.risky
            if one.owner in reps
        ],
    )
    yield from _block(
        f"Calls from {report.first_week} to {report.last_day}", [_figures(one) for one in (team.total, *team.reps)]
    )


def _block(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"{title}:", *(f"- {line}" for line in dict.fromkeys(lines)))


def _figures(one: Activity) -> str:
    share = f", mean talk share {one.talk_share:.2f} (n {one.talk_n})" if one.talk_share is not None else ""
    questions = f", {one.questions:.1f} questions per call (n {one.questions_n})" if one.questions is not None else ""
    return f"{plain(one.name)}: {count_of(one.calls, 'call')}{share}{questions}"
