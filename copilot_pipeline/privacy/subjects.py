"""Who is meant by an e-mail address, a phone number or a name: all that is stored of how the person is called.

An address leads to the names and numbers beside it, and a user's id to their former names. A name leads to an address
only if no one else has it: in text, two people of one name look the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import RAW_CALL_DETAILS
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_values
from copilot_pipeline.privacy.identity import (
    Identity,
    kind_of,
    name_parts,
    name_words,
    normalized_email,
    normalized_name,
)
from copilot_pipeline.privacy.lake_places import LakePlace
from copilot_pipeline.privacy.matching import Matcher
from copilot_pipeline.privacy.people import Named, decoded, merged, people_of, takes_part
from copilot_pipeline.state.bodies import unpack

_SQL = load_queries(__package__, "search.sql")
_RAW = LakePlace(RAW_CALL_DETAILS, ("call_id",))
_MAX_PASSES = 5  # each finds people by what the last one found: an address by a number, a name by an address


@dataclass(frozen=True, slots=True)
class _Known:
    name: str | None
    email: str | None
    user_id: str | None
    is_user: bool
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class _PackedBody:
    call_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """A person or a call: how it is found, and the calls that the person took part in."""

    identity: Identity
    calls: frozenset[str]
    is_own: bool = False  # one of our own people
    namesakes: tuple[str, ...] = ()  # others with the same name, by address; then the name alone finds nothing
    shared_parts: tuple[str, ...] = ()  # parts of the name that others have too; they are not looked for
    shared_numbers: tuple[str, ...] = ()  # numbers that others have too; they are not looked for
    notes: tuple[str, ...] = field(default=())


def subject_of_call(call_id: str) -> Subject:
    """Return a call as a subject."""
    return Subject(Identity(), frozenset({call_id}))


class Subjects:
    """Finds who is meant."""

    def __init__(self, database: Database, lake: Lake) -> None:
        self._database = database
        self._lake = lake

    def person(self, value: str, *, parts: bool = False, namesakes: bool = False) -> Subject:
        """Return the person with an address, a number or a name.

        `parts`: single words of the names are looked for too, except those that others have. `namesakes`: the name is
        looked for although others have it, and numbers that others have. Raises `ConfigurationError` if a name or a
        number is that of several addresses.
        """
        kind = kind_of(value)
        if kind == "name" and len(name_words(value)) < 2:
            raise ConfigurationError(
                f"{value!r} is a single word, which is no name that can be searched for: give the e-mail address, the "
                "phone number or the whole name"
            )
        identity = Identity(
            emails=frozenset({value.strip()} if kind == "email" else ()),
            phones=frozenset({value.strip()} if kind == "phone" else ()),
            names=frozenset({value.strip()} if kind == "name" else ()),
        )
        is_vague = kind != "email" and not namesakes
        identity, calls, is_own = self._expand(self._hashed(identity, identity.emails), ask_for_address=is_vague)
        # The hashes first: a row with the hash of the person's address is not of another person.
        identity = self._hashed(identity, identity.emails)
        found = self._without_shared(identity, calls, is_own, parts=parts, namesakes=namesakes)
        values = found.identity.emails | found.identity.phones | found.identity.names
        return replace(found, identity=self._hashed(found.identity, values))

    def _hashed(self, identity: Identity, values: frozenset[str]) -> Identity:
        """Add the hashes that hashed columns have of some values (`privacy.hash_columns`), as further addresses."""
        hidden = self._lake.private_columns
        if not hidden.fingerprint:
            return identity
        return replace(identity, emails=identity.emails | {hidden.hide(value) for value in values})

    def calls_of(self, identity: Identity) -> frozenset[str]:
        """Return the calls that a person took part in."""
        return self._in_bodies(replace(identity, calls=frozenset(), runs=frozenset()))[1]

    def _expand(self, identity: Identity, *, ask_for_address: bool) -> tuple[Identity, frozenset[str], bool]:
        calls: frozenset[str] = frozenset()
        is_own = False
        is_hashed = bool(self._lake.private_columns.fingerprint)
        for _ in range(_MAX_PASSES):
            before = identity
            known = self._known(identity)
            is_own = is_own or any(one.is_user for one in known)
            identity = replace(
                identity,
                emails=_distinct([*identity.emails, *(one.email for one in known if one.email)], normalized_email),
                names=_distinct([*identity.names, *(one.name for one in known if one.name)], normalized_name),
            )
            people, calls = self._in_bodies(identity)
            of_calls = merged(people, identity)
            identity = replace(
                identity,
                emails=_distinct(of_calls.emails, normalized_email),
                names=_distinct(of_calls.names, normalized_name),
                phones=of_calls.phones,
            )
            hide = self._lake.private_columns.hide if is_hashed else normalized_email
            addresses = set(map(hide, identity.emails))
            if ask_for_address and len(addresses) > 1:
                shown = sorted({normalized_email(email) for email in identity.emails if not email.startswith("hmac:")})
                raise ConfigurationError(
                    f"{len(addresses)} people have this name or number: "
                    f"{', '.join(shown) or 'their addresses are hashed'}. Give the address of the one who is meant, or "
                    "--namesakes for all of them"
                )
            if identity == before:
                break
        return identity, calls, is_own

    def _known(self, identity: Identity) -> list[_Known]:
        with self._database.connection() as connection:
            emails = sorted({email.strip().lower() for email in identity.emails})
            found = fetch_all(connection, _Known, _SQL["people_by_email"], {"emails": emails})
            if not emails:
                everyone = fetch_all(connection, _Known, _SQL["names_of_others"])
                found += [one for one in everyone if identity.has_name(one.name)]
            user_ids = sorted({one.user_id for one in found if one.user_id and one.is_user})
            return found + fetch_all(connection, _Known, _SQL["people_by_user"], {"user_ids": user_ids})

    def _in_bodies(self, identity: Identity) -> tuple[list[Named], frozenset[str]]:
        """Return the entries of the person in the bodies of calls, and these calls."""
        people: list[Named] = []
        calls: set[str] = set()
        for call_id, bodies in self._bodies(Matcher(identity)):
            entries = [entry for body in bodies for entry in people_of(decoded(body))]
            found = takes_part(entries, identity)
            if found:
                people += found
                calls.add(call_id)
        with self._database.connection() as connection:
            emails = sorted({email.strip().lower() for email in identity.emails})
            calls |= set(fetch_values(connection, _SQL["calls_of_emails"], {"emails": emails}))
        return people, frozenset(calls)

    def _bodies(self, matcher: Matcher) -> Iterator[tuple[str, Sequence[bytes]]]:
        """Yield the bodies that have what is looked for, by call."""
        for day in _RAW.days(self._lake):
            for hit in _RAW.search(self._lake, day, matcher):
                yield hit.values["call_id"], [hit.values[part] for part in ("listed", "details") if hit.values[part]]
        with self._database.connection() as connection:
            for packed in fetch_all(connection, _PackedBody, _SQL["unstored_bodies"]):
                body = unpack(packed.body)
                if any(matcher.person_in(body.decode("utf-8", "surrogateescape"))):
                    yield packed.call_id, [body]

    def _without_shared(
        self, identity: Identity, calls: frozenset[str], is_own: bool, *, parts: bool, namesakes: bool
    ) -> Subject:
        with self._database.connection() as connection:
            everyone = fetch_all(connection, _Known, _SQL["names_of_others"])
        others = [one for one in everyone if one.email and not identity.has_email(one.email)]
        names = {normalized_name(name): name for name in identity.names}
        same = {normalized_email(one.email or "") for one in others if normalized_name(one.name or "") in names}
        if identity.emails and same and not namesakes:
            shared = {normalized_name(one.name or "") for one in others} & names.keys()
            identity = replace(identity, names=frozenset(name for key, name in names.items() if key not in shared))
        numbers = tuple(sorted({one.phone for one in others if one.phone and identity.has_phone(one.phone)}))
        if identity.emails and numbers and not namesakes:
            own = Identity(phones=frozenset(numbers))
            kept = frozenset(phone for phone in identity.phones if not own.has_phone(phone))
            identity = replace(identity, phones=kept)
        else:
            numbers = ()
        words = {part for name in names for part in name_parts(name)}
        taken = {part for one in others for part in name_parts(one.name or "")} & words
        if parts:
            identity = replace(identity, parts=frozenset(words - taken))
        shared_parts = tuple(sorted(taken)) if parts else ()
        return Subject(identity, calls, is_own, tuple(sorted(same)), shared_parts, numbers)


def _distinct(values: Any, normalized: Any) -> frozenset[str]:
    """Return the values without those that compare equal to another one."""
    return frozenset({normalized(value): value for value in sorted(values)}.values())
