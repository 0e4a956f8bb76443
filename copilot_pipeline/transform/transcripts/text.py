"""Text that PostgreSQL and Parquet accept, and counts of words and questions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

REPLACEMENT = "\ufffd"
UNKNOWN_SPEAKER = "Unknown Speaker"

# PostgreSQL refuses NUL in text, UTF-8 has no encoding of a lone surrogate.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# "really??" is one question. The full-width and the Arabic mark count as well.
_QUESTION = re.compile("[?\uff1f\u061f]+")


def is_storable(text: str) -> bool:
    """Return whether UTF-8 and PostgreSQL accept this text."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable(text: str) -> str:
    """Return the text with NUL and lone surrogates replaced by U+FFFD."""
    # Neither NUL nor a surrogate is printable, so this check is enough for nearly every name and id.
    return text if text.isprintable() or is_storable(text) else _UNSTORABLE.sub(REPLACEMENT, text)


def storable_all(texts: Sequence[str]) -> Sequence[str]:
    """Return `storable` of each text.

    Checks all of them together, because replacements are rare.
    """
    # Joined with a separator: two halves of a surrogate pair in neighbouring texts must not form one character.
    if is_storable("\n".join(texts)):
        return texts
    return [storable(text) for text in texts]


def single_line(text: str) -> str:
    """Return the text on one line: runs of line breaks become one space."""
    return " ".join(filter(None, text.splitlines()))


def display_text(text: str | None) -> str | None:
    """Return a name or an address for display: storable, on one line, trimmed.

    None if it is blank.
    """
    if text is None:
        return None
    return (text if text.isprintable() else single_line(storable(text))).strip() or None


def unknown_speaker(person_id: str | None) -> str:
    """Return the display name of a person of whom at most the id is known."""
    shown = display_text(person_id)
    return UNKNOWN_SPEAKER if shown is None else f"{UNKNOWN_SPEAKER} {shown}"


def transcript_text(speakers: Iterable[str], texts: Iterable[str]) -> str:
    """Return one line `Speaker: text` for each utterance that is not blank."""
    lines = [f"{speaker}: {text}" for speaker, text in zip(speakers, texts, strict=True) if text and not text.isspace()]
    joined = "\n".join(lines)
    # One split of the whole text is cheaper than a search for line breaks in each of hundreds of lines.
    if joined.splitlines() == lines:
        return joined
    return "\n".join(map(single_line, lines))


@dataclass(frozen=True, slots=True)
class SpokenWords:
    """The words of the utterances of a call."""

    counts: Sequence[int]  # of each utterance
    text: str  # all of them, with a blank between two


def spoken_words(texts: Sequence[str]) -> SpokenWords:
    """Return the words of texts, which white space separates."""
    joined = " ".join(filter(None, texts))
    # No white space but the blank is printable. Counting single blanks is cheaper than splitting.
    if joined.isprintable() and "  " not in joined and joined == joined.strip():
        return SpokenWords([text.count(" ") + 1 if text else 0 for text in texts], joined)
    return SpokenWords([len(text.split()) for text in texts], " ".join(joined.split()))


def question_counts(texts: Iterable[str]) -> list[int]:
    """Return the number of questions of each text: runs of question marks."""
    find = _QUESTION.findall
    # ASCII text with at most one mark has no runs.
    return [marks if (marks := text.count("?")) < 2 and text.isascii() else len(find(text)) for text in texts]
