"""Who is on a call."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.clari.models import Person, Segment, Side, User
from copilot_pipeline.transform.transcripts import ResolvedPerson, UserDirectory, resolve_people
from copilot_pipeline_tests.transform.transcripts.examples import (
    PEOPLE,
    SEGMENTS,
    USERS,
    call,
    external,
    joined,
    rep,
    said,
)

DIRECTORY = UserDirectory(USERS)


def _resolve(*people: Person) -> tuple[ResolvedPerson, ...]:
    return resolve_people(call(people=people), DIRECTORY)


@pytest.mark.parametrize(
    ("person", "name", "side"),
    [
        (rep(), "Dana Ortiz", Side.REP),
        (rep(email=None), "Dana Ortiz", Side.REP),
        (rep(user_id=None, email="DANA@ACME.EXAMPLE "), "Dana Ortiz", Side.REP),
        (rep(user_id="u-9", email="new@acme.example"), "new@acme.example", Side.REP),
        (rep(user_id="u-9", email=None), "Unknown Speaker 0", Side.REP),
        (Person("Dana O", "Dana O", None, None, Side.REP), "Dana O", Side.REP),
        (external(), "Lee Park", Side.PROSPECT),
        (external(name=" ", email="lee@n.example"), "lee@n.example", Side.PROSPECT),
        (Person("1", None, None, "+1 555 0100", Side.PROSPECT), "+1 555 0100", Side.PROSPECT),
        (Person("1", None, None, None, Side.PROSPECT), "Unknown Speaker 1", Side.PROSPECT),
        (external(name="Lee\r\nPark\ud800"), "Lee Park\ufffd", Side.PROSPECT),
        (joined(name="D.", email="Dana@acme.example"), "Dana Ortiz", Side.REP),
        (joined(name="Somebody"), "Somebody", Side.UNKNOWN),
        (joined(name="Max Moor"), "Max Moor", Side.UNKNOWN),
    ],
)
def test_name_and_side(person: Person, name: str, side: Side) -> None:
    """Everybody has the best name known of them, on one line, and the side the lists or the directory give."""
    (resolved,) = _resolve(person)
    assert (resolved.name, resolved.side) == (name, side)


def test_internal_user_has_role_and_manager() -> None:
    """What the directory knows of an internal user stands on the person."""
    (resolved,) = _resolve(rep())
    assert (resolved.role, resolved.manager_id, resolved.user_id) == ("REP", "u-2", "u-1")


@pytest.mark.parametrize(
    ("people", "names"),
    [
        ([rep(), joined()], ["Dana Ortiz"]),
        ([rep(), joined(name="DANA ORTIZ")], ["Dana Ortiz"]),
        ([rep(), joined(name="x", email="dana@ACME.example")], ["Dana Ortiz"]),
        ([external(), joined(name="Lee Park")], ["Lee Park"]),
        ([rep(), external(), joined(), joined("joined:b", "Lee Park")], ["Dana Ortiz", "Lee Park"]),
        ([rep(), joined(), joined("joined:b")], ["Dana Ortiz"] * 3),
        ([rep(), external(name="Dana Ortiz"), joined()], ["Dana Ortiz"] * 3),
        ([external(email="lee@a.example"), joined(name="Lee Park", email="lee@b.example")], ["Lee Park"] * 2),
        ([external("1"), external("2")], ["Lee Park"] * 2),
        ([joined("joined:a"), joined("joined:b")], ["Dana Ortiz"] * 2),
    ],
)
def test_joined_person_is_folded_only_where_unambiguous(people: list[Person], names: list[str]) -> None:
    """Who joined becomes the listed person they can only be, and stays apart where two could be meant."""
    assert sorted(person.name for person in _resolve(*people)) == names


def test_folded_person_has_joined() -> None:
    """The listed person is known to have joined, and answers to both ids."""
    (resolved,) = _resolve(rep(), joined())
    assert (resolved.person_id, resolved.joined, resolved.aliases) == ("0", True, ("joined:a",))


def test_two_who_both_spoke_stay_two() -> None:
    """Equal names do not merge two people whom the transcript tells apart."""
    record = call([said("a", "0"), said("b", "5")], [rep(), joined("5")])
    assert [person.person_id for person in resolve_people(record, DIRECTORY)] == ["0", "5"]


def test_listed_person_already_seen_is_not_folded_again() -> None:
    """A user known to have joined is not joined by a namesake too."""
    seen = Person("0", None, None, None, Side.REP, "u-1", joined=True)
    assert len(_resolve(seen, joined())) == 2


def test_shared_address_resolves_the_same_whatever_the_order() -> None:
    """Two accounts with one e-mail: the named one is found, in whatever order the users came."""
    users = [User("a", "x@y.example", None, None, None, None), User("b", "X@y.example", "Xen", None, None, None)]
    for order in permutations(users):
        found = UserDirectory(order).find(None, "x@Y.example")
        assert found is not None
        assert found.user_id == "b"


@given(people=PEOPLE, segments=SEGMENTS, random=st.randoms(use_true_random=False))
def test_order_of_the_lists_changes_nobody(people: list[Person], segments: list[Segment], random: Random) -> None:
    """The same people come out of any order of the lists, each id once, each with a name."""
    shuffled = list(people)
    random.shuffle(shuffled)
    first = resolve_people(call(segments, people), DIRECTORY)
    second = resolve_people(call(segments, shuffled), UserDirectory(reversed(USERS)))
    assert set(first) == set(second)
    assert len({person.person_id for person in first}) == len(first)
    assert all(person.name for person in first)
    reachable = {person_id for person in first for person_id in (person.person_id, *person.aliases)}
    assert reachable == {person.person_id for person in people}
