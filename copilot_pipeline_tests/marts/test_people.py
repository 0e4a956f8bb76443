"""Reps are one person per user id or address, never per name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import CALLS, EVIDENCE, PARTICIPANTS, SEMARIZE_RUNS, SEMARIZE_SCORES
from copilot_pipeline.marts.build import MartBuilder
from copilot_pipeline.marts.model import Rep
from copilot_pipeline.marts.people import People
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.load.warehouse.rows import DAY, call, load, score

KIT = "deal"
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)


def participant(call_id: str, person_id: str, **fields: Any) -> dict[str, Any]:
    """A rep on a call."""
    known = {"name": "Chris Lee", "side": "rep", "talk_seconds": 60.0, "utterances": 4, "words": 40}
    return {"call_id": call_id, "person_id": person_id, "call_date": DAY, **known, **fields}


def evidence(position: int, person_id: str) -> dict[str, Any]:
    """A quote of the claim, found in the transcript."""
    return {
        "call_id": "c-1", "kit": KIT, "brick": "inaccurate_claim", "position": position, "call_date": DAY,
        "quote": f"Claim {position}.", "match": "exact", "match_score": 1.0, "seq": position, "last_seq": position,
        "speaker": "Chris Lee", "side": "rep", "said": f"Claim {position}.", "person_id": person_id,
    }  # fmt: skip


def run(call_id: str) -> dict[str, Any]:
    """A run that has succeeded."""
    return {
        "call_id": call_id, "kit": KIT, "call_date": DAY, "run_id": call_id, "status": "succeeded",
        "kit_reference": "K", "transcript_hash": "hash", "bricks": 1,
    }  # fmt: skip


def test_a_claim_belongs_to_the_person_who_said_it(database: Database, home: Path) -> None:
    """Two reps with one name on one call: each has their own claims and their own manager."""
    with database.transaction() as connection:
        for user_id, manager in (("u1", "m1"), ("u2", "m2")):
            connection.execute(
                "INSERT INTO copilot.users (user_id, name, manager_id) VALUES (%s, 'Chris Lee', %s)", (user_id, manager)
            )
    load(
        database,
        {
            CALLS: [call("c-1", rep_user_id="u2", rep_name="Chris Lee", started_at=NOON - timedelta(days=1))],
            PARTICIPANTS: [participant("c-1", "0", user_id="u1"), participant("c-1", "1", user_id="u2")],
            SEMARIZE_RUNS: [run("c-1")],
            SEMARIZE_SCORES: [score("inaccurate_claim", True)],
            EVIDENCE: [evidence(0, "0"), evidence(1, "0"), evidence(2, "1")],
        },
    )
    MartBuilder(Lake(str(home)), database, MartSettings()).build_claims()
    with database.connection() as connection:
        result = connection.execute("SELECT quote, rep_id, manager_id FROM copilot.claims ORDER BY quote").fetchall()
    assert result == [("Claim 0.", "u1", "m1"), ("Claim 1.", "u1", "m1"), ("Claim 2.", "u2", "m2")]


def test_a_rep_is_one_person_whatever_the_spelling_of_the_address(database: Database, home: Path) -> None:
    """A rep who has left is known by address only: twenty good and four weak calls are one regression, with
    the mean of the good ones as the level before."""
    spellings = ["Chris.Lee@Example.com", " chris.lee@example.com", "CHRIS.LEE@EXAMPLE.COM", "chris.lee@example.com "]
    numbers = range(24)
    started = [NOON - timedelta(hours=30 - number) for number in numbers]
    load(
        database,
        {
            CALLS: [
                call(f"c-{number:02}", rep_email=spelling, rep_name=spelling, started_at=started[number])
                for number, spelling in enumerate(spellings * 6)
            ],
            SEMARIZE_RUNS: [run(f"c-{number:02}") for number in numbers],
            SEMARIZE_SCORES: [
                score("discovery_score", 0.9 if number < 20 else 0.1, call_id=f"c-{number:02}") for number in numbers
            ],
        },
    )
    settings = MartSettings.model_validate({"coaching": {"skills": {"discovery": f"{KIT}.discovery_score"}}})
    _, regressions = MartBuilder(Lake(str(home)), database, settings).build_coaching()
    assert [(one.rep_id, one.first_call_id, one.calls, one.earlier_calls) for one in regressions] == [
        ("chris.lee@example.com", "c-20", 4, 20)
    ]


def test_a_name_identifies_no_person() -> None:
    """A rep without an id and an address is not joined with anyone."""
    users = {"u1": Rep("u1", "Chris Lee")}
    assert People(users).find(None, None, "Chris Lee") is None
    assert People(users).find(None, " ", "Chris Lee") is None


def test_an_address_is_joined_with_the_user_and_with_former_ids() -> None:
    """The directory first; then what calls show together."""
    users = {"u1": Rep("u1", "Chris Lee", email="Chris@Example.com"), "u2": Rep("u2", "Chris Lee")}
    people = People(users, [("old", "chris@example.com "), ("gone", "bo@example.com"), ("gone-2", "BO@example.com")])
    result = [
        people.find(user_id, email, None)
        for user_id, email in [("u2", "chris@example.com"), (None, "CHRIS@example.com"), ("old", None),
                               ("gone", None), (None, "bo@Example.com"), ("gone-2", None)]
    ]  # fmt: skip
    assert [rep and rep.rep_id for rep in result] == ["u2", "u1", "u1", "gone", "gone", "gone"]


ids = st.none() | st.sampled_from(["u1", "u2", "u3", "u4"])
addresses = st.none() | st.sampled_from(["a@x.com", "A@X.com ", "b@x.com", " B@x.COM", "c@x.com"])
seen_on_calls = st.lists(st.tuples(ids, addresses), min_size=1, max_size=8)


@given(seen_on_calls, st.sets(st.sampled_from(["u1", "u2"])), st.text(max_size=3), st.text(max_size=3))
def test_calls_of_one_id_or_address_have_one_rep(
    calls: list[tuple[str | None, str | None]], known: set[str], name: str, other_name: str
) -> None:
    """Whatever the names and spellings; users of the directory stay apart."""
    users = {user_id: Rep(user_id, name, email=f"{user_id}@x.com") for user_id in known}
    people = People(users, [(user_id, email) for user_id, email in calls if user_id and email])
    result = {(user_id, email): people.find(user_id, email, name) for user_id, email in calls}
    for (user_id, email), rep in result.items():
        assert (rep is None) == (user_id is None and email is None)
        again = people.find(user_id, email.swapcase() + " " if email else None, other_name)
        assert (rep and rep.rep_id) == (again and again.rep_id)
        assert user_id not in known or (rep is not None and rep.rep_id == user_id)
    unknown = [(pair, rep) for pair, rep in result.items() if rep is not None and pair[0] not in known]
    for (user_id, email), rep in unknown:
        for (other_id, other_email), other in unknown:
            same_address = email and other_email and email.strip().casefold() == other_email.strip().casefold()
            if (user_id is not None and user_id == other_id) or same_address:
                assert rep.rep_id == other.rep_id
