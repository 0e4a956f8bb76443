"""Phrases of messages, with what a database needs to find them in utterances. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from copilot_pipeline.config.marts import MessageSettings
from copilot_pipeline.transform.quotes import words_of

# Between words, and around a phrase. Only for texts in ASCII in lower case, of which apostrophes are removed.
_GAP, _START, _END = "[^a-z0-9]+", "(^|[^a-z0-9])", "($|[^a-z0-9])"
_NEVER = "x^"
_FIRST, _LAST = "^[^a-z0-9]*", "[^a-z0-9]*$"


class Phrase(NamedTuple):
    """A phrase, and regular expressions (PostgreSQL) for an utterance in ASCII.

    An utterance that does not have the longest `word` has no part of the phrase that needs to be looked at. `within`
    matches if the utterance contains the phrase, `at_edge` if it may go on in the utterance before or after it.
    """

    text: str  # its words, with a space between them
    word: str
    within: str
    at_edge: str


def phrases_of(messages: Iterable[MessageSettings]) -> list[Phrase]:
    """Return the phrases of messages, each once."""
    texts = (phrase for message in messages for phrase in (*message.new, *message.old))
    return [_phrase(words) for words in dict.fromkeys(tuple(words_of(text)) for text in texts) if words]


def _phrase(words: Sequence[str]) -> Phrase:
    longest = max(range(len(words)), key=lambda number: len(words[number]))
    parts = [
        (first, last)
        for first in range(longest + 1)
        for last in range(longest, len(words))
        if (first, last) != (0, len(words) - 1)
    ]
    edges = [
        (_START if first == 0 else _FIRST)
        + _GAP.join(words[first : last + 1])
        + (_END if last == len(words) - 1 else _LAST)
        for first, last in parts
    ]
    return Phrase(
        text=" ".join(words),
        word=words[longest],
        within=_START + _GAP.join(words) + _END,
        at_edge="|".join(edges) or _NEVER,
    )
