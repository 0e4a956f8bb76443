"""Resolve names, sides and roles of the people of a call."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from copilot_pipeline.clients.clari.models import CallRecord, Person, Side, User, normalized_address
from copilot_pipeline.transform.transcripts.text import display_text, storable, unknown_speaker

_EMAIL = re.compile(r"\S@\S+\.\S")


@dataclass(frozen=True, slots=True)
class ResolvedPerson:
    """A person on a call, with the values of the call and of the user directory."""

    person_id: str
    name: str  # never empty, on one line
    email: str | None
    side: Side
    role: str | None = None
    manager_id: str | None = None
    user_id: str | None = None
    is_organizer: bool | None = None
    joined: bool | None = None
    is_listed: bool = True  # in one of the call's lists, not only named by a turn
    aliases: tuple[str, ...] = ()  # other ids of the same person on this call
    other_names: frozenset[str] = frozenset()  # what the call and earlier user directories name the person
    phone: str | None = None


class UserDirectory:
    """The workspace's users by id and by e-mail. Built once per run, then read-only.

    `former_names` are pairs of a user id and a name that the user had. A name that another user has now is not used.
    With `hide` the users' addresses are stored as hashes, and addresses are compared by theirs.
    """

    def __init__(
        self,
        users: Iterable[User] = (),
        former_names: Iterable[tuple[str, str]] = (),
        hide: Callable[[str], str] | None = None,
    ) -> None:
        self._hide = hide
        # If two accounts share an address, prefer the one with a name, then the smaller id, independent of their order.
        ranked = sorted(users, key=lambda user: (display_text(user.name) is None, user.user_id, user.name or ""))
        self._by_id: dict[str, User] = {}
        self._by_email: dict[str, User] = {}
        for user in ranked:
            self._by_id.setdefault(user.user_id, user)
            address = normalized_address(user.email)
            if address is not None:
                self._by_email.setdefault(address, user)
        present = {name.casefold() for name in (display_text(user.name) for user in ranked) if name is not None}
        self._former_names: defaultdict[str, set[str]] = defaultdict(set)
        for user_id, text in former_names:
            name = display_text(text)
            if name is not None and name.casefold() not in present:
                self._former_names[user_id].add(name)

    def former_names(self, user_id: str) -> frozenset[str]:
        """Return the names that a user had before."""
        return frozenset(self._former_names.get(user_id, ()))

    @cached_property
    def version(self) -> str:
        """A hash of all users and their former names: what is known of one may decide who said something."""
        users = sorted({*map(repr, self._by_id.values()), *map(repr, self._by_email.values())})
        names = sorted((user_id, sorted(names)) for user_id, names in self._former_names.items())
        return hashlib.sha256(repr((users, names)).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def __len__(self) -> int:
        """Return the number of users."""
        return len(self._by_id)

    def find(self, user_id: str | None, email: str | None) -> User | None:
        """Return the user with this id, else this e-mail (case-insensitive)."""
        if user_id is not None:
            user = self._by_id.get(user_id)
            if user is not None:
                return user
        if email is None:
            return None
        address = normalized_address(email) or ""
        return self._by_email.get(self._hide(address) if self._hide is not None else address)


def resolve_people(record: CallRecord, directory: UserDirectory) -> tuple[ResolvedPerson, ...]:
    """Return each person on the call once, in the order of the people lists.

    The list of joined participants may repeat a listed person with only a name or an address. The two are merged if
    exactly one listed person matches, else both are kept: a duplicate row is visible, a wrong merge is not.
    """
    people = [_resolved(person, directory) for person in _unique_by_id(record.people)]
    join_only = [person for person in record.people if person.side is Side.UNKNOWN and person.joined]
    if join_only and len(people) > 1:
        people = _merge_duplicates(people, {storable(person.person_id) for person in join_only}, record)
    return tuple(people)


def without_addresses_as_names(
    people: Iterable[ResolvedPerson], *, emails: bool, phones: bool
) -> tuple[ResolvedPerson, ...]:
    """Return people of whom none is named, or identified, by an e-mail address (`emails`) or a number (`phones`)."""

    def is_shown(text: str, person: ResolvedPerson) -> bool:
        is_email = _EMAIL.search(text) is not None or text.casefold() == (person.email or "").casefold()
        return (emails and is_email) or (phones and text == person.phone)

    result = []
    for number, person in enumerate(people, start=1):
        if is_shown(person.person_id, person):
            aliases = (*person.aliases, person.person_id)
            person = replace(person, person_id=f"person {number}", aliases=aliases)
        if is_shown(person.name, person):
            person = replace(person, name=unknown_speaker(person.person_id))
        result.append(person)
    return tuple(result)


def unlisted_speakers(record: CallRecord, people: Iterable[ResolvedPerson]) -> tuple[ResolvedPerson, ...]:
    """Return those who speak on a call with an address as id, and are in none of its lists."""
    known = {one for person in people for one in (person.person_id, *person.aliases)}
    ids = dict.fromkeys(storable(segment.person_id) for segment in record.segments if segment.person_id is not None)
    return tuple(
        ResolvedPerson(person_id, unknown_speaker(person_id), None, Side.UNKNOWN, is_listed=False)
        for person_id in ids
        if person_id not in known and _EMAIL.search(person_id)
    )


def _unique_by_id(people: Sequence[Person]) -> Iterable[Person]:
    """Return the people with distinct ids.

    Of two with the same id, the one with more information.
    """
    chosen: dict[str, Person] = {}
    for person in people:
        person_id = storable(person.person_id)
        other = chosen.get(person_id)
        if other is None or _completeness(person) > _completeness(other):
            chosen[person_id] = person
    return chosen.values()


def _completeness(person: Person) -> tuple[object, ...]:
    """Return a sort key: how much is known of a person.

    The rest of the key makes the choice deterministic.
    """
    rank = {Side.REP: 2, Side.PROSPECT: 1, Side.UNKNOWN: 0}[person.side]
    texts = (person.user_id, person.email, person.name, person.phone)
    flags = (person.is_organizer, person.joined)
    return (
        rank,
        *(text is not None for text in texts),
        *(text or "" for text in texts),
        *(-1 if flag is None else int(flag) for flag in flags),
    )


def _resolved(person: Person, directory: UserDirectory) -> ResolvedPerson:
    """Return one person, with the directory's data if internal."""
    email = display_text(person.email)
    side = person.side
    # An invited external stays external, even if a user has the same address.
    user = None if side is Side.PROSPECT else directory.find(person.user_id, email)
    names = [person.name, email, person.phone]
    if user is not None:
        side = Side.REP
        names.insert(0, user.name)
        email = email or display_text(user.email)
    name = next(filter(None, map(display_text, names)), None) or email or unknown_speaker(person.person_id)
    other_names = {display_text(person.name), *(directory.former_names(user.user_id) if user is not None else ())}
    return ResolvedPerson(
        storable(person.person_id),
        name,
        email,
        side,
        user.role if user else None,
        user.manager_id if user else None,
        user.user_id if user else person.user_id,
        person.is_organizer,
        person.joined,
        person.is_listed,
        other_names=frozenset(other for other in other_names if other not in (None, name)),
        phone=display_text(person.phone),
    )


def _merge_duplicates(
    people: list[ResolvedPerson], join_only_ids: set[str], record: CallRecord
) -> list[ResolvedPerson]:
    """Return the people, join-only people merged into listed ones."""
    listed = [person for person in people if person.person_id not in join_only_ids]
    join_only = [person for person in people if person.person_id in join_only_ids]
    # Distinct ids first: a call has hundreds of segments and a handful of ids.
    segment_ids = {segment.person_id for segment in record.segments}
    spoke = {storable(person_id) for person_id in segment_ids if person_id is not None}
    targets = _match_by_identity(join_only, listed)
    targets |= _match_by_name(
        [person for person in join_only if person.person_id not in targets],
        [person for person in listed if not person.joined and person.person_id not in targets.values()],
        listed,
        spoke,
    )
    duplicates: dict[str, list[ResolvedPerson]] = defaultdict(list)
    for person in join_only:
        if person.person_id in targets:
            duplicates[targets[person.person_id]].append(person)
    return [_merged(person, duplicates.get(person.person_id)) for person in people if person.person_id not in targets]


def _match_by_identity(join_only: Iterable[ResolvedPerson], listed: Iterable[ResolvedPerson]) -> dict[str, str]:
    """Map join-only ids to the only listed person with the same user or e-mail."""
    by_identity: dict[tuple[str, str], set[str]] = defaultdict(set)
    for person in listed:
        for identity in _identities(person):
            by_identity[identity].add(person.person_id)
    replacements: dict[str, str] = {}
    for person in join_only:
        matches = set().union(*(by_identity.get(identity, ()) for identity in _identities(person)))
        if len(matches) == 1:
            replacements[person.person_id] = matches.pop()
    return replacements


def _identities(person: ResolvedPerson) -> list[tuple[str, str]]:
    """Return what identifies a person beyond this call: user and e-mail."""
    pairs = (("user", person.user_id), ("email", normalized_address(person.email)))
    return [(kind, value) for kind, value in pairs if value is not None]


def _match_by_name(
    join_only: Sequence[ResolvedPerson],
    candidates: Sequence[ResolvedPerson],
    listed: Sequence[ResolvedPerson],
    spoke: set[str],
) -> dict[str, str]:
    """Map join-only ids to the listed person of the same, unique name: calls keep the name that a user had then.

    Not if both spoke under their own ids, and not if an external's address differs from the one that joined.
    """
    listed_by_name = _by_name(listed, with_other_names=True)
    candidate_ids = {person.person_id for person in candidates}
    replacements: dict[str, str] = {}
    for name, namesakes in _by_name(join_only).items():
        targets = listed_by_name.get(name, [])
        if len(namesakes) != 1 or len(targets) != 1 or targets[0].person_id not in candidate_ids:
            continue
        person, target = namesakes[0], targets[0]
        both_spoke = person.person_id in spoke and target.person_id in spoke
        other_address = target.side is not Side.REP and person.email is not None and target.email is not None
        if not both_spoke and not other_address and person.user_id is None:
            replacements[person.person_id] = target.person_id
    return replacements


def _by_name(people: Iterable[ResolvedPerson], *, with_other_names: bool = False) -> dict[str, list[ResolvedPerson]]:
    """Group people by case-folded name, optionally by each name that they have."""
    named: dict[str, list[ResolvedPerson]] = defaultdict(list)
    for person in people:
        names = {person.name, *person.other_names} if with_other_names else {person.name}
        for name in {name.casefold() for name in names}:
            named[name].append(person)
    return named


def _merged(person: ResolvedPerson, duplicates: list[ResolvedPerson] | None) -> ResolvedPerson:
    """Return the listed person with the ids and the e-mail of their duplicates."""
    if not duplicates:
        return person
    # Sorted, so that the result does not depend on the order of the lists.
    aliases = tuple(sorted(duplicate.person_id for duplicate in duplicates))
    emails = sorted(duplicate.email for duplicate in duplicates if duplicate.email)
    email = person.email or (emails[0] if emails else None)
    return replace(person, joined=True, aliases=aliases, email=email)
