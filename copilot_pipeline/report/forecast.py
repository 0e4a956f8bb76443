"""The forecast's part of a report: what is expected to be won, and how earlier forecasts turned out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from psycopg.rows import RowFactory, class_row, dict_row

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.connections import Connection
from copilot_pipeline.postgres.queries import load_queries

MAX_MONTHS = 6
MAX_DEALS = 10

_SQL = load_queries("copilot_pipeline.report.sql", "forecast.sql")
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class ForecastMonth:
    """The open deals of a close month, in one currency."""

    close_month: str  # YYYY-MM, or none
    currency: str | None
    deals: int
    pipeline: float
    stage_weighted: float | None
    forecast: float | None
    low: float | None
    high: float | None
    commit: float
    best_case: float


@dataclass(frozen=True, slots=True)
class Overdue:
    """The open deals whose close month has passed, in one currency."""

    currency: str | None
    deals: int
    pipeline: float
    forecast: float | None


@dataclass(frozen=True, slots=True)
class ForecastReason:
    """A reason in words, with the page of the call that shows it."""

    text: str
    url: str | None


@dataclass(frozen=True, slots=True)
class ForecastDeal:
    """An open deal with its probability and the reasons."""

    name: str
    account: str | None
    stage: str | None
    rep: str | None
    amount: float | None
    currency: str | None
    close_date: date | None
    probability: float
    low: float
    high: float
    reasons: Sequence[ForecastReason]
    review_url: str | None


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """Brier scores of forecasts whose deals have closed, and the verdict."""

    source: str  # live or backtest
    deals: int
    forecasts: int
    model: float
    stage: float
    base: float
    sentence: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Decile:
    """A tenth of the forecasts: their mean, and the share of their deals that was won, with its interval."""

    deals: int
    won: int
    forecast: float
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ForecastSection:
    """The forecast; empty before the first."""

    made_on: date | None = None
    basis: str | None = None  # model, stage or none
    note: str | None = None
    months: tuple[ForecastMonth, ...] = ()
    overdue: tuple[Overdue, ...] = ()
    deals: tuple[ForecastDeal, ...] = ()
    records: tuple[TrackRecord, ...] = ()  # live first
    deciles: tuple[Decile, ...] = ()  # of the backtest

    @property
    def currencies(self) -> list[str | None]:
        """The currencies, the one with the largest pipeline first."""
        sums: dict[str | None, float] = {}
        for month in self.months:
            sums[month.currency] = sums.get(month.currency, 0.0) + month.pipeline
        return sorted(sums, key=lambda currency: (-sums[currency], currency or ""))

    def months_in(self, currency: str | None) -> list[ForecastMonth]:
        """The months of one currency, in order; those without a close month are last."""
        return [month for month in self.months if month.currency == currency]


NO_FORECAST = ForecastSection()


def read_forecast(database: Database) -> ForecastSection:
    """Return the newest forecast and its track record."""
    with database.connection() as connection:
        made = _rows(connection, "forecast_basis", dict_row)
        if not made:
            return NO_FORECAST
        return ForecastSection(
            **made[0],
            months=_rows(connection, "forecast_months", class_row(ForecastMonth), MAX_MONTHS),
            overdue=_rows(connection, "overdue", class_row(Overdue)),
            deals=tuple(_deal(row) for row in _rows(connection, "forecast_deals", dict_row, MAX_DEALS)),
            records=_rows(connection, "track_records", class_row(TrackRecord)),
            deciles=_rows(connection, "deciles", class_row(Decile)),
        )


def _rows(connection: Connection, query: str, row_factory: RowFactory[Row], limit: int = 0) -> tuple[Row, ...]:
    return tuple(connection.cursor(row_factory=row_factory).execute(_SQL[query], {"limit": limit}))


def _deal(row: dict[str, object]) -> ForecastDeal:
    texts, details = row.pop("texts"), row.pop("details")
    urls = [detail.get("review_url") for detail in details] if isinstance(details, list) else []
    named = list(texts) if isinstance(texts, list) else []
    urls += [None] * (len(named) - len(urls))
    reasons = [ForecastReason(text, url) for text, url in zip(named, urls, strict=False)]
    return ForecastDeal(reasons=reasons, **row)  # type: ignore[arg-type]
