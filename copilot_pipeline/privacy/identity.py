"""Who is meant: e-mail addresses, phone numbers and names in a form that can be compared. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["email", "phone", "name"]

# A number is compared by its last digits, because it may be written with or without the code of its country.
SIGNIFICANT_DIGITS = 9
MIN_DIGITS = 7
_MIN_PIECE = 4  # letters of a part of a word that is taken for a name: not the s of James's
# Letters with their combining marks; also parts of such as O'Brien.
WORD = re.compile(r"(?:[^\W_][\u0300-\u036f]*)+(?:['`\u2019\u02bc](?:[^\W_][\u0300-\u036f]*)+)*")
_APOSTROPHES = str.maketrans("`\u2019\u02bc", "'''")
_EXTENSION = re.compile(r"\s*(?:;?ext\.?\s?=?|x|#)\s?\d{1,6}\s*\Z", re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")


def normalized_email(value: str) -> str:
    """Return an e-mail address for comparison: one notation of a domain with other letters than a to z."""
    name, at, domain = unicodedata.normalize("NFC", value.strip()).casefold().rpartition("@")
    return f"{name}{at}{_ascii_domain(domain)}"


def _ascii_domain(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain


def email_notations(email: str) -> set[str]:
    """Return an address with its domain in letters and in ASCII (`xn--…`)."""
    email = email.strip()
    name, at, domain = email.rpartition("@")
    ascii_domain = _ascii_domain(domain)
    try:
        return {email, f"{name}{at}{ascii_domain}", f"{name}{at}{ascii_domain.encode().decode('idna')}"}
    except UnicodeError:
        return {email}


def normalized_phone(value: str) -> str | None:
    """Return the digits by which a phone number is compared; None if it has too few.

    A number that `phonenumbers` can parse is compared by its national digits, any other by its last nine.
    """
    value = _EXTENSION.sub("", unicodedata.normalize("NFKC", value))
    digits = "".join(character for character in value if character.isdecimal())
    if len(digits) < MIN_DIGITS:
        return None
    return _national(value) or digits[-SIGNIFICANT_DIGITS:]


def _national(value: str) -> str | None:
    # Part of an optional extra; without it numbers are compared by their last digits.
    try:
        import phonenumbers
    except ImportError:
        return None
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        return None
    return str(number.national_number)[-SIGNIFICANT_DIGITS:]


def name_words(value: str) -> tuple[str, ...]:
    """Return the words of a name for comparison, with one kind of apostrophe; hyphens separate words."""
    text = unicodedata.normalize("NFC", value).translate(_APOSTROPHES)
    return tuple(word.casefold() for word in WORD.findall(text))


def without_accents(word: str) -> str:
    """Return a word as it is written where accents are left out."""
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))


def normalized_name(value: str) -> str:
    """Return a name for comparison, whatever its case, white space and punctuation."""
    return " ".join(name_words(value))


def orders(name: str) -> Iterable[tuple[str, ...]]:
    """Return the orders in which a name is written: `Ana de la Cruz`, `de la Cruz, Ana`. None for a single word."""
    words = name_words(name)
    if len(words) < 2:
        return ()
    return {words[start:] + words[:start] for start in range(len(words))}


def name_parts(value: str) -> set[str]:
    """Return the single words by which a name is recognized, such as `o'brien` and `brien`; no initials."""
    words = name_words(value)
    pieces = {piece for word in words for piece in word.split("'") if len(piece) >= _MIN_PIECE}
    return {word for word in words if len(word) > 1} | pieces


def kind_of(value: str) -> Kind:
    """Return what a person is named by: an e-mail address, a phone number or a name."""
    if _EMAIL.fullmatch(value.strip()):
        return "email"
    value = _EXTENSION.sub("", value.strip()).removeprefix("tel:")
    digits = sum(map(str.isdecimal, value))
    letters = sum(map(str.isalpha, value))
    return "phone" if digits >= MIN_DIGITS and not letters else "name"


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a person is found: all values as they are written, and the calls that are removed with the person."""

    emails: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()  # single words of the names that are erased too
    calls: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()  # ids of the calls' Semarize runs
    sentences: frozenset[str] = field(default=frozenset(), repr=False)  # what was said, to be found where no id is

    def has_email(self, value: str | None) -> bool:
        """Return whether an address is one of the person's."""
        return bool(value) and normalized_email(value or "") in set(map(normalized_email, self.emails))

    def has_phone(self, value: str | None) -> bool:
        """Return whether a number is one of the person's."""
        digits = normalized_phone(value) if value else None
        return digits is not None and digits in set(map(normalized_phone, self.phones))

    def has_name(self, value: str | None) -> bool:
        """Return whether a name is one of the person's."""
        return bool(value) and name_words(value or "") in self.orders_of_names

    @property
    def orders_of_names(self) -> set[tuple[str, ...]]:
        """The words of the names, in each order in which they are written."""
        return {order for name in self.names for order in (*orders(name), name_words(name))}

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing."""
        return not (self.emails or self.phones or self.names or self.parts or self.calls)


def lists(identity: Identity) -> dict[str, list[str]]:
    """Return the values by name, sorted, for JSON."""
    names = ("emails", "phones", "names", "parts", "calls", "runs", "sentences")
    return {name: sorted(getattr(identity, name)) for name in names}


def from_lists(values: dict[str, Iterable[str]]) -> Identity:
    """Return the identity that `lists` described."""
    return Identity(**{name: frozenset(items) for name, items in values.items()})
