"""Text that every store accepts, and the counts taken from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

REPLACEMENT = "\ufffd"
UNKNOWN_SPEAKER = "Unknown Speaker"

# PostgreSQL refuses NUL in text, UTF-8 has no form for half a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# "really??" is one question. The full-width and the Arabic mark count as well.
_QUESTION = re.compile("[?\uff1f\u061f]+")


def is_storable(text: str) -> bool:
    """Whether UTF-8 and PostgreSQL take this text as it is."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD."""
    # Neither NUL nor a surrogate is printable: one look settles nearly every name and id.
    return text if text.isprintable() or is_storable(text) else _UNSTORABLE.sub(REPLACEMENT, text)


def storable_all(texts: Sequence[str]) -> Sequence[str]:
    """Every text made storable; looks at all of them at once, because nearly always nothing has to be done."""
    # Joined with a separator: two halves of a surrogate pair in neighbouring texts must not pass as one character.
    if is_storable("\n".join(texts)):
        return texts
    return [storable(text) for text in texts]


def single_line(text: str) -> str:
    """The text on one line: each run of line breaks becomes one space, those at either end vanish."""
    return " ".join(filter(None, text.splitlines()))


def label(text: str | None) -> str | None:
    """A name or an address as it can be shown: storable, on one line, trimmed; None where nothing is left."""
    if text is None:
        return None
    return (text if text.isprintable() else single_line(storable(text))).strip() or None


def unknown_speaker(person_id: str | None) -> str:
    """What somebody is called of whom at most the id is known."""
    shown = label(person_id)
    return UNKNOWN_SPEAKER if shown is None else f"{UNKNOWN_SPEAKER} {shown}"


def document(speakers: Iterable[str], texts: Iterable[str]) -> str:
    """One line `Speaker: text` for each utterance that says something."""
    lines = [f"{speaker}: {text}" for speaker, text in zip(speakers, texts, strict=True) if text and not text.isspace()]
    joined = "\n".join(lines)
    # Splitting and comparing in one go is cheaper than looking for line breaks in each of hundreds of lines.
    if joined.splitlines() == lines:
        return joined
    return "\n".join(map(single_line, lines))


def word_counts(texts: Iterable[str]) -> list[int]:
    """Words of each text: what stands between white space."""
    return list(map(len, map(str.split, texts)))


def question_counts(texts: Iterable[str]) -> list[int]:
    """Questions of each text: runs of question marks."""
    find = _QUESTION.findall
    # With at most one mark in plain text there is no run to look for.
    return [marks if (marks := text.count("?")) < 2 and text.isascii() else len(find(text)) for text in texts]
