"""Find quotes of a redacted text, and give the utterances as they were said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from copilot_pipeline.transform.transcripts import Match, Passage, QuoteFinder, SpokenUtterance


class RedactedQuoteFinder:
    """Finds quotes in the scored text of a call, line by line the same utterances as the stored ones.

    A quote that is not there word by word may be of a text with another redaction: the stored words are searched too.
    """

    def __init__(self, said: Sequence[SpokenUtterance], redacted: Sequence[SpokenUtterance]) -> None:
        self._said = {utterance.seq: utterance for utterance in said}
        self._in_redacted = QuoteFinder(redacted)
        self._in_said = QuoteFinder(said)

    def find(self, quote: str) -> Passage:
        """Return the place of the quote, with the speaker and the words as they are stored."""
        found = self._in_redacted.find(quote)
        if found.match not in (Match.EXACT, Match.NORMALIZED):
            in_said = self._in_said.find(quote)
            if in_said.score > found.score:
                return in_said
        return self._as_said(found, quote)

    def _as_said(self, found: Passage, quote: str) -> Passage:
        if found.seq is None or found.last_seq is None:
            return found
        spoken = [said for seq in range(found.seq, found.last_seq + 1) if (said := self._said.get(seq)) is not None]
        is_unchanged = found.said is not None and any(found.said in one.text for one in spoken)
        words = found.said if is_unchanged else " ".join(one.text for one in spoken)
        return replace(found, speaker=spoken[0].speaker, said=words)


def quote_finder(said: Sequence[SpokenUtterance], redacted_text: str | None) -> QuoteFinder | RedactedQuoteFinder:
    """Return the finder for a call. Without `redacted_text`, the stored words are those that were scored."""
    spoken = [utterance for utterance in said if utterance.text and not utterance.text.isspace()]
    lines = redacted_text.split("\n") if redacted_text else []
    if len(lines) != len(spoken) or not lines:
        return QuoteFinder(said)
    redacted = []
    for utterance, line in zip(spoken, lines, strict=True):
        label, _, text = line.partition(": ")
        redacted.append(replace(utterance, speaker=label, text=text))
    return RedactedQuoteFinder(spoken, redacted)
