"""Find the names of a call's participants in its text.

A name is found as a whole, in parts, in upper or lower case, without its accents, with a possessive s, and spelled
letter by letter. A part that is also an ordinary word (`Will`, `Page`) counts only with a capital first letter.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from copilot_pipeline.privacy.redaction.common_words import ALSO_WORDS, NOT_NAMES, PARTICLES

MIN_PART = 2  # letters; one is an initial
MIN_ANY_CASE = 3  # shorter parts count only with a capital first letter
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019\u02bc][^\W\d_]+)*")
_IN_PARENTHESES = re.compile(r"[(\[{].*?[)\]}]")
_APOSTROPHES = re.compile("['\u2019\u02bc]")
# Letters that people also write without their strokes; Unicode does not decompose them.
_WITHOUT_STROKES = str.maketrans({"\u00f8": "o", "\u0142": "l", "\u0111": "d", "\u00e6": "ae", "\u0153": "oe"})
_FIRST_IDEOGRAPH = "\u2e80"  # from here on, scripts without spaces between words


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """A participant: what replaces the name, and all names and addresses that are known."""

    label: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A name in a text, with the label of its only bearer on the call, None if there are several."""

    start: int
    end: int
    label: str | None


class ParticipantNames:
    """Finds the names of the participants of one call."""

    def __init__(self, people: Sequence[NamedPerson]) -> None:
        self._labels: defaultdict[str, set[str]] = defaultdict(set)
        wholes: dict[str, str] = {}
        parts: set[str] = set()
        self._words: set[str] = set()  # whole names that are ordinary words too, as in `will page`
        for person in people:
            for words in filter(None, map(name_words, person.names)):
                folded = [fold(word) for word in words]
                if len(folded) > 1:
                    wholes["".join(folded)] = r"[\W_]{0,3}".join(map(re.escape, folded))
                    self._labels["".join(folded)].add(person.label)
                    if all(map(_is_word, folded)):
                        self._words.add("".join(folded))
                for part in filter(_is_part, folded):
                    parts.add(part)
                    self._labels[part].add(person.label)
        self._parts = parts
        self._pattern = _pattern(wholes.values(), parts)

    def find(self, text: str) -> Iterator[NameMatch]:
        """Yield the names in a text, in order and without overlaps."""
        if self._pattern is None:
            return
        folded, positions = fold_with_positions(text)
        search_from = 0
        while (match := self._pattern.search(folded, search_from)) is not None:
            start, end = _original(positions, match.start()), _original(positions, match.end())
            name = "".join(filter(str.isalpha, match["name"]))
            is_spelled = match.end() - match.start() > len(name) + 2
            if is_spelled or self._may_be_name(name, text[start:end]):
                yield NameMatch(start, end, self._label(name))
                search_from = match.end()
            else:
                search_from = match.start() + 1

    def label_of(self, text: str) -> str | None:
        """Return the label of the only participant whom all words of a text name."""
        labels: set[str] | None = None
        for word in _WORD.findall(text):
            named = self._labels.get(fold(word), set())
            labels = named if labels is None else labels & named
        return next(iter(labels)) if labels and len(labels) == 1 else None

    def _may_be_name(self, name: str, written: str) -> bool:
        """Return whether a name is meant, not ordinary words: `Mark`, but not `mark`."""
        is_word = name in self._words or (name in self._parts and (_is_word(name) or len(name) < MIN_ANY_CASE))
        return not is_word or name[0] >= _FIRST_IDEOGRAPH or written[:1].isupper()

    def _label(self, name: str) -> str | None:
        labels = self._labels.get(name, set())
        return next(iter(labels)) if len(labels) == 1 else None


def name_words(name: str) -> list[str]:
    """Return the words of a name or of the first part of an e-mail address, without titles and remarks.

    `Dr. Fox, Dana (Acme)` has the words Fox and Dana. A name of nothing but titles and device names has none.
    """
    if "@" in name:
        local = name.partition("@")[0]
        words = _WORD.findall(local.replace("_", " "))
        return words if len(words) > 1 else []
    words = _WORD.findall(_IN_PARENTHESES.sub(" ", name))
    return [word for word in words if word.casefold() not in NOT_NAMES and word not in PARTICLES]


def fold(text: str) -> str:
    """Return the text without case, accents and apostrophes."""
    plain = _APOSTROPHES.sub("", text)
    return plain.lower() if plain.isascii() else "".join(map(_fold_character, plain))


def fold_with_positions(text: str) -> tuple[str, list[int] | None]:
    """Return the folded text, and the original position of each of its characters and of its end.

    The positions are None if they are those of the text itself. Apostrophes stay: they separate a possessive s.
    """
    if text.isascii():
        return text.lower(), None
    table = {char: _fold_character(char) for char in set(text)}
    if all(len(folded) == 1 for folded in table.values()):
        return text.translate({ord(char): folded for char, folded in table.items()}), None
    characters = [table[char] for char in text]
    positions = [position for position, folded in enumerate(characters) for _ in folded]
    return "".join(characters), [*positions, len(text)]


def _fold_character(char: str) -> str:
    if char.isascii():
        return char.lower()
    if char in "\u2019\u02bc":
        return "'"
    decomposed = unicodedata.normalize("NFKD", char.upper())  # the capital of a dotless i is I
    folded = "".join(one for one in decomposed if not unicodedata.combining(one)).casefold()
    return folded.translate(_WITHOUT_STROKES)


def _original(positions: list[int] | None, position: int) -> int:
    return position if positions is None else positions[position]


def _is_word(part: str) -> bool:
    return part in ALSO_WORDS or part in PARTICLES


def _is_part(word: str) -> bool:
    return len(word) >= MIN_PART and word not in NOT_NAMES


def _pattern(wholes: Iterable[str], parts: Iterable[str]) -> re.Pattern[str] | None:
    """Return the pattern of all names: whole names first, longer parts before shorter ones."""
    spelled = [
        r"[ .,\-]{1,2}".join(part) for part in parts if part.isalpha() and 3 <= len(part) <= 15 and part.isascii()
    ]
    ordered = [
        *sorted(wholes, key=len, reverse=True),
        *sorted(map(_with_apostrophes, parts), key=len, reverse=True),
        *sorted(spelled, key=len, reverse=True),
    ]
    spaced = [one for one in ordered if one[0] < _FIRST_IDEOGRAPH]
    unspaced = [one for one in ordered if one[0] >= _FIRST_IDEOGRAPH]
    alternatives = []
    if spaced:
        alternatives.append(rf"(?<![^\W_])(?:{'|'.join(spaced)})(?=s?(?![^\W_]))")
    alternatives += unspaced
    return re.compile(f"(?P<name>{'|'.join(alternatives)})") if alternatives else None


def _with_apostrophes(part: str) -> str:
    """Let `o'brien` match as well: a name of four letters or more may have an apostrophe after its first or second."""
    escaped = re.escape(part)
    return f"{part[0]}'?{part[1]}'?{re.escape(part[2:])}" if len(part) > 3 and part.isascii() else escaped
