"""Amounts of money: read exactly, or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from babel.localedata import locale_identifiers
from babel.numbers import format_currency, format_decimal, get_currency_precision
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.clari.amounts import AmountConvention, parse_amount, parse_currency

LOCALES = sorted(locale_identifiers())
CURRENCIES = ["USD", "EUR", "GBP", "JPY", "INR", "CHF", "BRL", "KWD", "SEK", "XAF"]
amounts = st.decimals(Decimal("-1e12"), Decimal("1e12"), places=3)
POINT, COMMA = ["$48,000.50", "1,234,567"], ["48.000,00 €", "1.234.567"]


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("48.000 €", 48000.0),
        ("EUR48.000", 48000.0),
        ("-48.000 €", -48000.0),
        ("48.000,00 €", 48000.0),
        ("48'000.00", 48000.0),
        ("48\u2019000.00", 48000.0),
        ("CHF 48'000.-", 48000.0),
        ("₹12,00,000", 1_200_000.0),
        ("$48K", 48000.0),
        ("(48,000)", -48000.0),
        ("($48,000.00)", -48000.0),
        ("$1.2M", 1_200_000.0),
        ("1,2 Mio. €", 1_200_000.0),
        ("48kEUR", 48000.0),
        ("48,000.50", 48000.5),
        ("1.234.567", 1_234_567.0),
        ("48\u202f000,50 €", 48000.5),
        ("48.000,00-", -48000.0),
        ("\u221248.000,00 €", -48000.0),
        ("Rs.500", 500.0),
        ("0.800", 0.8),
        ("48000.123", 48000.123),
        ("1.0E7", 1e7),
        (48000, 48000.0),
        (4.8, 4.8),
    ],
)
def test_reads_unambiguous_amounts(received: Any, expected: float) -> None:
    """Whatever the separators, the sign and the unit."""
    assert parse_amount(received) == expected


@pytest.mark.parametrize(
    "received",
    [
        "4.800",
        "48,000",
        "KWD 1.234",
        "4.800 Mio. €",
        "48 T",
        "K$ 48",
        "1,2,3",
        "48.000 $ (50.000 €)",
        "50%",
        "-(5)",
        "TBD",
    ],
)
def test_does_not_guess(received: str) -> None:
    """Thousands or three decimals, unknown units, several numbers."""
    assert parse_amount(received) is None


@pytest.mark.parametrize(
    ("received", "others", "expected"),
    [
        ("4.800", COMMA, 4800.0),
        ("4.800", POINT, 4.8),
        ("48,000", COMMA, 48.0),
        ("48,000", POINT, 48000.0),
        ("4.800", [*POINT, *COMMA], None),
        ("4.800", COMMA[:1], None),
        ("4.800", ["4.800", "5.100", "48000"], None),
        ("48.000 €", POINT, None),
        ("48.000 €", COMMA, 48000.0),
        ("4.800K", COMMA, 4_800_000.0),
    ],
)
def test_the_other_amounts_settle_ambiguous_ones(received: str, others: list[str], expected: float | None) -> None:
    """At least two unambiguous amounts, which all agree; against the reading of a currency there is no amount."""
    assert parse_amount(received, AmountConvention(others)) == expected


@given(amounts, st.sampled_from(LOCALES), st.sampled_from(CURRENCIES))
def test_a_formatted_amount_is_read_exactly_or_not_at_all(amount: Decimal, locale: str, currency: str) -> None:
    """In every locale of the CLDR, with and without a currency."""
    decimals = Decimal(1).scaleb(-get_currency_precision(currency))
    for formatted, exact in (
        (format_decimal(amount, locale=locale), amount),
        (format_currency(amount, currency, locale=locale), amount.quantize(decimals, rounding="ROUND_HALF_EVEN")),
    ):
        result = parse_amount(formatted)
        assert result is None or result == pytest.approx(float(exact), rel=1e-12), formatted


@given(st.text(max_size=80) | st.from_regex(r"[$€A-Za-z .]{0,5}[0-9.,' ]{0,12}[A-Za-z€ .()-]{0,5}"))
def test_any_text_is_an_amount_or_none(value: str) -> None:
    """No text raises an error, not even in the search for a convention."""
    assert isinstance(parse_amount(value, AmountConvention([value, "1.234.567", "48,5"])), float | None)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("$48,000.50", "USD"),
        ("48.000,00 €", "EUR"),
        ("48 k€", "EUR"),
        ("48kEUR", "EUR"),
        ("usd 5", "USD"),
        ("US$ 5", "USD"),
        ("$48,000 CAD", "CAD"),
        ("CHF 48'000.-", "CHF"),
        ("Fr. 500", "CHF"),
        ("(€500)", "EUR"),
        ("4.800 EUR", "EUR"),
        ("1 000 kr", None),  # of Sweden, Norway, Denmark or Iceland
        ("5 USD EUR", None),
        ("48000", None),
        (48000, None),
        ("no amount", None),
    ],
)
def test_reads_the_currency_of_an_amount(received: Any, expected: str | None) -> None:
    """A code has precedence over a symbol that several currencies share."""
    assert parse_currency(received) == expected


def test_settings_decide_what_a_shared_symbol_means() -> None:
    """In Canada a dollar is another one; a code is still a code."""
    shared = {"$": "CAD", "kr": "SEK"}
    received = ("$5", "5 kr", "5 kr.", "US$ 5", "$5 USD")
    assert [parse_currency(each, shared) for each in received] == ["CAD", "SEK", None, "USD", "USD"]


@given(st.sampled_from(LOCALES), st.sampled_from(CURRENCIES), amounts)
def test_never_reads_a_wrong_currency_code(locale: str, currency: str, amount: Decimal) -> None:
    """In every locale an amount with a code has that currency, or is not read."""
    written = format_currency(amount, currency, "¤¤ #,##0.00", locale=locale, currency_digits=False)
    assert parse_currency(written) in (currency, None)
