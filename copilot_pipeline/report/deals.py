"""The open deals of a report: their risks, and the sentences that raised them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from copilot_pipeline.marts.money import Money


@dataclass(frozen=True, slots=True)
class RiskQuote:
    """The sentence on the newest call that raised a risk."""

    risk: str
    quote: str | None  # None: the kit returned no quote, or none that is in the transcript
    reason: str | None
    speaker: str | None
    start_s: float | None
    called_on: date
    review_url: str | None


@dataclass(frozen=True, slots=True)
class RiskyDeal:
    """An open deal with risks."""

    name: str
    account: str | None
    stage: str | None
    amount: float | None
    currency: str | None
    days_since_last_call: float | None
    prospects: int
    owner: str | None
    risks: Sequence[str]
    missing: Sequence[str]
    covered: float | None
    review_url: str | None
    close_date: date | None = None
    quotes: tuple[RiskQuote, ...] = ()

    @property
    def unquoted_risks(self) -> list[str]:
        """The risks without a sentence or a reason of a call."""
        quoted = {one.risk for one in self.quotes if one.quote or one.reason}
        return [risk for risk in self.risks if risk not in quoted]


@dataclass(frozen=True, slots=True)
class OpenDeals:
    """The number of open deals, and those with risks: those with a sentence of a call and the largest first."""

    deals: int
    with_risks: int
    without_amount: int
    pipeline: tuple[Money, ...]  # the amounts of open deals, by currency
    converted: Money | None  # all of them in one currency, if there are rates for all
    risky: tuple[RiskyDeal, ...]
    at_risk: tuple[Money, ...] = ()  # the amounts of open deals with risks, by currency


def risky_deal(row: dict[str, Any]) -> RiskyDeal:
    """Return a deal of a row of `risky_deals`."""
    quotes = tuple(
        RiskQuote(**{**quote, "called_on": date.fromisoformat(quote["called_on"])}) for quote in row.pop("quotes")
    )
    return RiskyDeal(**row, quotes=quotes)
