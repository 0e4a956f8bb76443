"""The currency that the text of an amount names: an ISO 4217 code, or a symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

# Symbols of one currency, beside its code. In lower case, because CRMs write both.
_SYMBOLS: Mapping[str, str] = {
    "€": "EUR", "£": "GBP", "₹": "INR", "₩": "KRW", "₪": "ILS", "₫": "VND", "₱": "PHP", "₺": "TRY", "₽": "RUB",
    "₴": "UAH", "₦": "NGN", "₡": "CRC", "₲": "PYG", "₸": "KZT", "฿": "THB", "₵": "GHS", "₭": "LAK", "₮": "MNT",
    "₼": "AZN", "₾": "GEL", "៛": "KHR",
    "us$": "USD", "a$": "AUD", "au$": "AUD", "c$": "CAD", "ca$": "CAD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD",
    "sg$": "SGD", "nt$": "TWD", "mx$": "MXN", "r$": "BRL", "s/": "PEN", "rp": "IDR", "rm": "MYR", "zł": "PLN",
    "kč": "CZK", "ft": "HUF", "lei": "RON", "fr": "CHF", "fr.": "CHF", "sfr": "CHF", "sfr.": "CHF",
}  # fmt: skip
# Symbols of several currencies: the one that CLDR writes so in English (https://cldr.unicode.org), unless the settings
# differ; none for the krone, which four countries have.
SHARED_SYMBOLS: Mapping[str, str | None] = {
    "$": "USD", "¥": "JPY", "rs": "INR", "rs.": "INR", "kr": None, "kr.": None,
}  # fmt: skip


def is_symbol(affix: str) -> bool:
    """Return whether a text in lower case is the symbol of a currency."""
    return affix in _SYMBOLS or affix in SHARED_SYMBOLS


@cache
def is_code(text: str) -> bool:
    """Return whether a text is a currency code of ISO 4217, in any case."""
    from babel import Locale

    return text.upper() in Locale("en").currencies


def currency_named(affixes: Sequence[str], shared: Mapping[str, str] | None = None) -> str | None:
    """Return the code of the currency that the words around a number name; None if they name none, or several.

    A code decides what a shared symbol means: `$48,000 CAD` is in CAD. `shared` overrides the meaning of shared
    symbols.
    """
    meanings = {**SHARED_SYMBOLS, **{symbol.casefold(): code for symbol, code in (shared or {}).items()}}
    words = [word.casefold() for affix in affixes for word in affix.split()]
    certain: set[str | None] = {
        word.upper() for word in words if word not in meanings and word not in _SYMBOLS and is_code(word)
    }
    certain |= {_SYMBOLS[word] for word in words if word in _SYMBOLS and word not in meanings}
    codes = certain or {meanings[word] for word in words if word in meanings}
    return codes.pop() if len(codes) == 1 else None
