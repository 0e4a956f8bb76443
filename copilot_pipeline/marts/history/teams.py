"""Whose team a rep was in at a time, from the versions of the users. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from copilot_pipeline.marts.model import Rep


@dataclass(frozen=True, slots=True, kw_only=True)
class UserVersion:
    """A row of `user_history`."""

    user_id: str
    valid_from: datetime
    valid_to: datetime | None
    name: str | None
    email: str | None
    role: str | None
    is_recording: bool | None
    manager_id: str | None
    seen_at: datetime


class Teams:
    """The managers of reps over time.

    Before a user was first seen, the first version counts; after the user has left, the last one.
    """

    def __init__(self, versions: Iterable[UserVersion] = ()) -> None:
        # The same object for every call with the same versions of rep and manager. By the identity of the rep, which is
        # kept: a rep takes as long to hash as the rest of a call.
        self._reps: dict[tuple[int, datetime, datetime | None], tuple[Rep, Rep]] = {}
        self._versions: defaultdict[str, list[UserVersion]] = defaultdict(list)
        for version in sorted(versions, key=lambda version: version.valid_from):
            self._versions[version.user_id].append(version)
        self._starts = {
            user_id: [version.valid_from for version in of_user] for user_id, of_user in self._versions.items()
        }

    def at(self, rep: Rep | None, moment: datetime) -> Rep | None:
        """Return the rep with the manager of that time; unchanged if the rep was never among the users."""
        if rep is None or (version := self._version(rep.rep_id, moment)) is None:
            return rep
        manager = self._version(version.manager_id, moment) if version.manager_id is not None else None
        key = id(rep), version.valid_from, manager.valid_from if manager else None
        if key not in self._reps:
            self._reps[key] = rep, self._with_manager(rep, version, manager)
        return self._reps[key][1]

    def _with_manager(self, rep: Rep, version: UserVersion, manager: UserVersion | None) -> Rep:
        if version.manager_id is None:
            return replace(rep, manager_id=None, manager_name=None, manager_email=None)
        if manager is None and version.manager_id == rep.manager_id:
            return rep
        return replace(
            rep,
            manager_id=version.manager_id,
            manager_name=manager.name if manager else None,
            manager_email=manager.email if manager else None,
        )

    def _version(self, user_id: str, moment: datetime) -> UserVersion | None:
        versions = self._versions.get(user_id)
        return versions[max(bisect_right(self._starts[user_id], moment) - 1, 0)] if versions else None


NO_TEAMS = Teams()  # every rep keeps the present manager
