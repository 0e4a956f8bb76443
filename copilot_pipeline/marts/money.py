"""Amounts with their currency: converted by dated rates, and added up by currency, never across currencies."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from copilot_pipeline.config.money import CurrencySettings


class Money(NamedTuple):
    """An amount in a currency; None is an unknown currency."""

    currency: str | None
    amount: float


class CurrencyConverter:
    """Converts amounts to the currency of the settings. A rate holds from its day until the next one."""

    def __init__(self, settings: CurrencySettings) -> None:
        self.target = settings.convert_to
        self._rates: defaultdict[str, list[tuple[date, float]]] = defaultdict(list)
        for rate in sorted(settings.rates, key=lambda rate: rate.since):
            self._rates[rate.currency].append((rate.since, rate.rate))

    def convert(self, amount: float | None, currency: str | None, on: date) -> float | None:
        """Return the amount at the rate of a day; None without a target, a known currency, or a rate by then."""
        if amount is None or currency is None or self.target is None:
            return None
        if currency == self.target:
            return amount
        rates = self._rates.get(currency, [])
        position = bisect_right(rates, on, key=lambda rate: rate[0])
        return amount * rates[position - 1][1] if position else None


NO_CONVERSION = CurrencyConverter(CurrencySettings())


def sums_by_currency(amounts: Iterable[tuple[str | None, float | None]]) -> list[Money]:
    """Return one sum per currency, by code; amounts of an unknown currency come last. Missing amounts are skipped."""
    sums: defaultdict[str | None, float] = defaultdict(float)
    for currency, amount in amounts:
        if amount is not None:
            sums[currency] += amount
    return [Money(currency, sums[currency]) for currency in sorted(sums, key=lambda code: (code is None, code or ""))]


def formatted(amount: float, currency: str | None) -> str:
    """Format an amount without decimals: `EUR 1,234,567`; without a code if the currency is unknown."""
    return f"{currency} {amount:,.0f}" if currency else f"{amount:,.0f}"
