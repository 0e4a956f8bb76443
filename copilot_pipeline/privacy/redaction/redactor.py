"""Redact the transcript of a call, and the texts of the vendor about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from copilot_pipeline.clients.clari.decoding import json_text
from copilot_pipeline.clients.clari.models import CallRecord
from copilot_pipeline.privacy.redaction.labels import Labels
from copilot_pipeline.privacy.redaction.names import ParticipantNames
from copilot_pipeline.privacy.redaction.policy import RedactionPolicy
from copilot_pipeline.transform.transcripts import ResolvedPerson, Transcript
from copilot_pipeline.transform.transcripts.text import storable, transcript_text


class Redactor:
    """Applies a policy to one call at a time."""

    def __init__(self, policy: RedactionPolicy) -> None:
        self.policy = policy

    def redact(
        self, record: CallRecord, transcript: Transcript, people: Sequence[ResolvedPerson]
    ) -> tuple[CallRecord, Transcript]:
        """Return both with the text that is redacted by the policy."""
        return self._record(record, transcript, people), self._transcript(transcript, people)

    def _transcript(self, transcript: Transcript, people: Sequence[ResolvedPerson]) -> Transcript:
        """Return the transcript with the text that may be scored.

        If stored text is redacted, its utterances and speakers are as well; otherwise they stay as they were said.
        """
        spoken = transcript.utterances
        labels = Labels(people, spoken)
        texts = self._lines(spoken.text, labels, people)
        speakers = [
            labels.of(person_id, speaker) for person_id, speaker in zip(spoken.person_id, spoken.speaker, strict=True)
        ]
        text = transcript_text(speakers, texts)
        fingerprint = self.policy.fingerprint
        redacted = replace(
            transcript,
            transcript_hash=sha256(f"{fingerprint}\n{text}".encode()).hexdigest(),
            speech_hash=f"{transcript.speech_hash}:{fingerprint}",
            redaction=fingerprint,
            redacted_text=text,
        )
        if not self.policy.redacts_stored_text:
            return redacted
        stored = replace(spoken, speaker=speakers, text=texts)
        return replace(redacted, utterances=stored, text=text, redacted_text=None)

    def _record(self, record: CallRecord, transcript: Transcript, people: Sequence[ResolvedPerson]) -> CallRecord:
        """Return the record with its title and its summary redacted, if stored text is redacted.

        `transcript` is the one as it was said: labels are numbered by it.
        """
        if not self.policy.redacts_stored_text:
            return record
        labels = Labels(people, transcript.utterances)
        values = _texts_of(record)
        redacted = self._lines(list(_strings(values)), labels, people)
        title, text, takeaways, topics, actions, sentiments = _with_strings(values, iter(redacted))
        summary = replace(
            record.summary,
            text=text,
            takeaways=tuple(takeaways),
            topics_json=json_text(topics),
            action_items_json=json_text(actions),
        )
        return replace(record, title=title, summary=summary, competitor_sentiments_json=json_text(sentiments))

    def _lines(self, lines: Sequence[str], labels: Labels, people: Sequence[ResolvedPerson]) -> list[str]:
        from copilot_pipeline.privacy.redaction.engine import engine_for

        if not lines:
            return []
        return engine_for(self.policy).redact(lines, ParticipantNames(labels.named(people)))


def _texts_of(record: CallRecord) -> list[Any]:
    """Return the texts of the vendor about a call: title, summary, takeaways, topics, action items, competitors."""
    summary = record.summary
    documents = (summary.topics_json, summary.action_items_json, record.competitor_sentiments_json)
    return [record.title, summary.text, list(summary.takeaways), *(one and json.loads(one) for one in documents)]


def _strings(value: Any) -> Iterator[str]:
    """Yield the texts inside a JSON value, keys excepted."""
    if isinstance(value, str):
        yield storable(value)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))


def _with_strings(value: Any, texts: Iterator[str]) -> Any:
    """Return the JSON value with its texts replaced by others, in the order of `_strings`."""
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, list):
        return [_with_strings(item, texts) for item in value]
    if isinstance(value, dict):
        return {key: _with_strings(item, texts) for key, item in value.items()}
    return value
