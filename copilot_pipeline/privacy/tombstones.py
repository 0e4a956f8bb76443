"""Tombstones: keyed hashes of what was erased, by which it is recognized if it is received again.

Nothing is stored of a person but the hashes of addresses, numbers and names. A body that is received is searched for
people who are erased: their calls are not stored, or they are masked in them, as the erasure did.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.privacy.identity import (
    WORD,
    Identity,
    name_parts,
    name_words,
    normalized_email,
    normalized_name,
    normalized_phone,
    orders,
    without_accents,
)
from copilot_pipeline.privacy.matching import ERASED, Matcher, erased_email, erased_name
from copilot_pipeline.privacy.people import Named, decoded, people_of

Mode = Literal["calls", "mask"]  # the calls of a person are not stored, or the person is masked in them
VARIABLE = "COPILOT_PIPELINE_PRIVACY_KEY"
_KEY_CHECK = "key"
_MAX_REMEMBERED = 200_000  # words whose hash is known, so that each is computed once
_EMAIL = re.compile(r"[\w\u0300-\u036f.+%'&*/=?^{|}~!#$-]+@[\w\u0300-\u036f-]+(?:\.[\w\u0300-\u036f-]+)+")
_BEFORE_ADDRESS = re.compile(r"[%'&*/=?^{|}~!#$]")  # allowed in an address, and more often what stands before one
_PHONE = re.compile(r"(?<![\w])[+(]?\d[\d\s().\-/\u2010-\u2015]{5,60}\d(?!\w)")
_DIGITS = re.compile(r"[+(]?\d+")
_MAX_DIGITS = 18  # of a number with codes of its country: 0049 (0)151 2345 6789
_MAX_GAP = 8  # characters between two words of a name


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One keyed hash. `words` is the number of words of a name."""

    label: str
    kind: str
    hash: bytes
    mode: Mode
    words: int = 0


def keyed_hash(key: bytes, kind: str, value: str) -> bytes:
    """Return the keyed hash of a value of a kind."""
    return hmac.digest(key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256)


def tombstones_of(identity: Identity, key: bytes, label: str, mode: Mode) -> list[Tombstone]:
    """Return what an erasure leaves of a person and of calls."""
    values: set[tuple[str, str]] = {("call", call_id) for call_id in identity.calls}
    values |= {("email", normalized_email(email)) for email in identity.emails}
    values |= {("phone", digits) for phone in identity.phones if (digits := normalized_phone(phone))}
    values |= {("name", without_accents(" ".join(words))) for name in identity.names for words in orders(name)}
    values |= {("part", " ".join(name_words(part))) for part in identity.parts}
    check = Tombstone(label, _KEY_CHECK, keyed_hash(key, _KEY_CHECK, ""), mode)
    return [check, *(_tombstone(key, label, mode, kind, value) for kind, value in sorted(values))]


def _tombstone(key: bytes, label: str, mode: Mode, kind: str, value: str) -> Tombstone:
    words = len(value.split()) if kind in ("name", "part") else 0
    return Tombstone(label, kind, keyed_hash(key, kind, value), mode, words)


class Tombstones:
    """All tombstones, with the key."""

    def __init__(self, rows: Iterable[Tombstone], key: bytes) -> None:
        by_kind: dict[str, dict[bytes, Tombstone]] = {}
        self._rows = tuple(rows)
        for row in self._rows:
            by_kind.setdefault(row.kind, {})[row.hash] = row
        self._by_kind = by_kind
        self._key = key
        self._sizes = sorted({row.words for row in by_kind.get("name", {}).values()}, reverse=True)
        self._known: dict[tuple[str, str], Tombstone | None] = {}
        known = by_kind.get(_KEY_CHECK, {})
        if known and keyed_hash(key, _KEY_CHECK, "") not in known:
            raise ConfigurationError(
                f"{VARIABLE} is another key than that with which people and calls were erased: set that key. With "
                "another one, nothing that was erased can be recognized"
            )

    @property
    def has_people(self) -> bool:
        """Whether people were erased, so that bodies must be searched."""
        return any(self._by_kind.get(kind) for kind in ("email", "phone", "name", "part"))

    @property
    def has_calls(self) -> bool:
        """Whether calls were erased."""
        return bool(self._by_kind.get("call"))

    def is_erased(self, call_id: str | None) -> bool:
        """Return whether a call was erased."""
        return call_id is not None and self._find("call", call_id) is not None

    def of_value(self, kind: str, value: str | None) -> Tombstone | None:
        """Return the tombstone of an address, a number or a name, None if there is none."""
        if not value:
            return None
        normalized = {"email": normalized_email, "phone": normalized_phone, "name": normalized_name}[kind](value)
        return self._find(kind, normalized) if normalized else None

    def of_people(self, people: Sequence[Named]) -> list[tuple[Named, Tombstone]]:
        """Return the entries of erased people: by address, by number, or by a name without an address."""
        surely = [
            (one, found)
            for one in people
            if (found := self.of_value("email", one.email) or self.of_value("phone", one.phone)) is not None
        ]
        sure = {id(one) for one, _ in surely}
        others = {normalized_name(one.name) for one in people if one.name and one.email and id(one) not in sure}
        return surely + [
            (one, found)
            for one in people
            if id(one) not in sure
            and not one.email
            and (found := self.of_value("name", one.name)) is not None
            and normalized_name(one.name or "") not in others
        ]

    def all_of_value(self, kind: str, value: str | None) -> list[Tombstone]:
        """Return the tombstones of a value of a kind, of whichever erasures."""
        if not value:
            return []
        normalized = {"email": normalized_email, "phone": normalized_phone, "name": normalized_name}.get(kind, str)
        text = normalized(value)
        text = without_accents(text) if text and kind == "name" else text
        wanted = keyed_hash(self._key, kind, text) if text else None
        return [row for row in self._rows if row.kind == kind and row.hash == wanted]

    # --- what is received --------------------------------------------------------------------------------------

    def filtered(self, body: bytes) -> bytes | None:
        """Return a body without erased people; None if its call must not be stored, because one took part."""
        if not self.has_people:
            return body
        document = decoded(body)
        if document is None:
            text = body.decode("utf-8", "surrogateescape")
            return body if (masked := self.mask(text)) == text else masked.encode("utf-8", "surrogateescape")
        found = self.of_people(people_of(document))
        if any(tombstone.mode == "calls" for _, tombstone in found):
            return None
        matchers = [_matcher(one, tombstone) for one, tombstone in found]
        masked_document = self._masked(document, matchers)
        return body if masked_document == decoded(body) else msgspec.json.encode(masked_document)

    def mask(self, text: str) -> str:
        """Replace the addresses, numbers and names of erased people in a text."""
        if not self.has_people:
            return text
        if self._by_kind.get("email"):
            text = _EMAIL.sub(self._masked_email, text)
        if self._by_kind.get("phone"):
            text = _PHONE.sub(self._masked_phone, text)
        return self._mask_names(text)

    def mask_text(self, value: str) -> str:
        """Replace erased people in a text that may be a JSON document."""
        document = decoded(value.encode("utf-8", "surrogatepass")) if value[:1] in ("{", "[") else None
        if document is None:
            return self.mask(value)
        masked = self._masked(document, [])
        return value if masked == document else json.dumps(masked, ensure_ascii=False)

    def masked(self, value: Any) -> Any:
        """Replace erased people in all texts of a JSON value."""
        return self._masked(value, []) if self.has_people else value

    def _masked(self, value: Any, matchers: Sequence[Matcher]) -> Any:
        if isinstance(value, str):
            for matcher in matchers:
                value = matcher.mask(value)
            return self.mask(value)
        if isinstance(value, list):
            return [self._masked(item, matchers) for item in value]
        if isinstance(value, dict):
            return {key: self._masked(item, matchers) for key, item in value.items()}
        return value

    def _masked_email(self, match: re.Match[str]) -> str:
        text = match[0]
        starts = [0, *(one.end() for one in _BEFORE_ADDRESS.finditer(text, 0, text.index("@")))]
        dot = text.rindex(".")  # before a capital letter it ends a sentence
        for end in (len(text), dot) if text[dot + 1 : dot + 2].isupper() else (len(text),):
            for start in starts:
                if (found := self.of_value("email", text[start:end])) is not None:
                    return f"{text[:start]}{erased_email(found.label)}{text[end:]}"
        return text

    def _masked_phone(self, match: re.Match[str]) -> str:
        """Mask the numbers in digits that stand together, which may be those of several numbers."""
        text, pieces, end = match[0], [], 0
        groups = list(_DIGITS.finditer(text))
        first = 0
        while first < len(groups):
            last = next((n for n in reversed(range(first, len(groups))) if self._is_phone(groups, first, n)), None)
            if last is not None:
                pieces += [text[end : groups[first].start()], ERASED]
                end = groups[last].end()
            first = first + 1 if last is None else last + 1
        return "".join([*pieces, text[end:]])

    def _is_phone(self, groups: Sequence[re.Match[str]], first: int, last: int) -> bool:
        text = groups[0].string[groups[first].start() : groups[last].end()]
        return sum(map(str.isdecimal, text)) <= _MAX_DIGITS and self.of_value("phone", text) is not None

    def _mask_names(self, text: str) -> str:
        if not (self._sizes or self._by_kind.get("part")):
            return text
        tokens = list(WORD.finditer(text))
        pieces: list[str] = []
        end = index = 0
        while index < len(tokens):
            found, count = self._name_at(tokens, index)
            if found is not None:
                pieces += [text[end : tokens[index].start()], erased_name(found.label) if count > 1 else ERASED]
                end = tokens[index + count - 1].end()
            index += count
        return "".join([*pieces, text[end:]]) if pieces else text

    def _part_of(self, word: str) -> Tombstone | None:
        """Return the tombstone of a part of a word, such as that of `brien` for `o'brien`."""
        return next(filter(None, (self._find("part", part) for part in sorted(name_parts(word)))), None)

    def _name_at(self, tokens: Sequence[re.Match[str]], index: int) -> tuple[Tombstone | None, int]:
        for count in self._sizes:
            words = tokens[index : index + count]
            if len(words) == count and all(b.start() - a.end() <= _MAX_GAP for a, b in zip(words, words[1:])):  # noqa: B905, RUF007
                if _ends_in_an_address(words):
                    continue
                name = " ".join(word for one in words for word in name_words(one[0]))
                found = self._find("name", name) or self._find("name", name.removesuffix("'s"))
                if found is not None:
                    return found, count
        found = self._part_of(tokens[index][0]) if self._by_kind.get("part") else None
        return found, 1

    def _find(self, kind: str, value: str) -> Tombstone | None:
        if kind == "name":
            value = without_accents(value)
        hashes = self._by_kind.get(kind)
        if not hashes:
            return None
        if (kind, value) not in self._known:
            if len(self._known) > _MAX_REMEMBERED:
                self._known.clear()
            self._known[kind, value] = hashes.get(keyed_hash(self._key, kind, value))
        return self._known[kind, value]


def _ends_in_an_address(words: Sequence[re.Match[str]]) -> bool:
    """Whether the last word is another thing than those before: `zoe` in `O'Neil, zoe@kestrel.example`."""
    text, end = words[-1].string, words[-1].end()
    return text[end : end + 1] == "@" and any(map(str.isspace, text[words[0].start() : end]))


def _matcher(one: Named, tombstone: Tombstone) -> Matcher:
    identity = Identity(
        emails=frozenset(filter(None, [one.email])),
        phones=frozenset(filter(None, [one.phone])),
        names=frozenset(filter(None, [one.name])),
    )
    return Matcher(identity, tombstone.label)
