"""Who is on a call: names, sides and roles from the call's people lists and the workspace's users."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from copilot_pipeline.clients.clari.models import CallRecord, Person, Side, User
from copilot_pipeline.transform.transcripts.text import label, storable, unknown_speaker


@dataclass(frozen=True, slots=True)
class ResolvedPerson:
    """Somebody on a call, as far as everything known together tells."""

    person_id: str
    name: str  # never empty, on one line
    email: str | None
    side: Side
    role: str | None = None
    manager_id: str | None = None
    user_id: str | None = None
    is_organizer: bool | None = None
    joined: bool | None = None
    aliases: tuple[str, ...] = ()  # further ids under which the same person appears on this call


class UserDirectory:
    """The workspace's users by id and by e-mail. Built once a run, then only read."""

    def __init__(self, users: Iterable[User] = ()) -> None:
        # Two accounts may share an address: the named one is wanted, then the smaller id, whatever order they came in.
        ranked = sorted(users, key=lambda user: (label(user.name) is None, user.user_id, user.name or ""))
        self._by_id: dict[str, User] = {}
        self._by_email: dict[str, User] = {}
        for user in ranked:
            self._by_id.setdefault(user.user_id, user)
            address = _folded(user.email)
            if address is not None:
                self._by_email.setdefault(address, user)

    def __len__(self) -> int:
        """How many users are known."""
        return len(self._by_id)

    def find(self, user_id: str | None, email: str | None) -> User | None:
        """The user with this id, else with this e-mail (case does not matter), else None."""
        if user_id is not None:
            user = self._by_id.get(user_id)
            if user is not None:
                return user
        if email is None:
            return None
        return self._by_email.get(email.strip().casefold())


def resolve_people(record: CallRecord, directory: UserDirectory) -> tuple[ResolvedPerson, ...]:
    """Everybody on the call, each once, in the order of the people lists.

    The list of who joined may repeat a listed person with nothing but a name or an address. Where only one listed
    person can be meant the two become one, else they stay two: a doubled row is seen, a wrong merge is not.
    """
    people = [_resolved(person, directory) for person in _each_id_once(record.people)]
    loners = [person for person in record.people if person.side is Side.UNKNOWN and person.joined]
    if loners and len(people) > 1:
        people = _without_doubles(people, {storable(person.person_id) for person in loners}, record)
    return tuple(people)


def _each_id_once(people: Sequence[Person]) -> Iterable[Person]:
    """The people with distinct ids; of two with one id the one that says more, whichever came first."""
    chosen: dict[str, Person] = {}
    for person in people:
        person_id = storable(person.person_id)
        other = chosen.get(person_id)
        if other is None or _knowledge(person) > _knowledge(other):
            chosen[person_id] = person
    return chosen.values()


def _knowledge(person: Person) -> tuple[object, ...]:
    """Sorts people by how much is known of them; the rest of the key only makes the choice repeatable."""
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
    """One person, with what the directory adds for an internal one."""
    email = label(person.email)
    side = person.side
    # An invited external stays what the vendor says, whatever the address.
    user = None if side is Side.PROSPECT else directory.find(person.user_id, email)
    names = [person.name, email, person.phone]
    if user is not None:
        side = Side.REP
        names.insert(0, user.name)
        email = email or label(user.email)
    name = next(filter(None, map(label, names)), None) or email or unknown_speaker(person.person_id)
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
    )


def _without_doubles(people: list[ResolvedPerson], loner_ids: set[str], record: CallRecord) -> list[ResolvedPerson]:
    """The people with those who only joined folded into the listed person they are."""
    listed = [person for person in people if person.person_id not in loner_ids]
    loners = [person for person in people if person.person_id in loner_ids]
    # Distinct ids first: hundreds of segments, a handful of ids.
    spoke = {storable(spoken) for spoken in {segment[0] for segment in record.segments} if spoken is not None}
    hosts = _same_address(loners, listed)
    hosts |= _same_name(
        [loner for loner in loners if loner.person_id not in hosts],
        [person for person in listed if not person.joined and person.person_id not in hosts.values()],
        listed,
        spoke,
    )
    doubles: dict[str, list[ResolvedPerson]] = defaultdict(list)
    for loner in loners:
        if loner.person_id in hosts:
            doubles[hosts[loner.person_id]].append(loner)
    return [_joined(person, doubles.get(person.person_id)) for person in people if person.person_id not in hosts]


def _same_address(loners: Iterable[ResolvedPerson], listed: Iterable[ResolvedPerson]) -> dict[str, str]:
    """Who joined -> the one listed person with the same user or the same e-mail."""
    by_identity: dict[tuple[str, str], set[str]] = defaultdict(set)
    for person in listed:
        for identity in _identities(person):
            by_identity[identity].add(person.person_id)
    found: dict[str, str] = {}
    for loner in loners:
        matches = set().union(*(by_identity.get(identity, ()) for identity in _identities(loner)))
        if len(matches) == 1:
            found[loner.person_id] = matches.pop()
    return found


def _identities(person: ResolvedPerson) -> list[tuple[str, str]]:
    """What tells a person apart beyond this call: user and e-mail."""
    pairs = (("user", person.user_id), ("email", _folded(person.email)))
    return [(kind, value) for kind, value in pairs if value is not None]


def _same_name(
    loners: Sequence[ResolvedPerson],
    free: Sequence[ResolvedPerson],
    listed: Sequence[ResolvedPerson],
    spoke: set[str],
) -> dict[str, str]:
    """Who joined -> the listed person of that name, where each is the only one and they cannot be two.

    Not where both spoke under their own ids, and not where an external's address differs from the one that joined.
    """
    named = _by_name(listed)
    free_ids = {person.person_id for person in free}
    found: dict[str, str] = {}
    for name, same in _by_name(loners).items():
        hosts = named.get(name, [])
        if len(same) != 1 or len(hosts) != 1 or hosts[0].person_id not in free_ids:
            continue
        loner, host = same[0], hosts[0]
        both_spoke = loner.person_id in spoke and host.person_id in spoke
        other_address = host.side is not Side.REP and loner.email is not None and host.email is not None
        if not both_spoke and not other_address and loner.user_id is None:
            found[loner.person_id] = host.person_id
    return found


def _by_name(people: Iterable[ResolvedPerson]) -> dict[str, list[ResolvedPerson]]:
    """People by case-folded name."""
    named: dict[str, list[ResolvedPerson]] = defaultdict(list)
    for person in people:
        named[person.name.casefold()].append(person)
    return named


def _joined(person: ResolvedPerson, doubles: list[ResolvedPerson] | None) -> ResolvedPerson:
    """The listed person, seen in the call under further ids."""
    if not doubles:
        return person
    # Sorted, so that the order of the lists changes nothing.
    aliases = tuple(sorted(double.person_id for double in doubles))
    emails = sorted(double.email for double in doubles if double.email)
    email = person.email or (emails[0] if emails else None)
    return replace(person, joined=True, aliases=aliases, email=email)


def _folded(email: str | None) -> str | None:
    """An e-mail as it is compared: trimmed and case-folded; None where blank."""
    return (email.strip().casefold() or None) if email is not None else None
