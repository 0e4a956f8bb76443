"""The figures of a report, computed again from the tables in plain SQL and pandas, and read from its page.

Nothing of `report` is used, and of the marts only what a statistical model made: regressions, forecast and drivers. So
is the pipeline's waterfall, which has its own tests.
"""

from __future__ import annotations

from datetime import date
from statistics import fmean
from typing import Any

from scipy.stats import t

from copilot_pipeline_tests.end_to_end.report_markers import chart_markers
from copilot_pipeline_tests.end_to_end.report_page import (
    Compared,
    Figures,
    Page,
    clock_text,
    count_of,
    covered_text,
    day_text,
    other_n,
    percent,
    row_of,
    share_and_interval,
    with_share,
)
from copilot_pipeline_tests.end_to_end.report_statistics import chart_labels, outcomes, track_record

SKILL_THRESHOLD = 0.6
_COUNTS = ("transcripts", "scored", "linked")


def differences(database_url: str, html: str, week: date) -> list[str]:
    """Return what the page has otherwise than the tables."""
    page, figures = Page(html), Figures(database_url, week)
    try:
        return [
            f"{what}: the tables say {expected!r}, the page {found!r}"
            for what, expected, found in (
                *_tables(page, figures),
                *_teams(page, figures),
                *_tiles(page, figures),
                *_coaching(page, figures),
                *_forecast(page, figures),
                *outcomes(page, figures),
                *track_record(page, figures),
                *chart_labels(page, figures),
                *chart_markers(page, figures),
            )
            if expected != found
        ]
    finally:
        figures.close()


def _tables(page: Page, figures: Figures) -> Compared:
    calls = [
        [day_text(one["week"]), f"{one['calls']}", *(with_share(one[name], one["calls"]) for name in _COUNTS)]
        for one in figures.rows("calls")
    ]
    yield "calls", calls, _without_marks(page.rows("Calls by week"))
    covered: dict[str, list[str]] = {}
    for one in figures.rows("coverage_by_week"):
        covered.setdefault(day_text(one["week"]), []).append(covered_text(one["covered"], one["n"]))
    shown = {row[0]: sorted(row[2:]) for row in _without_marks(page.rows("Coverage by week"))}
    yield "coverage by week", {day: sorted(shares) for day, shares in covered.items()}, shown
    claims = [
        [day_text(one["week"]), share_and_interval(one["accurate"], one["n"]), f"{one['claims']}"]
        for one in figures.rows("accuracy")
    ]
    yield "claims", claims, _without_marks(page.rows("Calls without a flagged claim, by week"))
    yield "talk shares", [_talk_share(one) for one in figures.rows("talk_shares")], page.rows("Talk share by rep")


def _without_marks(rows: list[list[str]]) -> list[list[str]]:
    """Leave out the asterisk of incomplete weeks."""
    return [[cell.replace("*", "") for cell in row] for row in rows]


def _talk_share(one: dict[str, Any]) -> list[str]:
    margin = t.ppf(0.975, one["n"] - 1) * one["deviation"] / one["n"] ** 0.5 if one["n"] > 1 else None
    low, high = (max(0, one["mean"] - margin), min(1, one["mean"] + margin)) if margin is not None else (0, 0)
    interval = f", {low:.2f} to {high:.2f}" if margin is not None else ""
    return [one["name"], f"{one['n']}", f"{one['mean']:.2f}{interval}", f"{one['all_own']:.2f}"]


def _teams(page: Page, figures: Figures) -> Compared:
    topics: dict[tuple[str, str | None], list[tuple[str, int]]] = {}
    for one in figures.rows("topics"):
        topics.setdefault((one["team"], one["name"]), []).append((one["topic"], one["calls"]))
    for one in figures.rows("activity"):
        led, rows = one["led"], page.rows(f"Reps of the team of {one['team']}")
        most = topics.get((one["team"], one["name"]), [])[:3]
        expected = [
            one["name"] or "The team",
            f"{one['calls']}",
            f"{one['share']:.2f}" + other_n(one["share_n"], one["calls"]),
            f"{led}",
            clock_text(one["monologue"]),
            f"{one['questions']:.1f}",
            f"{one['competitor']} of {led}",
            f"{one['next_steps']} of {led}",
            ", ".join(f"{topic} {calls} of {led}" for topic, calls in most),
        ]
        yield f"activity of {expected[0]}", expected, row_of(rows, expected[0])
    covered: dict[tuple[str, str], list[str]] = {}
    for one in figures.rows("coverage_by_rep"):
        covered.setdefault((one["team"], one["rep"] or "The team"), []).append(covered_text(one["covered"], one["n"]))
    for (team, rep), shares in covered.items():
        row = row_of(page.rows(f"Coverage by rep of the team of {team}"), rep)
        yield f"coverage of {rep}", sorted(shares), sorted(row[2:])


def _tiles(page: Page, figures: Figures) -> Compared:
    calls, week = figures.rows("calls")[0], figures.week
    coverage = figures.frame("coverage_by_week")
    of_week = coverage[coverage.week == week]
    covered, n = int(of_week.covered.sum()), int(of_week.n.sum())
    checked = next(one for one in figures.rows("accuracy") if one["week"] == week)
    (deals,) = figures.rows("open_deals")
    for tile, number, first in (
        ("Calls", f"{calls['calls']}", None),
        ("Scored", percent(calls["scored"], calls["calls"]),
         f"{calls['scored']} of {count_of(calls['calls'], 'call')}"),
        ("MEDDICC coverage", percent(covered, n), f"{covered} of {n:,} elements"),
        ("Claims flagged", f"{checked['claims']}",
         f"on {checked['n'] - checked['accurate']} of {count_of(checked['n'], 'checked call')}"),
        ("Deals at risk", f"{deals['risky']}", f"of {count_of(deals['deals'], 'open deal')}"),
    ):  # fmt: skip
        shown = page.tiles.get(tile, ["", ""])
        yield f"tile {tile}", (number, first), (shown[0], shown[1] if first else None)
    least = of_week[of_week.n >= 10].assign(share=lambda one: one.covered / one.n).sort_values(["share", "element"])
    bullets = [
        count_of(calls["calls"], "call"),
        f"{deals['risky']} of {count_of(deals['deals'], 'open deal')} with risks",
        f"USD {deals['at_risk']:,.0f} at risk in {deals['risky']} of {deals['deals']} open deals",
        f"Amounts of open deals: USD {deals['pipeline']:,.0f}",
    ]
    bullets += [
        f"Least covered: {one.element.replace('_', ' ')}, in {one.covered} of {one.n} calls"
        for one in least.head(1).itertuples()
    ]
    for one in figures.rows("risk_sentences")[:3]:
        bullets.append(f"{one['quote']} {one['speaker']} at {clock_text(one['start_s'])}")
        bullets.append(f"{one['name']}, USD {one['amount']:,.0f}, closes {day_text(one['close_date'])}")
    yield "sentences", [], [one for one in bullets if one not in page.text]


def _coaching(page: Page, figures: Figures) -> Compared:
    scores = figures.frame("scores")
    for (rep, skill), of_skill in scores.groupby(["rep", "skill"]):
        row = row_of(page.rows("Skill regressions"), f"{rep} {skill.replace('_', ' ').removesuffix(' score')}")
        own = of_skill.score.tolist()
        run = next(number for number, score in enumerate([*reversed(own), 1.0]) if score >= SKILL_THRESHOLD)
        if not row or "recovered" in row[1]:
            continue
        expected = f"▼ regression {run} consecutive calls below {SKILL_THRESHOLD:.2f}; mean {fmean(own[-run:]):.2f}"
        yield f"state of {rep}", expected, row[1][: len(expected)]
        yield f"scores of {rep}", (f"{own[-1]:.2f}", f"{min(own[-run:]):.2f}"), (row[2], row[3])


def _forecast(page: Page, figures: Figures) -> Compared:
    shown = page.rows("Forecast by close month")
    expected = [
        [f"{date.fromisoformat(one['month'] + '-01'):%b %Y}", f"{one['deals']}", f"USD {one['pipeline']:,.0f}",
         f"USD {one['forecast']:,.0f}"]
        for one in figures.rows("forecast")
        if one["forecast"] is not None
    ]  # fmt: skip
    if expected:
        yield "forecast", expected, [[row[0], row[1], row[2], row[4]] for row in shown if row[0] != "no close date"]
        (whole,) = figures.rows("expected")
        sentence = f"USD {whole['expected']:,.0f} expected from {whole['deals']} open deals"
        yield "forecast", True, sentence in page.text
    for one in figures.rows("waterfall"):
        if one["opening"]:
            sentence = f"Open pipeline in the week: USD {one['opening']:,.0f} → USD {one['closing']:,.0f}."
            yield "pipeline", True, sentence in page.text
    for one in figures.drivers()[:1]:
        yield "driver", True, f"{one['won']} of {one['support']} newer deals won" in page.text
