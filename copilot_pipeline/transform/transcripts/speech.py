"""What makes a new paid run: the words of a call and the side that said them, without names.

See docs/adr/0008-what-makes-a-new-run.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import chain, groupby
from operator import itemgetter

from copilot_pipeline.clients.clari.models import CallRecord, Side
from copilot_pipeline.transform.transcripts.text import storable


def speech_hash(words: Sequence[Sequence[str]], are_prospects: Sequence[bool]) -> str:
    """Return `<SHA-256 of the words>:<hash of the sides>` of the words of utterances in time order.

    White space and the borders between utterances of one side do not change it.
    """
    spoken = [(is_prospect, len(one)) for is_prospect, one in zip(are_prospects, words, strict=True) if one]
    turns = [
        f"{'prospect' if is_prospect else 'other'} {sum(count for _, count in group)}"
        for is_prospect, group in groupby(spoken, key=itemgetter(0))
    ]
    text = " ".join(chain.from_iterable(words))
    return f"{sha256(text.encode()).hexdigest()}:{sha256(','.join(turns).encode()).hexdigest()[:16]}"


def prospect_ids(record: CallRecord) -> set[str]:
    """Return the person ids that the vendor lists as externals.

    Neither the user directory nor a name has a part in it: both change without a word being said.
    """
    sides = [(storable(person.person_id), person.side) for person in record.people if not person.is_side_from_name]
    internal = {person_id for person_id, side in sides if side is Side.REP}
    return {person_id for person_id, side in sides if side is Side.PROSPECT} - internal
