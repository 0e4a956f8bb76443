"""Find the sentences of a call in which a topic or a competitor came up. Pure.

The vendor gives times (matched phrases, sections of its summary, rated turns), names, or both. A time leads to the
utterance that was spoken then; a name is searched for in the utterances. A word of a topic matches its other forms:
`Pricing` matches "price".
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from copilot_pipeline.clients.clari.decoding import mappings, number, text
from copilot_pipeline.clients.clari.models import CallRecord
from copilot_pipeline.transform.transcripts import Utterances

_TOLERANCE_SECONDS = 0.5  # the vendor rounds times
_SENTENCE_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s+")
_WORD = re.compile(r"[^\W_]+")
_ENDING = re.compile(r"(?<=\w{4})(?:ing|ed|es|s|e)\Z")


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression, and a lower-case ASCII text that every match in an ASCII text contains; empty if there is none."""

    search: Callable[[str], object]
    needle: str


Patterns = tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Mention:
    """A sentence with a topic or a competitor. `seq` and `sentence` are None if no sentence was found."""

    name: str
    origin: str
    seq: int | None = None
    sentence: str | None = None
    remark: str | None = None  # of a topic: summary of the section; of a competitor: reason for the sentiment
    sentiment: str | None = None


class SpeechIndex:
    """The utterances of a call, by time and by word."""

    def __init__(self, utterances: Utterances) -> None:
        self._starts = utterances.start_s
        self._texts = utterances.text

    @cached_property
    def _timed(self) -> tuple[list[float], list[int]]:
        """Starts and positions of the utterances with words, in time order."""
        timed = sorted(
            (start, position)
            for position, start in enumerate(self._starts)
            if start is not None and (text := self._texts[position]) and not text.isspace()
        )
        return [start for start, _ in timed], [position for _, position in timed]

    @cached_property
    def _folded(self) -> list[str | None]:
        """The utterances in lower case; None for those in which an expression finds more than these letters."""
        joined = "\0".join(self._texts)  # no text has this character
        if joined.isascii():
            return list(joined.lower().split("\0"))
        return [text.lower() if text.isascii() else None for text in self._texts]

    def at(self, time_s: float) -> list[int]:
        """Return the utterance that was spoken at a time."""
        starts, positions = self._timed
        index = bisect_right(starts, time_s + _TOLERANCE_SECONDS) - 1
        return [positions[max(index, 0)]] if positions else []

    def between(self, start_s: float, end_s: float) -> list[int]:
        """Return the utterances that began in a section."""
        starts, positions = self._timed
        first, last = (bisect_right(starts, time_s - _TOLERANCE_SECONDS) for time_s in (start_s, end_s))
        return positions[first:last]

    def naming(self, patterns: Patterns, among: Iterable[int] | None = None) -> list[int]:
        """Return the utterances with all of the words."""
        if not patterns:
            return []
        texts, folded = self._texts, self._folded
        positions: Iterable[int] = range(len(texts)) if among is None else among
        # A search for a text is faster than one for an expression, and few utterances have a given word.
        needle = max((pattern.needle for pattern in patterns), key=len)
        return [
            one
            for one in positions
            if ((text := folded[one]) is None or needle in text)
            and all(pattern.search(texts[one]) for pattern in patterns)
        ]

    def sentence(self, position: int, patterns: Patterns) -> str:
        """Return the sentence of an utterance with most of the words; the first one if it has none."""
        sentences = _SENTENCE_END.split(self._texts[position].strip())
        return max(sentences, key=lambda sentence: sum(bool(pattern.search(sentence)) for pattern in patterns))


def topic_mentions(record: CallRecord, speech: SpeechIndex) -> list[Mention]:
    """Return the mentions of topics, in the order of the call; each sentence once per topic."""
    return _once(_topics(record, speech))


def competitor_mentions(record: CallRecord, speech: SpeechIndex) -> list[Mention]:
    """Return the mentions of competitors that the vendor found, in the order of the call."""
    return _once(_competitors(record, speech))


def _topics(record: CallRecord, speech: SpeechIndex) -> Iterator[Mention]:
    found = set()
    for phrase in record.analytics.topic_phrases:
        patterns = _exact(phrase.text) if phrase.text is not None else _forms(phrase.topic)
        for seq in speech.at(phrase.time_s):
            found.add(phrase.topic)
            yield Mention(phrase.topic, "phrase", seq, speech.sentence(seq, patterns))
    for section in mappings(_parsed(record.summary.topics_json)):
        topic, patterns = text(section.get("name")), _forms(text(section.get("name")) or "")
        start_s, end_s = number(section.get("start_timestamp")), number(section.get("end_timestamp"))
        if topic is None or start_s is None or end_s is None:
            continue
        spoken = speech.between(start_s, end_s)
        for seq in speech.naming(patterns, spoken) or spoken[:1]:
            found.add(topic)
            yield Mention(topic, "section", seq, speech.sentence(seq, patterns), text(section.get("summary")))
    for topic in dict.fromkeys(record.analytics.topics):
        if topic not in found:
            yield from _named(topic, _forms(topic), speech)


def _competitors(record: CallRecord, speech: SpeechIndex) -> Iterator[Mention]:
    names: dict[str, None] = {}
    for rated in mappings(_parsed(record.competitor_sentiments_json)):
        name, time_s = text(rated.get("competitor_name")), number(rated.get("turn_start_time"))
        if name is None:
            continue
        names[name] = None
        sentiment, reason = text(rated.get("sentiment")), text(rated.get("reasoning"))
        for seq in speech.at(time_s) if time_s is not None else [None]:
            sentence = speech.sentence(seq, _exact(name)) if seq is not None else None
            yield Mention(name, "sentiment", seq, sentence, reason, sentiment)
    for name in names:
        yield from _named(name, _exact(name), speech)


def _named(name: str, patterns: Patterns, speech: SpeechIndex) -> Iterator[Mention]:
    named = speech.naming(patterns)
    for seq in named:
        yield Mention(name, "name", seq, speech.sentence(seq, patterns))
    if not named:
        yield Mention(name, "list")


def _once(mentions: Iterable[Mention]) -> list[Mention]:
    """Return the first mention of each name and utterance; one without a sentence only if there is no other."""
    by_place: dict[tuple[str, int | None], Mention] = {}
    for mention in mentions:
        by_place.setdefault((mention.name, mention.seq), mention)
    with_sentence = {name for name, seq in by_place if seq is not None}
    kept = [one for one in by_place.values() if one.sentiment or one.seq is not None or one.name not in with_sentence]
    return sorted(kept, key=lambda one: (one.seq is None, one.seq or 0, one.name))


def _parsed(document: str | None) -> object:
    return json.loads(document) if document else None


@lru_cache(maxsize=1024)  # a workspace has few topics
def _forms(name: str) -> Patterns:
    """Return a pattern per word of a topic, which matches other forms of the word."""
    stems = [_ENDING.sub("", word) for word in _WORD.findall(name.casefold())]
    return tuple(_pattern(rf"\b{re.escape(stem)}\w*", stem) for stem in stems)


@lru_cache(maxsize=1024)
def _exact(name: str) -> Patterns:
    """Return a pattern that matches the words of a name in their order."""
    words = _WORD.findall(name)
    if not words:
        return ()
    return (_pattern(r"\b" + r"[\W_]+".join(map(re.escape, words)) + r"\b", max(words, key=len)),)


def _pattern(expression: str, needle: str) -> Pattern:
    compiled = re.compile(expression, re.IGNORECASE)
    return Pattern(compiled.search, needle.lower() if needle.isascii() else "")
