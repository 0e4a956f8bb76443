"""Amounts of money in text, as CRMs format them: `$48,000.50`, `48.000,00 €`, `48'000.00`, `₹12,00,000`, `(48 k€)`.

A text is parsed strictly with the number formats of several locales (Babel). If all formats that accept it agree, that
is the amount. `4.800` and `48,000` are ambiguous: thousands, or three decimals. They are read as thousands beside a
currency whose amounts have at most two decimals (`EUR48.000`) or in parentheses, otherwise only by the convention of
the workspace's other amounts; without one, or against it, there is no amount.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from copilot_pipeline.clients.clari.currencies import currency_named, is_code, is_symbol
from copilot_pipeline.clients.clari.decoding import number, text

MAX_CHARACTERS = 64
MIN_CONVENTION_AMOUNTS = 2  # of unambiguous amounts, all of which agree

# One locale for each way to write numbers, with its group and decimal separators.
_FORMATS = (
    ("en", ",", "."),
    ("en_IN", ",", "."),
    ("de_CH", "'", "."),
    ("de", ".", ","),
    ("fr", "\u202f", ","),
)
_AFFIX = r"(?:[^\d.,'()+%-]|(?<=[^\W\d_])\.)*"
_IN_PARENTHESES = re.compile(rf"({_AFFIX})\(([^()]+)\)({_AFFIX})")
_AMOUNT = re.compile(
    rf"(?P<sign>[+-]?)(?P<before>{_AFFIX})(?P<inner_sign>[+-]?) ?"
    rf"(?P<number>\d(?:[\d.,' ]*\d)?)(?:[.,]-{{1,2}})?(?P<after>{_AFFIX})(?P<last_sign>-?)"
)
_UNITS = {
    **dict.fromkeys(("k", "thousand", "tsd", "tsd."), 3),
    **dict.fromkeys(("lakh", "lakhs", "lac"), 5),
    **dict.fromkeys(("m", "mm", "mn", "mio", "mio.", "mln", "million", "millions"), 6),
    **dict.fromkeys(("cr", "crore", "crores"), 7),
    **dict.fromkeys(("b", "bn", "billion", "mrd", "mrd."), 9),
}
_UNIT = re.compile(r"([a-z]+\.?)(?![a-z])(.*)", re.DOTALL)
_UNIT_AND_CODE = re.compile(r"(k|mm|m|mn|bn)(eur|usd|gbp|chf)")  # "48kEUR"
_TRANSLATED = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u0060\u00b4\u066c"), "'"),  # U+066C: Arabic thousands separator
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"), "-"),
    0x066B: ".",  # Arabic decimal separator
}


class _Parts(NamedTuple):
    """The parts of an amount as text. `exponent` is the power of ten of its unit."""

    digits: str
    is_negative: bool
    exponent: int
    currency_decimals: int | None
    affixes: tuple[str, ...]  # the words around the number, without the unit


class AmountConvention:
    """How the workspace writes amounts, if all of its unambiguous amounts agree."""

    def __init__(self, texts: Iterable[str | None] = ()) -> None:
        votes = [decimal for raw in set(texts) if raw and (decimal := _decimal_separator(raw)) is not None]
        agreed = len(votes) >= MIN_CONVENTION_AMOUNTS and len(set(votes)) == 1
        self._decimal_separator = votes[0] if agreed else None
        self.was_used = False  # whether an amount was ambiguous without the convention

    @property
    def decimal_separator(self) -> str | None:
        """The separator of decimals; None if the amounts do not agree."""
        self.was_used = True
        return self._decimal_separator


NO_CONVENTION = AmountConvention()


def parse_amount(value: Any, convention: AmountConvention = NO_CONVENTION) -> float | None:
    """Return an amount of money from a number or text (contract trap 14); None if it is ambiguous or no amount."""
    if not isinstance(value, str):
        return number(value)
    if len(value) > MAX_CHARACTERS:
        return None
    parts, readings = _analyzed(value)
    if parts is None:
        return number(value) if "e" in value.lower() else None  # 1.0E7
    digits, is_negative, exponent, currency_decimals, _ = parts
    if len(set(readings.values())) > 1:
        settled = convention.decimal_separator
        if settled is None and exponent == 0 and currency_decimals is not None and currency_decimals <= 2:
            settled = "," if "." in digits else "."
        elif exponent == 0 and currency_decimals is not None and settled is not None and settled in digits:
            return None  # the currency and the workspace's other amounts disagree
        readings = {decimal: reading for decimal, reading in readings.items() if decimal == settled}
    amount = next(iter(readings.values()), None)
    if amount is None:
        return None
    return float((-amount if is_negative else amount).scaleb(exponent))


def parse_currency(value: Any, shared_symbols: Mapping[str, str] | None = None) -> str | None:
    """Return the ISO 4217 code of the currency that an amount names; None if it names none, or several.

    `shared_symbols` are the meanings of symbols that several currencies have, such as `$`.
    """
    if not isinstance(value, str) or len(value) > MAX_CHARACTERS:
        return None
    parts = _split(_normalized(value))
    return currency_named(parts.affixes, shared_symbols) if parts else None


def parse_share(value: Any) -> float | None:
    """Return a probability from a number or text: a decimal point, optionally a percent sign."""
    plain = text(value)
    return number(value) if plain is None else number(plain.removesuffix("%").strip())


@lru_cache(maxsize=4096)  # the calls of a deal have the same amount
def _analyzed(value: str) -> tuple[_Parts | None, Mapping[str, Decimal]]:
    """Return the parts of an amount and the readings of its number."""
    parts = _split(_normalized(value))
    return parts, MappingProxyType(_readings(parts.digits) if parts is not None else {})


def _normalized(value: str) -> str:
    """Return the text with ASCII digits, plain spaces, signs and apostrophes, without marks of the text direction."""
    characters = []
    for character in value.translate(_TRANSLATED).strip():
        category = unicodedata.category(character)
        if category == "Nd":
            characters.append(str(unicodedata.decimal(character)))
        elif category == "Zs":
            characters.append(" ")
        elif category != "Cf":
            characters.append(character)
    return "".join(characters).strip()


def _split(value: str) -> _Parts | None:
    """Return the parts of an amount; None if the text is not one."""
    enclosed = _IN_PARENTHESES.fullmatch(value)
    match = _AMOUNT.fullmatch("".join(enclosed.groups()) if enclosed else value)
    if match is None:
        return None
    signs = match["sign"] + match["inner_sign"] + match["last_sign"]
    if len(signs) + (enclosed is not None) > 1:
        return None
    exponent, after = _unit(match["after"].strip())
    affixes = tuple(affix for affix in (match["before"].strip(), after) if affix)
    decimals = [_currency_decimals(affix) for affix in affixes]
    if None in decimals:
        return None  # an unknown word may be a unit: "48 T", "K$ 48"
    currency_decimals = max((each for each in decimals if each is not None), default=2 if enclosed else None)
    return _Parts(match["number"], signs == "-" or enclosed is not None, exponent, currency_decimals, affixes)


def _unit(after: str) -> tuple[int, str]:
    """Return the power of ten of the unit behind a number, and what follows it: `k€` is (3, `€`)."""
    match = _UNIT_AND_CODE.fullmatch(after.casefold()) or _UNIT.fullmatch(after.casefold())
    if match is None or match[1] not in _UNITS:
        return 0, after
    return _UNITS[match[1]], match[2].strip()


@cache
def _currency_decimals(affix: str) -> int | None:
    """Return the decimals of a currency's amounts; None if the text is not known as a currency."""
    from babel.numbers import get_currency_precision

    words = affix.split()
    if len(words) > 1:
        each = [_currency_decimals(word) for word in words]
        return None if None in each else max(decimals for decimals in each if decimals is not None)
    if is_code(affix):
        return get_currency_precision(affix.upper())
    is_currency = is_symbol(affix.casefold()) or (len(affix) == 1 and unicodedata.category(affix) == "Sc")
    return 2 if is_currency else None


def _readings(digits: str) -> dict[str, Decimal]:
    """Return the readings of a number by decimal separator; none if no format accepts it."""
    from babel.numbers import NumberFormatError, parse_decimal

    written = digits.replace(" ", "\u202f")
    separators = set(re.sub(r"\d", "", written))
    if not separators:
        return {"": Decimal(written)}
    readings: dict[str, Decimal] = {}
    for locale, group, decimal in _FORMATS:
        if separators <= {group, decimal}:
            try:
                readings.setdefault(decimal, parse_decimal(written, locale=locale, strict=True))
            except NumberFormatError:
                continue
    return readings


def _decimal_separator(raw: str) -> str | None:
    """Return the decimal separator that an amount shows; None if it is ambiguous or has neither point nor comma."""
    parts = _split(_normalized(raw)) if len(raw) <= MAX_CHARACTERS else None
    if parts is None or not {".", ","} & set(parts[0]):
        return None
    readings = _readings(parts[0])
    return next(iter(readings)) if len(readings) == 1 else None
