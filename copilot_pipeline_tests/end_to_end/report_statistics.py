"""The statistics of a report, computed again: outcomes at the same number of calls, the track record, and the charts.

The difference of two groups is that of a regression, whose columns for circumstances are made by the function of the
marts: the simulated companies test it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from math import log

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS

from copilot_pipeline.marts.circumstances import Circumstances, circumstances
from copilot_pipeline_tests.end_to_end.report_page import (
    Compared,
    Figures,
    Page,
    count_of,
    counted,
    interval_text,
    share_and_interval,
)

TENTHS = 10
DEGREES_OF_FREEDOM = 10  # at least, of a comparison
MANY_DEALS = 8  # of an account, which is compared within itself
MIN_SHARED, MIN_WITHIN = 0.5, 0.2  # of the deals, and of the variance, for a comparison within all accounts
_PERCENT, _N = re.compile(r"\d+ %"), re.compile(r"^n [\d,]+$")
_COUNTED, _OUTCOME = re.compile(r"([\d,]+) of ([\d,]+)"), re.compile(r"^[\d,]+ of [\d,]+ (?:lost|won).*$")
_SOURCES = {"live": "as they were made", "backtest": "backtest"}


def outcomes(page: Page, figures: Figures) -> Compared:
    """Compare the elements that won and lost deals never covered, also at the same number of calls."""
    deals = figures.frame("outcomes")
    if deals.empty:
        return
    expected = []
    for element, of_element in deals.groupby("element"):
        adjusted = _adjusted(of_element)
        for outcome, chosen in of_element.groupby("outcome"):
            uncovered, n = int(chosen.is_uncovered.sum()), len(chosen)
            expected.append(
                [str(element).replace("_", " "), outcome, counted(uncovered, n), interval_text(uncovered, n),
                 f"{chosen.calls.mean():.1f}", adjusted]
            )  # fmt: skip
    yield "outcomes", sorted(expected), sorted(page.rows("Coverage by deal outcome"))


def _adjusted(deals: pd.DataFrame) -> str:
    """The difference of lost and won deals with as many calls in the same circumstances, and its interval."""
    deals = deals.assign(
        uncovered=deals.is_uncovered.astype(float), lost=(deals.outcome == "lost").astype(float),
        stratum=[calls if calls <= 10 else 11 + int(log((calls - 1) / 10) / log(1.2)) for calls in deals.calls],
    )  # fmt: skip
    both = deals[deals.groupby("stratum").lost.transform("nunique") == 2]
    if len(both) - both.stratum.nunique() - 1 < DEGREES_OF_FREEDOM:
        return ""
    fixed = np.hstack([pd.get_dummies(both.stratum, dtype=float), _of_accounts(both)])
    alike = circumstances(_circumstances(both), int(np.linalg.matrix_rank(fixed)))
    model = OLS(both.uncovered.to_numpy(), np.hstack([both[["lost"]], fixed, alike]))
    fits = [model.fit(use_t=True), model.fit(cov_type="HC3", use_t=True)]
    if 1 < both.account.nunique() < len(both):
        groups = both.account.astype("category").cat.codes.to_numpy()
        fits.append(model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True))
    fitted = max(fits, key=lambda one: float(one.bse[0]))
    if not fitted.bse[0] > 1e-9:
        return ""
    low, high = (100 * one for one in fitted.conf_int()[0])
    return f"{100 * fitted.params[0]:+.0f} points, {low:+.0f} to {high:+.0f}, n {len(both)}"


def _of_accounts(deals: pd.DataFrame) -> pd.DataFrame:
    """A column for each account with many deals, and the share of lost deals of each account if most share one."""
    of_account = deals.groupby("account").lost
    sizes, means = of_account.transform("size"), of_account.transform("mean")
    large = deals.account.where(sizes >= max(MANY_DEALS, len(deals) / 100))
    columns = pd.get_dummies(large, dtype=float)
    within = ((deals.lost - means) ** 2).sum() / ((deals.lost - deals.lost.mean()) ** 2).sum()
    is_shared = (sizes > 1).mean() >= MIN_SHARED and within >= MIN_WITHIN
    return columns.assign(mean=means) if is_shared else columns


def _circumstances(deals: pd.DataFrame) -> list[Circumstances]:
    """What the marts compare besides; only the columns that they make of it are not made again here."""
    days = (deals.closed_at - deals.created_at).dt.total_seconds().clip(lower=0) / 86_400
    columns = (deals.rep_id, deals.segment, deals.closed_at, days)
    rows = zip(*(column.astype(object).where(column.notna(), None) for column in columns), strict=True)
    return [Circumstances(*row) for row in rows]


def track_record(page: Page, figures: Figures) -> Compared:
    """Compare Brier scores and calibration, in which each deal counts once, as the mean of its forecasts."""
    forecasts = figures.frame("forecasts")
    if forecasts.empty:
        return
    expected = []
    for source, of_source in forecasts.groupby("source", sort=False):
        errors = of_source[["model", "stage", "base"]].sub(of_source.won, axis=0) ** 2
        means = errors.groupby(of_source.deal_id).mean().mean()
        expected.append([str(source), f"{of_source.deal_id.nunique()}", *(f"{one:.3f}" for one in means)])
    shown = page.rows("Track record of the forecast")
    names = {text: source for source, text in _SOURCES.items()}
    found = [[next(names[text] for text in names if row[0].startswith(text)), *row[1:]] for row in shown]
    yield "track record", sorted(expected), sorted(found)
    tenths = [[f"{mean:.2f}", share_and_interval(won, count)] for mean, won, count in calibration(forecasts)]
    yield "calibration", tenths, page.rows("Calibration of the backtest")


def calibration(forecasts: pd.DataFrame) -> list[tuple[float, int, int]]:
    """The tenths of the backtest by their forecast: its mean, and the deals that were won of how many."""
    if forecasts.empty:
        return []
    past = forecasts[forecasts.source == "backtest"].reset_index(drop=True)
    by_deal = [
        past.loc[chosen].groupby("deal_id")[["model", "won"]].mean()
        for chosen in np.array_split(past.index.to_numpy(), TENTHS)
    ]
    return [(float(deals.model.mean()), int(deals.won.sum()), len(deals)) for deals in by_deal if len(deals)]


def chart_labels(page: Page, figures: Figures) -> Compared:
    """Compare the texts in charts with the cells of tables, which are compared with the database."""
    weeks = page.rows("Calls by week")[::-1]
    if labels := _labels(page, "Calls per week"):
        numbers = [label for label in labels if label.isdecimal()]  # those of the axis first
        yield "labels of calls", [row[1] for row in weeks], numbers[-len(weeks) :]
    checked = page.rows("Calls without a flagged claim, by week")
    if labels := _labels(page, "Share of checked calls"):
        expected = [(_PERCENT.findall(row[1])[0], f"n {_COUNTED.findall(row[1])[0][1]}") for row in checked]
        shares, counts = (_all(pattern, labels) for pattern in (_PERCENT, _N))
        yield "labels of claims", expected, list(zip(shares[-len(checked) :], counts, strict=True))
    for chart, tables in (("element by week", "Coverage by week"), ("rep by element", "Coverage by rep")):
        if labels := _labels(page, f"Heat map of coverage, {chart}"):
            rows = [row for name, found in page.tables.items() if name.startswith(tables) for row in found[1:]]
            cells = [cell for row in rows if row[0] != "The team" for cell in row[2:]]
            shares = [found[0] for cell in cells if (found := _PERCENT.findall(cell))]  # before its interval
            yield f"labels of coverage, {chart}", sorted(shares), sorted(_all(_PERCENT, labels))
    if labels := _labels(page, "Forecast by close month"):
        expected = [(row[0], count_of(int(row[1]), "deal")) for row in page.rows("Forecast by close month")]
        yield "labels of the forecast", [], [one for one in expected if one not in pairwise(labels)]
    if labels := _labels(page, "Lost and won deals"):
        rows = page.rows("Coverage by deal outcome")
        shown = [f"{' of '.join(_COUNTED.findall(row[2])[0])} {row[1]}" for row in rows]
        yield "labels of outcomes", sorted(shown), sorted(", ".join(_all(_OUTCOME, labels)).split(", "))
    if labels := _labels(page, "Win rates"):
        rates = [f"{one['won']} of {one['support']} won" for one in figures.drivers()]
        yield "labels of drivers", [], [rate for rate in rates if rate not in labels]


def _labels(page: Page, chart: str) -> list[str]:
    return next((labels for name, labels in page.charts.items() if name.startswith(chart)), [])


def _all(pattern: re.Pattern[str], texts: Iterable[str]) -> list[str]:
    return [found for text in texts for found in pattern.findall(text)]
