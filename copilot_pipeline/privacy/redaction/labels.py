"""Labels in place of names: `Rep 1`, `Prospect 1`. Stable within a call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from copilot_pipeline.clients.clari.models import Side
from copilot_pipeline.privacy.redaction.names import NamedPerson
from copilot_pipeline.transform.transcripts import ResolvedPerson, Utterances

_PREFIX = {Side.REP.value: "Rep", Side.PROSPECT.value: "Prospect"}
OTHER = "Speaker"


class Labels:
    """The labels of the people of a call: numbered by side, in the order in which they first speak."""

    def __init__(self, people: Sequence[ResolvedPerson], utterances: Utterances) -> None:
        self._numbers: Counter[str] = Counter()
        self._by_id: dict[str, str] = {}
        for person_id, side in zip(utterances.person_id, utterances.side, strict=True):
            self._add(person_id, side)
        for person in people:
            self._add(person.person_id, person.side.value)

    def of(self, person_id: str | None, unknown: str) -> str:
        """Return the label of a person. Speech without an id keeps its `unknown` speaker."""
        return unknown if person_id is None else self._by_id[person_id]

    def named(self, people: Iterable[ResolvedPerson]) -> list[NamedPerson]:
        """Return the people with their labels and all of their names."""
        return [
            NamedPerson(
                self._by_id[person.person_id], frozenset(filter(None, (person.name, person.email, *person.other_names)))
            )
            for person in people
        ]

    def _add(self, person_id: str | None, side: str) -> None:
        if person_id is None or person_id in self._by_id:
            return
        prefix = _PREFIX.get(side, OTHER)
        self._numbers[prefix] += 1
        self._by_id[person_id] = f"{prefix} {self._numbers[prefix]}"
