"""Who a rep is: one person per user id or normalised e-mail address, whatever the display name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from copilot_pipeline.clients.clari.models import normalized_address
from copilot_pipeline.marts.history.teams import NO_TEAMS, Teams
from copilot_pipeline.marts.model import Rep

Identity = tuple[str, str]  # ("id", user id) or ("address", normalised address)


class People:
    """The workspace's people: its users, and those who are only on calls, such as reps who have left.

    A user id of the directory is a person of its own. Other ids and addresses that calls show together are one person:
    the user with such an address, else the smallest of the ids, else the smallest of the addresses.
    """

    def __init__(self, users: Mapping[str, Rep], seen: Iterable[tuple[str, str]] = (), teams: Teams = NO_TEAMS) -> None:
        """`users` by id, with their present managers; `seen` are the pairs of user id and address on calls."""
        self._users = users
        self._teams = teams
        self._found: dict[tuple[str | None, str | None, str | None], Rep | None] = {}
        self._by_address: dict[str, Rep] = {}
        for rep in sorted(users.values(), key=lambda rep: (rep.name is None, rep.rep_id)):
            if (address := normalized_address(rep.email)) is not None:
                self._by_address.setdefault(address, rep)
        self._groups: dict[Identity, list[Identity]] = {}
        for user_id, email in seen:
            address = normalized_address(email)
            if user_id not in users and address is not None:
                self._join(("id", user_id), ("address", address))

    def find(self, user_id: str | None, email: str | None, name: str | None, at: datetime | None = None) -> Rep | None:
        """Return the person with the manager of a time; without a time, with the present manager.

        None without an id and an address, because a name does not identify a person.
        """
        identity = user_id, email, name
        if identity not in self._found:  # the same few people are on most calls
            self._found[identity] = self._person(*identity)
        person = self._found[identity]
        return person if at is None else self._teams.at(person, at)

    def _person(self, user_id: str | None, email: str | None, name: str | None) -> Rep | None:
        if user_id is not None and user_id in self._users:
            return self._users[user_id]
        address = normalized_address(email)
        if address is not None and address in self._by_address:
            return self._by_address[address]
        own: list[Identity] = [("id", user_id)] if user_id is not None else []
        if address is not None:
            own.append(("address", address))
        group = [identity for each in own for identity in self._groups.get(each, [each])]
        addresses = sorted(value for kind, value in group if kind == "address")
        rep = next((self._by_address[each] for each in addresses if each in self._by_address), None)
        if rep is not None:
            return rep
        rep_id = min((value for kind, value in group if kind == "id"), default=addresses[0] if addresses else None)
        return Rep(rep_id, name, email=address or (addresses[0] if addresses else None)) if rep_id else None

    def _join(self, first: Identity, second: Identity) -> None:
        one, other = self._groups.get(first, [first]), self._groups.get(second, [second])
        if one is other:
            return
        joined = [*one, *other]
        self._groups.update(dict.fromkeys(joined, joined))
