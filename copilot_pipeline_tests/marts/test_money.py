"""Amounts with their currency."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from copilot_pipeline.config.marts import DealSettings
from copilot_pipeline.config.money import CurrencySettings
from copilot_pipeline.marts.deals import inspect_deals
from copilot_pipeline.marts.money import CurrencyConverter, Money, formatted, sums_by_currency
from copilot_pipeline_tests.marts.examples import still_open
from copilot_pipeline_tests.marts.test_deal_signals import NOW

RATES = CurrencySettings.model_validate(
    {
        "convert_to": "EUR",
        "rates": [
            {"since": "2026-06-01", "currency": "USD", "rate": 0.5},
            {"since": "2026-01-01", "currency": "usd", "rate": 0.8},
        ],
    }
)


@pytest.mark.parametrize(
    ("currency", "on", "expected"),
    [
        ("USD", date(2025, 12, 31), None),  # before the first rate
        ("USD", date(2026, 1, 1), 80.0),
        ("USD", date(2026, 5, 31), 80.0),
        ("USD", date(2026, 6, 1), 50.0),
        ("EUR", date(2020, 1, 1), 100.0),
        ("JPY", date(2026, 6, 1), None),
        (None, date(2026, 6, 1), None),
    ],
)
def test_converts_at_the_rate_of_the_day(currency: str | None, on: date, expected: float | None) -> None:
    """Without a rate by then there is no converted amount."""
    assert CurrencyConverter(RATES).convert(100.0, currency, on) == expected


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"default": "EURO"}, "not a currency code"),
        ({"rates": [{"since": "2026-01-01", "currency": "USD", "rate": 1}]}, "needs `convert_to`"),
        ({"convert_to": "USD", "rates": [{"since": "2026-01-01", "currency": "USD", "rate": 2}]}, "itself"),
        ({"convert_to": "USD", "rates": [{"since": "2026-01-01", "currency": "EUR", "rate": 0}]}, "greater than 0"),
        ({"convert_to": "USD", "rates": [{"since": "2026-01-01", "currency": "EUR", "rate": r} for r in (1, 2)]},
         "two rates of EUR"),
    ],
)  # fmt: skip
def test_refuses_rates_that_mean_nothing(settings: dict[str, Any], problem: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(ValidationError, match=problem):
        CurrencySettings.model_validate(settings)


@given(st.lists(st.tuples(st.sampled_from(["EUR", "USD", None]), st.none() | st.integers(-(10**9), 10**9))))
def test_sums_never_mix_currencies(amounts: list[tuple[str | None, int | None]]) -> None:
    """Each sum is that of its currency alone, and every amount is in one."""
    sums = sums_by_currency(amounts)
    assert len({one.currency for one in sums}) == len(sums)
    for one in sums:
        assert one.amount == sum(amount for currency, amount in amounts if currency == one.currency and amount)


def test_open_deals_have_their_currency_and_the_converted_amount() -> None:
    """Converted at the rate of the day on which the mart is built."""
    deals = [still_open("a", amount=100.0, currency="USD"), still_open("b", amount=100.0)]
    rows = inspect_deals({}, deals, DealSettings(), {}, NOW, CurrencyConverter(RATES))
    assert [(row.amount, row.currency, row.amount_converted, row.converted_currency) for row in rows] == [
        (100.0, "USD", 50.0, "EUR"),
        (100.0, None, None, "EUR"),
    ]


def test_formats_amounts_with_their_currency() -> None:
    """The code, because a dollar sign has twenty meanings."""
    assert [formatted(*amount) for amount in ((1234567.4, "EUR"), (-5.0, None))] == ["EUR 1,234,567", "-5"]
    assert Money("EUR", 1.0) != Money("USD", 1.0)
