"""What makes a new paid run: the words of a call and the side that said them, without names.

See docs/adr/0008-what-makes-a-new-run.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from copilot_pipeline.clients.clari.models import CallRecord, Side
from copilot_pipeline.transform.transcripts.text import SpokenWords, storable


def speech_hash(words: SpokenWords, are_prospects: Sequence[bool]) -> str:
    """Return `<SHA-256 of the words>:<hash of the sides>` of the words of utterances in time order.

    White space and the borders between utterances of one side do not change it.
    """
    sides: list[tuple[bool, int]] = []  # of uninterrupted stretches of one side, with their words
    for is_prospect, count in zip(are_prospects, words.counts, strict=True):
        if count and sides and sides[-1][0] is is_prospect:
            sides[-1] = is_prospect, sides[-1][1] + count
        elif count:
            sides.append((is_prospect, count))
    turns = ",".join(f"{'prospect' if is_prospect else 'other'} {count}" for is_prospect, count in sides)
    return f"{sha256(words.text.encode()).hexdigest()}:{sha256(turns.encode()).hexdigest()[:16]}"


def prospect_ids(record: CallRecord) -> set[str]:
    """Return the person ids that the vendor lists as externals.

    Neither the user directory nor a name has a part in it: both change without a word being said.
    """
    sides = [(storable(person.person_id), person.side) for person in record.people if not person.is_side_from_name]
    internal = {person_id for person_id, side in sides if side is Side.REP}
    return {person_id for person_id, side in sides if side is Side.PROSPECT} - internal
