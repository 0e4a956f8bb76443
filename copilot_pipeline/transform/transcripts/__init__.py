"""Transcripts: resolve the speakers, order the utterances, compute the metrics.

Pure functions over the call model, in three steps: `resolve_people` (who is on the call), `assemble` (utterances, text,
metrics) and `participant_rows` (one row per person).
"""

from copilot_pipeline.transform.quotes import Match, Passage, QuoteFinder, SpokenUtterance
from copilot_pipeline.transform.transcripts.assembly import Transcript, Utterances, assemble
from copilot_pipeline.transform.transcripts.metrics import SpeechMetrics
from copilot_pipeline.transform.transcripts.participants import participant_rows
from copilot_pipeline.transform.transcripts.people import (
    ResolvedPerson,
    UserDirectory,
    resolve_people,
    unlisted_speakers,
    without_addresses_as_names,
)

__all__ = [
    "Match",
    "Passage",
    "QuoteFinder",
    "ResolvedPerson",
    "SpeechMetrics",
    "SpokenUtterance",
    "Transcript",
    "UserDirectory",
    "Utterances",
    "assemble",
    "participant_rows",
    "resolve_people",
    "unlisted_speakers",
    "without_addresses_as_names",
]
