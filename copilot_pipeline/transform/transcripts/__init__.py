"""Transcripts: who spoke, what was said in which order, and what can be counted from it.

Pure functions over the call model. A call goes through three steps, each a function of what came before:
`resolve_people` (who is on the call), `assemble` (utterances, text, metrics) and `participants` (a row a person).
`QuoteFinder` finds where a piece of evidence was said.
"""

from copilot_pipeline.transform.quotes import Match, Passage, QuoteFinder, SpokenUtterance
from copilot_pipeline.transform.transcripts.assembly import Transcript, Utterance, assemble
from copilot_pipeline.transform.transcripts.attendance import Participant, participants
from copilot_pipeline.transform.transcripts.metrics import SpokenMetrics
from copilot_pipeline.transform.transcripts.people import ResolvedPerson, UserDirectory, resolve_people

__all__ = [
    "Match",
    "Participant",
    "Passage",
    "QuoteFinder",
    "ResolvedPerson",
    "SpokenMetrics",
    "SpokenUtterance",
    "Transcript",
    "UserDirectory",
    "Utterance",
    "assemble",
    "participants",
    "resolve_people",
]
