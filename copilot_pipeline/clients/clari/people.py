"""The people of a call: the three lists of the API merged into one, each person once.

Internal users have an e-mail address under `userEmail` and no name, invited externals have any of the fields, and
people who joined often have only a name (contract 1.6 and traps 7 to 11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from copilot_pipeline.clients.clari.decoding import flag, identifier, mappings, text
from copilot_pipeline.clients.clari.models import Person, Side, normalized_address


@dataclass(slots=True)
class _Draft:
    """A person while the lists are merged; `number` is the vendor's personId."""

    number: str | None
    name: str | None
    email: str | None
    phone: str | None
    side: Side
    user_id: str | None = None
    is_organizer: bool | None = None
    joined: bool | None = None
    is_side_from_name: bool = False

    @property
    def person_id(self) -> str | None:
        """The personId, or a substitute that is the same whenever the call is parsed."""
        if self.number is not None:
            return self.number
        return self.email or (f"name:{self.name}" if self.name else None)

    def merge(self, other: _Draft) -> None:
        """Fill empty fields from another entry of the same person."""
        self.number = self.number if self.number is not None else other.number
        self.name = self.name or other.name
        self.email = self.email or other.email
        self.phone = self.phone or other.phone
        self.user_id = self.user_id or other.user_id
        self.side = other.side if self.side is Side.UNKNOWN else self.side
        self.is_organizer = other.is_organizer if self.is_organizer is None else self.is_organizer
        self.joined = self.joined or other.joined


def _draft(entry: dict[str, Any], side: Side) -> _Draft:
    return _Draft(
        number=identifier(entry.get("personId")),
        name=text(entry.get("name")),
        email=text(entry.get("userEmail")) or text(entry.get("email")),
        phone=text(entry.get("phone")),
        side=side,
        user_id=text(entry.get("userId")),
        is_organizer=flag(entry.get("isOrganizer")),
    )


def _folded(value: str | None) -> str | None:
    return value.casefold() if value else None


class _People:
    """The people of the lists that were read, in their order."""

    def __init__(self) -> None:
        self.drafts: list[_Draft] = []

    def add(self, draft: _Draft) -> None:
        """Add a person, or merge them with the one who has the same personId or substitute."""
        if draft.person_id is None:
            return
        for existing in self.drafts:
            if existing.person_id == draft.person_id:
                existing.merge(draft)
                return
        self.drafts.append(draft)

    def join(self, draft: _Draft) -> None:
        """Mark a person as joined.

        People are matched by personId, e-mail address, then by a name that only one of them has. A person who is
        matched by address or name but has another personId is kept separately with the side of the match: turns may
        refer to either personId.
        """
        draft.joined = True
        match = self._match(draft)
        if match is None:
            self.add(draft)
            return
        match.joined = True
        address = normalized_address(match.email)
        is_by_name = address is None or address != normalized_address(draft.email)
        if match.number is None or draft.number is None or match.number == draft.number:
            # A personId that is only found by a name makes the side of its speech depend on that name.
            match.is_side_from_name |= is_by_name and match.number is None and draft.number is not None
            match.merge(draft)
            return
        draft.side = match.side
        draft.is_side_from_name = is_by_name or match.is_side_from_name
        draft.user_id = match.user_id
        self.add(draft)

    def _match(self, draft: _Draft) -> _Draft | None:
        if draft.number is not None:
            for existing in self.drafts:
                if existing.number == draft.number:
                    return existing
        address = normalized_address(draft.email)
        if address is not None:
            for existing in self.drafts:
                if normalized_address(existing.email) == address:
                    return existing
        name = _folded(draft.name)
        namesakes = [existing for existing in self.drafts if name is not None and _folded(existing.name) == name]
        if len(namesakes) != 1:
            return None
        # Another address is another person, who happens to have the same name.
        return None if address is not None and namesakes[0].email is not None else namesakes[0]

    def people(self, *, joining_is_known: bool) -> tuple[Person, ...]:
        """Return the people, each id once."""
        by_id: dict[str, Person] = {}
        for draft in self.drafts:
            person_id = draft.person_id
            if person_id is None or person_id in by_id:
                continue
            by_id[person_id] = Person(
                person_id=person_id,
                name=draft.name,
                email=draft.email,
                phone=draft.phone,
                side=draft.side,
                user_id=draft.user_id,
                is_organizer=draft.is_organizer,
                joined=bool(draft.joined) if joining_is_known else None,
                is_side_from_name=draft.is_side_from_name,
            )
        return tuple(by_id.values())


def merge_people(call: dict[str, Any]) -> tuple[Person, ...]:
    """Return the people of a call. `joined` is None if the call has no list of people who joined."""
    people = _People()
    for entry in mappings(call.get("users")):
        people.add(_draft(entry, Side.REP))
    for entry in mappings(call.get("externalParticipants")):
        people.add(_draft(entry, Side.PROSPECT))
    joined = mappings(call.get("joinedParticipants"))
    for entry in joined:
        people.join(_draft(entry, Side.UNKNOWN))
    return people.people(joining_is_known=bool(joined))
