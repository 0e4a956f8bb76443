"""Find quotes in the utterances of a call.

Matching has three stages: exact; normalized (case, punctuation, white space and quotation marks are ignored); fuzzy. A
quote that is in none of the utterances is reported as `not found`, because it may be invented.
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

# Two unrelated English sentences share about half of their letters, so a lower similarity is not evidence.
MIN_SIMILARITY = 0.75
# Share of the quote's words that must be in the passage: letters alone are similar too easily.
MIN_SHARED_WORDS = 0.5
# Shorter quotes ("Yes, sure") resemble half of a transcript and are matched exactly or normalized only.
MIN_FUZZY_CHARACTERS = 12
MAX_FUZZY_PASSAGES = 6
# Alignment takes quadratic time, so only this many characters of a quote are aligned.
MAX_ALIGNED_CHARACTERS = 600
# Longer evidence is a transcript rather than a quote: only its beginning is compared.
MAX_FUZZY_WORDS = 1500

_WORD = re.compile(r"[^\W_]+")
_ELLIPSIS = re.compile(r"\s*(?:\.{3,}|…|\[\s*(?:\.{3}|…)?\s*\])\s*")
_QUOTATION_MARKS = "\"'\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb\u2039\u203a` \t\r\n"


class Match(StrEnum):
    """How a quote was found."""

    EXACT = "exact"  # letter by letter
    NORMALIZED = "normalized"  # the same words
    FUZZY = "fuzzy"  # similar words
    NOT_FOUND = "not found"


@dataclass(frozen=True, slots=True)
class SpokenUtterance:
    """The fields of an utterance that matching uses."""

    seq: int
    speaker: str
    side: str
    start_s: float | None
    text: str
    person_id: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """The place of a quote.

    `seq` and the following fields are None if it was not found. `score` is from 0 to 1.
    """

    match: Match
    score: float
    seq: int | None = None
    last_seq: int | None = None  # a quote may extend over several utterances
    start_s: float | None = None
    speaker: str | None = None
    side: str | None = None
    said: str | None = None  # the words of the transcript
    person_id: str | None = None


NOT_FOUND = Passage(Match.NOT_FOUND, 0.0)


class QuoteFinder:
    """Finds quotes in the utterances of one call.

    Indexes are built when the first quote needs them.
    """

    def __init__(self, utterances: Sequence[SpokenUtterance]) -> None:
        self._utterances = [utterance for utterance in utterances if utterance.text.strip()]

    def find(self, quote: str) -> Passage:
        """Return the first place of the quote, or of the most similar passage."""
        bare = quote.strip(_QUOTATION_MARKS)
        speaker, bare = self._split_speaker(bare)
        if not bare or not self._utterances:
            return NOT_FOUND
        return self._find_exact(bare, speaker) or self._find_normalized(bare, speaker) or self._find_fuzzy(bare)

    @cached_property
    def _speaker(self) -> re.Pattern[str]:
        """Pattern of `Dana: ` at the beginning of a line; longest name first."""
        names = sorted({utterance.speaker.strip() for utterance in self._utterances}, key=len, reverse=True)
        return re.compile(rf"^[ \t]*({'|'.join(map(re.escape, names))}):[ \t]+(?=\S)", re.IGNORECASE | re.MULTILINE)

    def _split_speaker(self, quote: str) -> tuple[str | None, str]:
        """Return (dana, `we agreed`) for `Dana: we agreed`.

        Names at the beginning of further lines are removed too.
        """
        if ":" not in quote or not self._utterances:
            return None, quote
        match = self._speaker.match(quote)
        bare = self._speaker.sub("", quote).strip(_QUOTATION_MARKS)
        return match[1].casefold() if match else None, bare

    def _find_exact(self, quote: str, speaker: str | None) -> Passage | None:
        of_other_speaker = None
        for utterance in self._utterances:
            if quote in utterance.text and _at_word_boundaries(quote, utterance.text):
                if speaker is None or utterance.speaker.casefold() == speaker:
                    return _passage(Match.EXACT, 1.0, [utterance], quote)
                of_other_speaker = of_other_speaker or utterance
        return _passage(Match.EXACT, 1.0, [of_other_speaker], quote) if of_other_speaker else None

    @cached_property
    def _words(self) -> list[list[str]]:
        """Words of each utterance."""
        return [words_of(utterance.text) for utterance in self._utterances]

    @cached_property
    def _offsets(self) -> list[int]:
        """Position of each utterance's first word in `_text`."""
        lengths = [len(" ".join(words)) + 1 if words else 0 for words in self._words]
        return [1, *(1 + end for end in accumulate(lengths))][: len(self._words)]

    @cached_property
    def _text(self) -> str:
        """All words of the call, each between spaces to match whole words only."""
        return " " + "".join(" ".join(words) + " " for words in self._words if words)

    def _find_normalized(self, quote: str, speaker: str | None) -> Passage | None:
        parts = [words for part in _ELLIPSIS.split(quote) if (words := words_of(part))]
        if not parts:
            return None
        starts = self._positions_of(f" {' '.join(parts[0])} ")
        if speaker is not None:
            starts.sort(key=lambda start: self._speaker_at(start) != speaker)
        for start in starts:
            end = self._end_of_parts(parts, start)
            if end is not None:
                spoken = self._between(start + 1, end)
                return _passage(Match.NORMALIZED, 1.0, spoken, _text_of(spoken))
        return None

    def _positions_of(self, text: str) -> list[int]:
        positions, start = [], self._text.find(text)
        while start >= 0:
            positions.append(start)
            start = self._text.find(text, start + 1)
        return positions

    def _end_of_parts(self, parts: list[list[str]], start: int) -> int | None:
        """Return where the last part ends if all follow each other from `start`."""
        position = start
        for words in parts:
            text = f" {' '.join(words)} "
            position = self._text.find(text, position)
            if position < 0:
                return None
            position += len(text) - 1
        return position - 1

    def _speaker_at(self, start: int) -> str:
        return self._between(start + 1, start + 1)[0].speaker.casefold()

    def _between(self, first: int, last: int) -> list[SpokenUtterance]:
        """Return the utterances that contain the characters `first` to `last` of `_text`."""
        return self._utterances[bisect_right(self._offsets, first) - 1 : bisect_right(self._offsets, last)]

    def _find_fuzzy(self, quote: str) -> Passage:
        words = words_of(_ELLIPSIS.sub(" ", quote))[:MAX_FUZZY_WORDS]
        joined = " ".join(words)
        if len(joined) < MIN_FUZZY_CHARACTERS:
            return NOT_FOUND
        best = NOT_FOUND
        for first, last in self._candidate_ranges(Counter(words), len(words)):
            passage = self._compare(joined, first, last)
            if passage.score > best.score:
                best = passage
        return best

    def _candidate_ranges(self, quoted_words: Counter[str], length: int) -> list[tuple[int, int]]:
        """Return ranges of utterances that share most of the quote's words.

        Only these are compared by character.
        """
        shared = [
            sum((quoted_words & counted).values()) if quoted_words.keys() & counted.keys() else 0
            for counted in self._counts
        ]
        cumulative = [0, *accumulate(shared)]
        ranges = []
        for first in range(len(shared)):
            if not shared[first]:
                continue
            # The utterance alone, and with the following ones until the range has as many words as the quote.
            last, words = first, len(self._words[first])
            ranges.append((shared[first], first, last))
            while words < length and last + 1 < len(shared):
                last += 1
                words += len(self._words[last])
            if last > first:
                ranges.append((cumulative[last + 1] - cumulative[first], first, last))
        enough = [one for one in ranges if one[0] >= MIN_SHARED_WORDS * length]
        enough.sort(key=lambda one: (-min(one[0], length), one[2] - one[1], one[1]))
        return [(first, last) for _, first, last in enough[:MAX_FUZZY_PASSAGES]]

    @cached_property
    def _counts(self) -> list[Counter[str]]:
        return [Counter(words) for words in self._words]

    def _compare(self, quote: str, first: int, last: int) -> Passage:
        from rapidfuzz import fuzz  # few quotes come this far, and the start of every run would wait for the import

        parts = [" ".join(words) for words in self._words[first : last + 1]]
        passage = " ".join(parts)
        if len(passage) <= len(quote):  # compare all of it: a long quote may paraphrase a short passage
            start, end = 0, len(passage)
        else:
            beginning = quote[:MAX_ALIGNED_CHARACTERS]
            alignment = fuzz.partial_ratio_alignment(beginning, passage, score_cutoff=100 * MIN_SIMILARITY)
            if alignment is None:
                return NOT_FOUND
            start, end = alignment.dest_start, alignment.dest_end + len(quote) - len(beginning)
        similarity = fuzz.ratio(quote, passage[start:end], score_cutoff=100 * MIN_SIMILARITY) / 100
        if not similarity:
            return NOT_FOUND
        spoken, begin = [], 0
        for utterance, part in zip(self._utterances[first : last + 1], parts, strict=True):
            overlap = min(end, begin + len(part)) - max(start, begin)
            # An overlap of a few characters is chance.
            if overlap > min(MIN_FUZZY_CHARACTERS, len(part) - 1):
                spoken.append(utterance)
            begin += len(part) + 1
        return _passage(Match.FUZZY, similarity, spoken, _text_of(spoken)) if spoken else NOT_FOUND


def words_of(text: str) -> list[str]:
    """Return the words of a text: lower case, NFKC, without punctuation."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    # Apostrophes are removed: "don't", "don\u2019t" and "dont" are the same word.
    return _WORD.findall(plain.replace("'", "").replace("\u2019", "").casefold())


def _at_word_boundaries(quote: str, text: str) -> bool:
    """Return whether the quote is made of whole words: `art` is not in `start`."""
    start = text.find(quote)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(quote) : start + len(quote) + 1]
        if not (before.isalnum() and quote[0].isalnum()) and not (after.isalnum() and quote[-1].isalnum()):
            return True
        start = text.find(quote, start + 1)
    return False


def _text_of(spoken: Sequence[SpokenUtterance]) -> str:
    return " ".join(utterance.text for utterance in spoken)


def _passage(match: Match, score: float, spoken: Sequence[SpokenUtterance], text: str) -> Passage:
    first = spoken[0]
    return Passage(
        match, score, first.seq, spoken[-1].seq, first.start_s, first.speaker, first.side, text, first.person_id
    )
