r"""Find and mask a person in text: in any case, with accents composed or not, escaped as in JSON, HTML or a URL. Pure.

Text is searched as it is stored, because it cannot be known whether a text is a page, a JSON document inside a JSON
document, or a sentence. So each character of a name is looked for in all its notations: `ë` is `ë`, `Ë`, `e` and
U+0308, `\u00eb`, `&#235;`, `&#xEB;`, `&euml;` and `%C3%AB`.
"""

from __future__ import annotations

import html.entities
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from copilot_pipeline.privacy.identity import Identity, email_notations, name_words, normalized_phone, orders

ERASED = "[erased]"
# Between the words of a name: white space and punctuation, however it is escaped, and tags.
# Not all of PostgreSQL, Arrow and Python take these for white space.
_BLANKS = "\u00a0\u2009\u202f\u3000\u2013"
_ESCAPED = r"\\+[nrt]|\\+u[0-9a-fA-F]{4}|&(?:nbsp|#x?[0-9a-fA-F]{2,4});|(?:%[0-9a-fA-F]{2})+"
_GAP = rf"(?:[\s,._+\-{_BLANKS}]|{_ESCAPED}|<[^<>]{{0,100}}>){{1,6}}"
_PHONE_GAP = rf"(?:[\s().\-/{_BLANKS}]|\\+u(?:00a0|201[0-5])|&nbsp;|%20){{0,3}}"
# No digit before, but for an escape as a whole: \u00a0 is a blank.
_NOT_IN_ESCAPE = "".join(r"(?<!\\u" + "[0-9a-fA-F]" * count + ")" for count in range(4))
_PHONE_START = rf"(?:(?<!\d){_NOT_IN_ESCAPE}|(?<=\\u[0-9a-fA-F]{{4}}))"
# No letter or digit before and after. The last letter of an escape before it, such as \n or %20, is none.
_START = r"(?:(?<![^\W_])|(?<=\\[nrt])|(?<=\\u[0-9a-fA-F]{4})|(?<=%[0-9a-fA-F]{2}))"
_END = r"(?![^\W_])"
# Of an address also no further part of another one: mary.ann@ is not ann@, and acme.co.uk not acme.co. A capital letter
# after a dot begins a sentence.
_EMAIL_START = _START.replace(r"(?<![^\W_])", r"(?<![^\W_])(?<![^\W_][.+_-])")
_EMAIL_END = _END + r"(?!-[^\W_])(?!\.(?-i:[a-z]{2}))"
_COARSE_GAP = "[^@]{0,21}"
_MIN_ID_LENGTH = 6  # shorter call ids are looked for in columns of ids only
_APOSTROPHES = "'\u2019\u02bc"
_MIN_SENTENCE_WORDS = 5
_MAX_IDS_IN_PATTERN = 500
_WORDS = re.compile(r"[^\W_]+")
_ID_TOKEN = re.compile(r"[\w.:-]+", re.ASCII)


def erased_name(label: str) -> str:
    """Return what replaces a name."""
    return f"Erased person {label}"


def erased_email(label: str) -> str:
    """Return what replaces an e-mail address."""
    return f"erased-{label}@erased.invalid"


@lru_cache(maxsize=1024)
def _character(character: str, *, is_name: bool) -> str:
    """Return a pattern for a character in all notations and both cases; of a name also without its accent."""
    notations: set[str] = set()
    for form in {character, character.lower(), character.upper(), character.casefold()}:
        letter, *marks = list(unicodedata.normalize("NFD", form))
        notations |= {re.escape(form), re.escape("".join((letter, *marks)))}
        if marks and letter.isalpha() and all(map(unicodedata.combining, marks)):
            notations.add(letter + "".join(rf"\\+u{_hexadecimal(f'{ord(mark):04x}')}" for mark in marks))
            notations |= {letter} if is_name else set()
        if len(form) != 1:
            continue
        code = ord(form)
        notations.add(f"&#0*{code};")
        notations.add(f"&#x0*{_hexadecimal(f'{code:x}')};")
        if not form.isalnum() or code > 127:
            units = form.encode("utf-16-be").hex()
            escaped = "".join(rf"\\+u{_hexadecimal(units[start : start + 4])}" for start in range(0, len(units), 4))
            notations.add(escaped)
            notations.add("".join(f"%{_hexadecimal(f'{byte:02x}')}" for byte in form.encode()))
            if code in html.entities.codepoint2name:
                notations.add(f"&{html.entities.codepoint2name[code]};")
    if character in _APOSTROPHES:
        notations |= {*_APOSTROPHES, "`", "&apos;", "&#39;", "&#x27;", "&rsquo;", r"\\+u2019", r"\\+u0027", r"\\+'"}
    return f"(?:{'|'.join(sorted(notations, key=len, reverse=True))})" if len(notations) > 1 else notations.pop()


def _either_case(digit: str) -> str:
    return digit if digit.isdecimal() else f"[{digit.lower()}{digit.upper()}]"


def _hexadecimal(digits: str) -> str:
    return "".join(map(_either_case, digits))


def _literally(text: str, *, is_name: bool = True) -> str:
    return "".join(_character(character, is_name=is_name) for character in unicodedata.normalize("NFC", text))


def _name_pattern(words: tuple[str, ...]) -> str:
    spelled = [_literally(word) for word in words]
    return _GAP.join(spelled)


def _single_words(identity: Identity) -> set[tuple[str, ...]]:
    """Return the names of one word: found only where nothing else is, or as the speaker of a line."""
    return {words for name in identity.names if len(words := name_words(name)) == 1}


def _email_pattern(email: str) -> str:
    notations = sorted(email_notations(email), key=lambda text: (-len(text), text))
    return f"(?:{'|'.join(_literally(text, is_name=False) for text in notations)})"


def _phone_pattern(digits: str) -> str:
    return rf"(?:\+|00|\(|&#43;|\\+u002[bB])?(?:\d{_PHONE_GAP}){{0,5}}{_PHONE_GAP.join(digits)}"


@dataclass(frozen=True, slots=True)
class Found:
    """One occurrence: what of the person it is, and where in the text."""

    kind: str  # email, phone, name, part, call or sentence
    start: int
    end: int


class Matcher:
    """Finds and masks one identity. `label` tells the masked person from others."""

    def __init__(self, identity: Identity, label: str = "") -> None:
        self.identity = identity
        self._label = label
        self._pattern = self._compile(identity)
        self._ids = frozenset(one for one in identity.calls | identity.runs if len(one) >= _MIN_ID_LENGTH)
        self._odd_ids = sorted(call_id for call_id in self._ids if not _ID_TOKEN.fullmatch(call_id))
        self._shingles = frozenset(shingle for text in identity.sentences for shingle in _shingles(text))

    @staticmethod
    def _compile(identity: Identity) -> re.Pattern[str] | None:
        patterns: list[str] = []
        patterns += [
            f"(?P<email{n}>{_EMAIL_START}{_email_pattern(email)}{_EMAIL_END})"
            for n, email in enumerate(sorted(identity.emails))
        ]
        names = sorted({order for name in identity.names for order in orders(name)}, key=len, reverse=True)
        patterns += [f"(?P<name{n}>{_START}{_name_pattern(words)}{_END})" for n, words in enumerate(names)]
        singles = sorted(_single_words(identity))
        patterns += [
            rf"(?P<name{n}>(?:(?<=\")|(?m:^)){_name_pattern(words)}(?=\\*\"|:\s|(?m:$)))"
            for n, words in enumerate(singles, start=len(names))
        ]
        phones = sorted({digits for phone in identity.phones if (digits := normalized_phone(phone))})
        patterns += [rf"(?P<phone{n}>{_PHONE_START}{_phone_pattern(digits)}(?!\d))" for n, digits in enumerate(phones)]
        parts = sorted({words for part in identity.parts if (words := name_words(part))})
        patterns += [f"(?P<part{n}>{_START}{_name_pattern(words)}{_END})" for n, words in enumerate(parts)]
        return re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    # --- search ------------------------------------------------------------------------------------------------

    def person_in(self, text: str) -> Iterator[Found]:
        """Yield where the person is named."""
        if self._pattern is not None:
            for match in self._pattern.finditer(text):
                if match.end() > match.start():
                    yield Found((match.lastgroup or "").rstrip("0123456789"), match.start(), match.end())

    def kinds_in(self, text: str) -> list[str]:
        """Return what of the person, of the calls and of what was said a text has; one entry each time."""
        kinds = [found.kind for found in self.person_in(text)]
        kinds += ["call"] * self.calls_in(text)
        return kinds + ["sentence"] * self.has_sentence(text)

    def calls_in(self, text: str) -> int:
        """Count the occurrences of ids of the calls."""
        if not self._ids:
            return 0
        count = sum(1 for token in _ID_TOKEN.findall(text) if token in self._ids or token.strip(".:-") in self._ids)
        return count + sum(text.count(call_id) for call_id in self._odd_ids)

    def has_sentence(self, text: str) -> bool:
        """Return whether a text shares so many words in a row with what was said that it quotes it."""
        return bool(self._shingles) and not self._shingles.isdisjoint(_shingles(html.unescape(text)))

    def has_call(self, call_id: str | None) -> bool:
        """Return whether an id is one of the calls."""
        return call_id in self.identity.calls or call_id in self.identity.runs

    # --- masking -----------------------------------------------------------------------------------------------

    def mask(self, text: str) -> str:
        """Replace the person's names, addresses and numbers."""
        return self._pattern.sub(self._replacement, text) if self._pattern is not None else text

    def _replacement(self, match: re.Match[str]) -> str:
        kind = (match.lastgroup or "").rstrip("0123456789")
        if match.end() == match.start():
            return ""
        if kind == "email":
            return erased_email(self._label)
        return erased_name(self._label) if kind == "name" else ERASED

    def mask_value(self, value: Any) -> Any:
        """Replace the person in all texts of a JSON value; a text that names one of the calls is replaced as a whole.

        So is a text that quotes what was said on them.
        """
        if isinstance(value, str):
            if self.calls_in(value) or self.has_sentence(value):
                return ERASED
            return self.mask(value)
        if isinstance(value, list | tuple):
            return [self.mask_value(item) for item in value]
        if isinstance(value, dict):
            return {self.mask(str(key)): self.mask_value(item) for key, item in value.items()}
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return ERASED if is_number and self.mask(str(value)) != str(value) else value

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the calls and of their runs."""
        return self.identity.calls | self.identity.runs

    @property
    def has_unbounded_ids(self) -> bool:
        """Whether there are too many ids for a pattern, so that a store cannot select the rows."""
        return len(self._ids) > _MAX_IDS_IN_PATTERN

    def coarse_pattern(self) -> str | None:
        """Return a pattern for PostgreSQL that finds all texts that this finds, and more; None if nothing is sought.

        Of a name it has the longest word only: counted repetitions of gaps take long to compile.
        """
        identity = self.identity
        words = {max(name_words(name), key=len) for name in identity.names if name_words(name)}
        patterns = {_literally(word) for word in words}
        patterns |= {"".join(map(_literally, name_words(part))) for part in identity.parts}
        patterns |= {_email_pattern(email) for email in identity.emails}
        patterns |= {_COARSE_GAP.join(digits) for phone in identity.phones if (digits := normalized_phone(phone))}
        patterns |= set(map(re.escape, self._ids))
        return "|".join(sorted(patterns)) or None

    def re2_pattern(self) -> str | None:
        """Return the same pattern in the syntax of Arrow; None if nothing is sought in text."""
        pattern = "^" if self.has_unbounded_ids else self.coarse_pattern()
        return f"(?i){pattern}" if pattern else None


def _shingles(text: str) -> set[tuple[str, ...]]:
    """Return all runs of five words. Escapes are not words: `\\u2019` separates."""
    words = _WORDS.findall(re.sub(r"\\+u[0-9a-fA-F]{4}|\\+[nrt]", " ", text).casefold())
    count = _MIN_SENTENCE_WORDS
    return {tuple(words[start : start + count]) for start in range(len(words) - count + 1)}
