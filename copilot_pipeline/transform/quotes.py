"""Where a quote was said: each piece of evidence is looked for in the utterances of its call.

A quote is looked for as it stands, then with case, punctuation, white space and the forms of quotation marks set
aside, then as something similar. A score whose quote nobody said is a thing to know, so `not found` is said plainly.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from rapidfuzz import fuzz

# Two sentences of everyday English share about half of their letters; below this a likeness means nothing.
LEAST_LIKENESS = 0.75
# Of the words of a quote, so many must stand in the passage: letters alone are alike too easily.
LEAST_WORDS_SHARED = 0.5
# "Yes, sure" is like half of a transcript: so short a quote is found as it was said, or not at all.
SHORTEST_FOR_LIKENESS = 12
PASSAGES_COMPARED = 6
# Looking for the best place within a passage takes the square of a quote's length: a long one's beginning shows it.
LONGEST_TO_ALIGN = 600  # letters
# A whole transcript given as evidence is no quote: of what is longer, the beginning is compared.
LONGEST_FOR_LIKENESS = 1500  # words

_WORD = re.compile(r"[^\W_]+")
_ELLIPSIS = re.compile(r"\s*(?:\.{3,}|…|\[\s*(?:\.{3}|…)?\s*\])\s*")
_QUOTATION_MARKS = "\"'\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb\u2039\u203a` \t\r\n"


class Match(StrEnum):
    """How exact."""

    EXACT = "exact"  # letter by letter
    NORMALIZED = "normalized"  # the same words
    FUZZY = "fuzzy"  # similar words
    NOT_FOUND = "not found"


class SpokenUtterance(NamedTuple):
    """An utterance, as far as it matters here."""

    seq: int
    speaker: str
    side: str
    start_s: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a quote was said. Without a place where it was not found; `score` is from 0 to 1."""

    match: Match
    score: float
    seq: int | None = None
    last_seq: int | None = None  # a quote may run over into the utterances that follow
    start_s: float | None = None
    speaker: str | None = None
    side: str | None = None
    said: str | None = None  # the words of the transcript


NOT_FOUND = Passage(Match.NOT_FOUND, 0.0)


class QuoteFinder:
    """Looks for quotes in one call. What costs time is made when the first quote needs it."""

    def __init__(self, utterances: Sequence[SpokenUtterance]) -> None:
        self._utterances = [utterance for utterance in utterances if utterance.text.strip()]

    def find(self, quote: str) -> Passage:
        """The first place where the quote, or what is most like it, was said."""
        bare = quote.strip(_QUOTATION_MARKS)
        speaker, bare = self._without_speakers(bare)
        if not bare or not self._utterances:
            return NOT_FOUND
        return self._as_it_stands(bare, speaker) or self._as_words(bare, speaker) or self._as_something_like(bare)

    @cached_property
    def _speaker(self) -> re.Pattern[str]:
        """Finds `Dana: ` where a line of a transcript begins with it; the longest name first."""
        names = sorted({utterance.speaker.strip() for utterance in self._utterances}, key=len, reverse=True)
        return re.compile(rf"^[ \t]*({'|'.join(map(re.escape, names))}):[ \t]+(?=\S)", re.IGNORECASE | re.MULTILINE)

    def _without_speakers(self, quote: str) -> tuple[str | None, str]:
        """`Dana: we agreed` -> Dana, `we agreed`; likewise at the beginning of each further line of the quote."""
        if ":" not in quote or not self._utterances:
            return None, quote
        found = self._speaker.match(quote)
        bare = self._speaker.sub("", quote).strip(_QUOTATION_MARKS)
        return found[1].casefold() if found else None, bare

    # --- letter by letter ----------------------------------------------------------------------------------------

    def _as_it_stands(self, quote: str, speaker: str | None) -> Passage | None:
        found = None
        for utterance in self._utterances:
            if quote in utterance.text and _stands_alone(quote, utterance.text):
                if speaker is None or utterance.speaker.casefold() == speaker:
                    return _passage(Match.EXACT, 1.0, [utterance], quote)
                found = found or utterance
        return _passage(Match.EXACT, 1.0, [found], quote) if found else None

    # --- word by word --------------------------------------------------------------------------------------------

    @cached_property
    def _words(self) -> list[list[str]]:
        """The words of each utterance."""
        return [words_of(utterance.text) for utterance in self._utterances]

    @cached_property
    def _begins(self) -> list[int]:
        """Where the words of each utterance begin in `_text`."""
        lengths = [len(" ".join(words)) + 1 if words else 0 for words in self._words]
        return [1, *(1 + end for end in accumulate(lengths))][: len(self._words)]

    @cached_property
    def _text(self) -> str:
        """All words of the call, each between blanks, so that only whole words are found."""
        return " " + "".join(" ".join(words) + " " for words in self._words if words)

    def _as_words(self, quote: str, speaker: str | None) -> Passage | None:
        pieces = [words for part in _ELLIPSIS.split(quote) if (words := words_of(part))]
        if not pieces:
            return None
        starts = self._occurrences(f" {' '.join(pieces[0])} ")
        if speaker is not None:
            starts.sort(key=lambda start: self._speaker_at(start) != speaker)
        for start in starts:
            end = self._end_of_pieces(pieces, start)
            if end is not None:
                spoken = self._between(start + 1, end)
                return _passage(Match.NORMALIZED, 1.0, spoken, _said(spoken))
        return None

    def _occurrences(self, words: str) -> list[int]:
        found, start = [], self._text.find(words)
        while start >= 0:
            found.append(start)
            start = self._text.find(words, start + 1)
        return found

    def _end_of_pieces(self, pieces: list[list[str]], start: int) -> int | None:
        """Where the last piece ends, if the pieces follow one another from `start` on."""
        position = start
        for words in pieces:
            wanted = f" {' '.join(words)} "
            position = self._text.find(wanted, position)
            if position < 0:
                return None
            position += len(wanted) - 1
        return position - 1

    def _speaker_at(self, start: int) -> str:
        return self._between(start + 1, start + 1)[0].speaker.casefold()

    def _between(self, first: int, last: int) -> list[SpokenUtterance]:
        """The utterances that hold the letters from `first` to `last` of `_text`."""
        return self._utterances[bisect_right(self._begins, first) - 1 : bisect_right(self._begins, last)]

    # --- something like it ---------------------------------------------------------------------------------------

    def _as_something_like(self, quote: str) -> Passage:
        wanted = words_of(_ELLIPSIS.sub(" ", quote))[:LONGEST_FOR_LIKENESS]
        joined = " ".join(wanted)
        if len(joined) < SHORTEST_FOR_LIKENESS:
            return NOT_FOUND
        best = NOT_FOUND
        for first, last in self._likely(Counter(wanted), len(wanted)):
            passage = self._compare(joined, first, last)
            if passage.score > best.score:
                best = passage
        return best

    def _likely(self, wanted: Counter[str], length: int) -> list[tuple[int, int]]:
        """Stretches of utterances that share most of the quote's words: only these are compared letter by letter."""
        shared = [sum((wanted & counted).values()) if wanted.keys() & counted.keys() else 0 for counted in self._counts]
        so_far = [0, *accumulate(shared)]
        stretches = []
        for first in range(len(shared)):
            if not shared[first]:
                continue
            # An utterance alone, and with what follows it until there are words enough for the quote.
            last, words = first, len(self._words[first])
            stretches.append((shared[first], first, last))
            while words < length and last + 1 < len(shared):
                last += 1
                words += len(self._words[last])
            if last > first:
                stretches.append((so_far[last + 1] - so_far[first], first, last))
        enough = [stretch for stretch in stretches if stretch[0] >= LEAST_WORDS_SHARED * length]
        enough.sort(key=lambda stretch: (-min(stretch[0], length), stretch[2] - stretch[1], stretch[1]))
        return [(first, last) for _, first, last in enough[:PASSAGES_COMPARED]]

    @cached_property
    def _counts(self) -> list[Counter[str]]:
        return [Counter(words) for words in self._words]

    def _compare(self, quote: str, first: int, last: int) -> Passage:
        parts = [" ".join(words) for words in self._words[first : last + 1]]
        passage = " ".join(parts)
        if len(passage) <= len(quote):  # the whole of it, then: what is most like a long quote may be said in brief
            start, end = 0, len(passage)
        else:
            beginning = quote[:LONGEST_TO_ALIGN]
            found = fuzz.partial_ratio_alignment(beginning, passage, score_cutoff=100 * LEAST_LIKENESS)
            if found is None:
                return NOT_FOUND
            start, end = found.dest_start, found.dest_end + len(quote) - len(beginning)
        likeness = fuzz.ratio(quote, passage[start:end], score_cutoff=100 * LEAST_LIKENESS) / 100
        if not likeness:
            return NOT_FOUND
        spoken, begin = [], 0
        for utterance, part in zip(self._utterances[first : last + 1], parts, strict=True):
            overlap = min(end, begin + len(part)) - max(start, begin)
            # A letter or two of a neighbour is chance.
            if overlap > min(SHORTEST_FOR_LIKENESS, len(part) - 1):
                spoken.append(utterance)
            begin += len(part) + 1
        return _passage(Match.FUZZY, likeness, spoken, _said(spoken)) if spoken else NOT_FOUND


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case, compatibility forms and accents' forms unified, without punctuation."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    # An apostrophe within a word is left out: "don't" and "don\u2019t" are one word, and so is "dont".
    return _WORD.findall(plain.replace("'", "").replace("\u2019", "").casefold())


def _stands_alone(quote: str, text: str) -> bool:
    """The quote is not the middle of longer words: `art` was not said in `start`."""
    start = text.find(quote)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(quote) : start + len(quote) + 1]
        if not (before.isalnum() and quote[0].isalnum()) and not (after.isalnum() and quote[-1].isalnum()):
            return True
        start = text.find(quote, start + 1)
    return False


def _said(spoken: Sequence[SpokenUtterance]) -> str:
    return " ".join(utterance.text for utterance in spoken)


def _passage(match: Match, score: float, spoken: Sequence[SpokenUtterance], said: str) -> Passage:
    first = spoken[0]
    return Passage(match, score, first.seq, spoken[-1].seq, first.start_s, first.speaker, first.side, said)
