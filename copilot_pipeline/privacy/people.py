"""The people in a body of the API, of either dialect. Pure.

Bodies are searched as documents, not parsed as calls: what cannot be parsed as a call may name a person too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from copilot_pipeline.privacy.identity import Identity, normalized_name

LISTS = ("users", "externalParticipants", "joinedParticipants", "participants")


@dataclass(frozen=True, slots=True)
class Named:
    """An entry of a list of people."""

    name: str | None
    email: str | None
    phone: str | None
    user_id: str | None


def decoded(body: bytes) -> Any:
    """Return a body as a JSON value, None if it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def people_of(value: Any) -> list[Named]:
    """Return the entries of the lists of people in a document."""
    return [_named(entry) for found in _objects(value) for key in LISTS for entry in _entries(found.get(key))]


def takes_part(people: list[Named], identity: Identity) -> list[Named]:
    """Return the entries that are of a person: by address, by number, or by a name without an address.

    A name alone is not the person's if another entry has the name with another address, nor is a number with another
    name and address: colleagues share the number of their company.
    """
    surely = [one for one in people if identity.has_email(one.email) or _has_number(one, identity)]
    others = {
        normalized_name(one.name) for one in people if one.name and one.email and not identity.has_email(one.email)
    }
    by_name = [
        one
        for one in people
        if one not in surely
        and not one.email
        and identity.has_name(one.name)
        and normalized_name(one.name or "") not in others
    ]
    return surely + by_name


def _has_number(one: Named, identity: Identity) -> bool:
    is_other = bool(one.email and one.name and identity.names) and not identity.has_name(one.name)
    return identity.has_phone(one.phone) and not is_other


def merged(people: list[Named], known: Identity) -> Identity:
    """Return what is known of a person together with what their entries have."""
    return Identity(
        emails=known.emails | {one.email for one in people if one.email},
        phones=known.phones | {one.phone for one in people if one.phone},
        names=known.names | {one.name for one in people if one.name},
        parts=known.parts,
        calls=known.calls,
        runs=known.runs,
    )


def _named(entry: dict[str, Any]) -> Named:
    email = _text(entry.get("userEmail")) or _text(entry.get("email"))
    return Named(_text(entry.get("name")), email, _text(entry.get("phone")), _text(entry.get("userId")))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)


def _entries(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
