"""The figures of a report, computed again from the tables in plain SQL and pandas, and read from its page.

Nothing of `report` is used, and of the marts only what a statistical model made: regressions, forecast and drivers. So
is the pipeline's waterfall, which has its own tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from html.parser import HTMLParser
from statistics import fmean
from typing import Any

import pandas as pd
import psycopg
from psycopg.rows import dict_row
from scipy.stats import t
from statsmodels.stats.proportion import proportion_confint

from copilot_pipeline.postgres.queries import load_queries

WEEKS = 12
SKILL_THRESHOLD = 0.6
_COUNTS = ("transcripts", "scored", "linked")
_SQL = load_queries(__package__, "report_figures.sql")
_BLANKS = re.compile(r"\s+")
Rows = list[dict[str, Any]]


class Page(HTMLParser):
    """The text of a page, and its tables by the text that describes them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tiles: dict[str, list[str]] = {}
        self.words: list[str] = []
        self._rows: list[list[str]] = []
        self._cell: list[str] | None = None
        self._part = ""
        self.feed(html)
        self.text = _BLANKS.sub(" ", "".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row or a cell; words of different elements are apart."""
        values = dict(attrs)
        self._part = values.get("class") or ""
        if label := values.get("aria-label"):
            self._rows = self.tables.setdefault(label, [])
        if tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._cell = []
        elif tag in ("br", "li", "p", "div", "h3", "blockquote"):
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th") and self._cell is not None:
            self._rows[-1].append(_BLANKS.sub(" ", "".join(self._cell)).strip())
            self._cell = None
        self._part = ""

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.words.append(data)
        if self._cell is not None:
            self._cell.append(data)
        elif self._part == "label":
            self._tile = self.tiles.setdefault(data, [])
        elif self._part in ("number", "detail"):
            self._tile.append(_BLANKS.sub(" ", data))

    def rows(self, table: str) -> list[list[str]]:
        """The rows of a table without its heading."""
        return self.tables.get(table, [[]])[1:]


class Figures:
    """What the tables say about the weeks up to one."""

    def __init__(self, database_url: str, week: date) -> None:
        self.week = week
        self._values = {"week": week, "first": week - timedelta(days=7 * (WEEKS - 1))}
        self._connection = psycopg.connect(database_url)
        self._connection.execute(_SQL["views"].replace("%%", "%"))

    def rows(self, query: str) -> Rows:
        """The rows of a query by column."""
        return self._connection.cursor(row_factory=dict_row).execute(_SQL[query], self._values).fetchall()

    def frame(self, query: str) -> pd.DataFrame:
        """The same as a frame."""
        return pd.DataFrame(self.rows(query))

    def close(self) -> None:
        """End the session."""
        self._connection.close()


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
            )
            if expected != found
        ]
    finally:
        figures.close()


Compared = Iterator[tuple[str, object, object]]


def _tables(page: Page, figures: Figures) -> Compared:
    calls = [
        [_day(one["week"]), f"{one['calls']}", *(_of(one[name], one["calls"]) for name in _COUNTS)]
        for one in figures.rows("calls")
    ]
    yield "calls", calls, _without_marks(page.rows("Calls by week"))
    covered: dict[str, list[str]] = {}
    for one in figures.rows("coverage_by_week"):
        covered.setdefault(_day(one["week"]), []).append(_of(one["covered"], one["n"]))
    shown = {row[0]: sorted(row[2:]) for row in _without_marks(page.rows("Coverage by week"))}
    yield "coverage by week", {day: sorted(shares) for day, shares in covered.items()}, shown
    claims = [
        [_day(one["week"]), _share(one["accurate"], one["n"]), f"{one['claims']}"] for one in figures.rows("accuracy")
    ]
    yield "claims", claims, _without_marks(page.rows("Calls without a flagged claim, by week"))
    yield "talk shares", [_talk_share(one) for one in figures.rows("talk_shares")], page.rows("Talk share by rep")
    outcomes = sorted(
        [
            one["element"].replace("_", " "),
            one["outcome"],
            _counted(one["uncovered"], one["n"]),
            _interval(one["uncovered"], one["n"]),
            f"{one['calls']:.1f}",
        ]
        for one in figures.rows("outcomes")
    )
    yield "outcomes", outcomes, sorted(row[:5] for row in page.rows("Coverage by deal outcome"))


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
            f"{one['share']:.2f}" + _n(one["share_n"], one["calls"]),
            f"{led}",
            _clock(one["monologue"]),
            f"{one['questions']:.1f}",
            f"{one['competitor']} of {led}",
            f"{one['next_steps']} of {led}",
            ", ".join(f"{topic} {_of(calls, led)}" for topic, calls in most),
        ]
        yield f"activity of {expected[0]}", expected, _row(rows, expected[0])
    covered: dict[tuple[str, str], list[str]] = {}
    for one in figures.rows("coverage_by_rep"):
        covered.setdefault((one["team"], one["rep"] or "The team"), []).append(_of(one["covered"], one["n"]))
    for (team, rep), shares in covered.items():
        row = _row(page.rows(f"Coverage by rep of the team of {team}"), rep)
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
        ("Scored", _percent(calls["scored"], calls["calls"]), f"{calls['scored']} of {_count(calls['calls'], 'call')}"),
        ("MEDDICC coverage", _percent(covered, n), f"{covered} of {n:,} elements"),
        ("Claims flagged", f"{checked['claims']}",
         f"on {checked['n'] - checked['accurate']} of {_count(checked['n'], 'checked call')}"),
        ("Deals at risk", f"{deals['risky']}", f"of {_count(deals['deals'], 'open deal')}"),
    ):  # fmt: skip
        shown = page.tiles.get(tile, ["", ""])
        yield f"tile {tile}", (number, first), (shown[0], shown[1] if first else None)
    least = of_week[of_week.n >= 10].assign(share=lambda one: one.covered / one.n).sort_values(["share", "element"])
    bullets = [
        _count(calls["calls"], "call"),
        f"{deals['risky']} of {_count(deals['deals'], 'open deal')} with risks",
        f"USD {deals['at_risk']:,.0f} at risk in {deals['risky']} of {deals['deals']} open deals",
        f"Amounts of open deals: USD {deals['pipeline']:,.0f}",
    ]
    bullets += [
        f"Least covered: {one.element.replace('_', ' ')}, in {one.covered} of {one.n} calls"
        for one in least.head(1).itertuples()
    ]
    for one in figures.rows("risk_sentences")[:3]:
        bullets.append(f"{one['quote']} {one['speaker']} at {_clock(one['start_s'])}")
        bullets.append(f"{one['name']}, USD {one['amount']:,.0f}, closes {_day(one['close_date'])}")
    yield "sentences", [], [one for one in bullets if one not in page.text]


def _coaching(page: Page, figures: Figures) -> Compared:
    scores = figures.frame("scores")
    for (rep, skill), of_skill in scores.groupby(["rep", "skill"]):
        row = _row(page.rows("Skill regressions"), f"{rep} {skill.replace('_', ' ').removesuffix(' score')}")
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
    for one in figures.rows("drivers")[:1]:
        yield "driver", True, f"{one['won']} of {one['support']} newer deals won" in page.text


def _row(rows: list[list[str]], name: str) -> list[str]:
    return next((row for row in rows if row[0] == name), [])


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _percent(count: float, n: float) -> str:
    return f"{count / n * 100:.0f} %"


def _counted(count: int, n: int) -> str:
    return f"{count} of {n} ({_percent(count, n)})"


def _of(count: int, n: int) -> str:
    return f"{count} ({_percent(count, n)})" if n else f"{count}"


def _interval(count: int, n: int) -> str:
    low, high = proportion_confint(count, n, method="wilson")
    return f"{100 * low:.0f} % to {100 * high:.0f} %"


def _share(count: int, n: int) -> str:
    low, high = proportion_confint(count, n, method="wilson")
    return f"{_counted(count, n)}, {100 * low:.0f} to {100 * high:.0f} %"


def _n(n: int, of: int) -> str:
    return f" (n {n})" if n != of else ""


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
