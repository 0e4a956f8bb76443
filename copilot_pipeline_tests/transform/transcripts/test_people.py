"""Resolution of the people on a call."""

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
    segment_of,
)

DIRECTORY = UserDirectory(USERS)


def _resolve(*people: Person) -> tuple[ResolvedPerson, ...]:
    return resolve_people(call(people=people), DIRECTORY)


def _user(user_id: str, name: str) -> User:
    return User(user_id, f"{user_id}@acme.example", name, None, None, None)


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
def test_resolves_name_and_side(person: Person, name: str, side: Side) -> None:
    """The name is the best one known, on one line.

    The side comes from the lists or the user directory.
    """
    (resolved,) = _resolve(person)
    assert (resolved.name, resolved.side) == (name, side)


def test_adds_role_and_manager_of_internal_users() -> None:
    """The directory's data of an internal user is copied to the person."""
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
def test_merges_a_joined_person_only_if_unambiguous(people: list[Person], names: list[str]) -> None:
    """A join-only person is kept if two listed people match."""
    assert sorted(person.name for person in _resolve(*people)) == names


def test_a_merged_person_has_joined_and_keeps_both_ids() -> None:
    """The listed person is marked as joined and has the other id as an alias."""
    (resolved,) = _resolve(rep(), joined())
    assert (resolved.person_id, resolved.joined, resolved.aliases) == ("0", True, ("joined:a",))


def test_merges_a_user_who_joined_under_a_former_name() -> None:
    """The list of those who joined keeps the name of the time; it is the same user under every name."""
    renamed = UserDirectory([_user("u-1", "Dana Ortiz-Bell")], [("u-1", "Dana Ortiz")])
    (resolved,) = resolve_people(call(people=[rep(), joined()]), renamed)
    assert (resolved.name, resolved.joined, resolved.aliases) == ("Dana Ortiz-Bell", True, ("joined:a",))


def test_does_not_merge_a_former_name_that_another_user_has_now() -> None:
    """Both users are named Dana Ortiz at some time; who joined is not known."""
    users = [_user("u-1", "Dana Ortiz-Bell"), _user("u-2", "Dana Ortiz")]
    people = resolve_people(call(people=[rep(), joined()]), UserDirectory(users, [("u-1", "Dana Ortiz")]))
    assert [person.name for person in people] == ["Dana Ortiz-Bell", "Dana Ortiz"]


def test_does_not_merge_people_who_both_spoke() -> None:
    """People of the same name with different ids in the transcript are two people."""
    record = call([segment_of("a", "0"), segment_of("b", "5")], [rep(), joined("5")])
    assert [person.person_id for person in resolve_people(record, DIRECTORY)] == ["0", "5"]


def test_does_not_merge_into_a_person_who_has_joined_already() -> None:
    """A listed user who has joined does not absorb a namesake."""
    seen = Person("0", None, None, None, Side.REP, "u-1", joined=True)
    assert len(_resolve(seen, joined())) == 2


def test_shared_address_resolves_to_the_named_user_in_any_order() -> None:
    """Of two accounts with the same e-mail, the one with a name is found."""
    users = [User("a", "x@y.example", None, None, None, None), User("b", "X@y.example", "Xen", None, None, None)]
    for order in permutations(users):
        result = UserDirectory(order).find(None, "x@Y.example")
        assert result is not None
        assert result.user_id == "b"


@given(people=PEOPLE, segments=SEGMENTS, random=st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_the_lists(
    people: list[Person], segments: list[Segment], random: Random
) -> None:
    """Any order of the lists gives the same people.

    Each id occurs once and each person has a name.
    """
    shuffled = list(people)
    random.shuffle(shuffled)
    first = resolve_people(call(segments, people), DIRECTORY)
    second = resolve_people(call(segments, shuffled), UserDirectory(reversed(USERS)))
    assert set(first) == set(second)
    assert len({person.person_id for person in first}) == len(first)
    assert all(person.name for person in first)
    reachable = {person_id for person in first for person_id in (person.person_id, *person.aliases)}
    assert reachable == {person.person_id for person in people}
