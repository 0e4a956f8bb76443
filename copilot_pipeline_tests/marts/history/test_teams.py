"""The team of a call is that of its time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from copilot_pipeline.marts.history.teams import Teams, UserVersion
from copilot_pipeline.marts.model import Rep
from copilot_pipeline.marts.reader import ScoredCallReader
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.delivery.examples import NOW, add_call

MOVED = datetime(2026, 11, 2, tzinfo=UTC)
LEFT = datetime(2026, 11, 20, tzinfo=UTC)
DANA = Rep("u-1", "Dana", "m-2", "Sam", "sam@acme.example")


def version(user_id: str, manager_id: str | None, start: datetime, end: datetime | None = None, **fields: Any) -> Any:
    """A version of a user."""
    return UserVersion(
        **{"name": None, "email": None, "role": "REP", "is_recording": True, "seen_at": start, **fields},
        user_id=user_id, manager_id=manager_id, valid_from=start, valid_to=end,
    )  # fmt: skip


TEAMS = Teams(
    [
        version("u-1", "m-2", MOVED, LEFT),
        version("u-1", "m-1", MOVED - timedelta(days=9), MOVED),
        version("m-1", None, MOVED - timedelta(days=9), name="Max", email="max@acme.example"),
        version("m-2", None, MOVED - timedelta(days=9), name="Sam", email="sam@acme.example"),
    ]
)


@pytest.mark.parametrize(
    ("moment", "manager"),
    [
        (MOVED - timedelta(days=99), ("m-1", "Max", "max@acme.example")),
        (MOVED - timedelta(microseconds=1), ("m-1", "Max", "max@acme.example")),
        (MOVED, ("m-2", "Sam", "sam@acme.example")),
        (LEFT + timedelta(days=9), ("m-2", "Sam", "sam@acme.example")),
    ],
    ids=["before the first refresh", "before the move", "from the move on", "after the rep left"],
)
def test_the_manager_is_that_of_the_time(moment: datetime, manager: tuple[str, str, str]) -> None:
    """The first version counts for the time before, the last one after the rep has left."""
    found = TEAMS.at(DANA, moment)
    assert found is not None
    assert (found.manager_id, found.manager_name, found.manager_email) == manager
    assert (found.rep_id, found.name) == ("u-1", "Dana")


def test_calls_of_a_rep_who_was_never_a_user_have_no_team() -> None:
    """Their calls have no team, as before."""
    stranger = Rep("x@acme.example", "X")
    assert TEAMS.at(stranger, MOVED) is stranger
    assert TEAMS.at(None, MOVED) is None


def test_calls_before_a_move_stay_in_the_former_team(database: Database) -> None:
    """Each call is read with the manager of its own time."""
    moved = NOW - timedelta(days=10)
    with database.connection() as connection:
        connection.execute("INSERT INTO copilot.users (user_id, name, manager_id) VALUES ('u-1', 'Dana', 'm-2')")
        for manager, start, end in (("m-1", moved - timedelta(days=60), moved), ("m-2", moved, None)):
            connection.execute(
                """INSERT INTO copilot.user_history (user_id, valid_from, valid_to, name, manager_id, seen_at)
                VALUES ('u-1', %s, %s, 'Dana', %s, %s)""",
                (start, end, manager, start),
            )
    add_call(database, "after", {"depth": 1.0}, started_at=NOW - timedelta(days=5))
    add_call(database, "before", {"depth": 1.0}, started_at=NOW - timedelta(days=20))
    with database.connection() as connection:
        connection.execute("UPDATE copilot.calls SET rep_user_id = 'u-1'")
    managers = {call.call_id: call.rep and call.rep.manager_id for call in ScoredCallReader(database).read()}
    assert managers == {"before": "m-1", "after": "m-2"}
