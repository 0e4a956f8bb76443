"""Who is meant by an address, a number or a name, and how much may be erased at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables.private_columns import PrivateColumns
from copilot_pipeline.postgres import Database
from copilot_pipeline.privacy.limits import NORMAL_CALLS, check_number
from copilot_pipeline.privacy.subjects import Subjects
from copilot_pipeline.state.bodies import pack

_PARTICIPANT = """INSERT INTO copilot.participants (call_id, person_id, call_date, name, email, side, utterances, words)
VALUES (%(call)s, %(name)s, '2026-11-03', %(name)s, %(email)s, 'prospect', 0, 0)"""


@pytest.fixture
def subjects(database: Database, tmp_path: Path) -> Subjects:
    """Two people of one name, one of them with two names, and a user."""
    with database.connection() as connection:
        for call, name, email in (
            ("c-1", "Mei Lin", "mei.lin@kestrel.example"),
            ("c-2", "Mei Lin", "mei@alder.example"),
            ("c-3", "Mei O'Hara", "MEI.LIN@kestrel.example"),
        ):
            connection.execute(_PARTICIPANT, {"call": call, "name": name, "email": email})
        connection.execute(
            "INSERT INTO copilot.users VALUES ('u', 'dana@acme.example', 'Dana Reed', 'REP', true, NULL)"
        )
    return Subjects(database, Lake(str(tmp_path / "lake")))


def test_an_address_leads_to_names_and_calls(subjects: Subjects) -> None:
    """Whatever its case. A name that another address has is not searched for alone, unless asked."""
    person = subjects.person("mei.LIN@kestrel.example")
    assert person.identity.names == {"Mei O'Hara"}
    assert person.calls == {"c-1", "c-3"}
    assert person.is_own is False
    assert person.namesakes == ("mei@alder.example",)
    assert subjects.person("mei.lin@kestrel.example", namesakes=True).identity.names == {"Mei Lin", "Mei O'Hara"}
    assert subjects.person("dana@acme.example").is_own is True


def test_rows_with_the_hash_of_an_address_are_of_the_same_person(
    subjects: Subjects, database: Database, tmp_path: Path
) -> None:
    """They are no namesakes, so the name is searched for; a user is recognized by the hash, too."""
    hidden = PrivateColumns(["participants.email", "users.email"], (), "k" * 32)
    lake = Lake(str(tmp_path / "lake"), hidden)
    with database.connection() as connection:
        for table in ("participants", "users"):
            for email in ("mei.lin@kestrel.example", "dana@acme.example"):
                statement = f"UPDATE copilot.{table} SET email = %s WHERE lower(email) = %s"
                connection.execute(statement.encode(), [hidden.hide(email), email])
        connection.execute("DELETE FROM copilot.participants WHERE call_id = 'c-2'")
    hashed = Subjects(database, lake)
    person = hashed.person("mei.lin@kestrel.example")
    assert person.identity.names == {"Mei Lin", "Mei O'Hara"}
    assert person.calls == {"c-1", "c-3"}
    assert person.namesakes == ()
    assert hashed.person("Mei Lin").calls == {"c-1", "c-3"}
    assert hashed.person("dana@acme.example").is_own is True


def test_parts_of_a_name_that_others_have_are_not_searched_for(subjects: Subjects) -> None:
    """Only with `parts`; an initial or the s of a genitive is no part."""
    assert subjects.person("mei.lin@kestrel.example").identity.parts == frozenset()
    person = subjects.person("mei.lin@kestrel.example", parts=True)
    assert person.identity.parts == {"o'hara", "hara"}
    assert person.shared_parts == ("lin", "mei")


def test_an_ambiguous_name_is_refused(subjects: Subjects) -> None:
    """The error names the addresses; a single word is no name."""
    with pytest.raises(ConfigurationError, match=r"2 people .*mei.lin@kestrel.example, mei@alder.example"):
        subjects.person("Lin, Mei")
    with pytest.raises(ConfigurationError, match="single word"):
        subjects.person("Mei")
    assert subjects.person("Lin, Mei", namesakes=True).calls == {"c-1", "c-2", "c-3"}


def test_colleagues_who_share_a_number_are_not_one_person(subjects: Subjects, database: Database) -> None:
    """By the address of one of them the other is not found, and the number is not searched for; from the number alone
    it cannot be known who is meant. One person with two addresses and one number is found by either."""
    everyone = [
        {"name": "Mei O'Hara", "email": "mei.lin@kestrel.example", "phone": "+1 415 555 0100"},
        {"name": "Ann Bell", "email": "ann@kestrel.example", "phone": "(415) 555-0100"},
        {"name": "Ann Bell", "email": "ann.bell@home.example", "phone": "+1 628 555 0111"},
        {"name": "Bell, Ann", "email": "ann@kestrel.example", "phone": "628-555-0111"},
    ]
    with database.connection() as connection:
        for number, person in enumerate(everyone):
            body = pack(json.dumps({"externalParticipants": [person]}).encode())
            connection.execute("INSERT INTO copilot_ops.bodies VALUES (%s, 'listed', now(), %s)", [f"b-{number}", body])
            statement = _PARTICIPANT.replace("side,", "side, phone,").replace("'prospect',", "'prospect', %(phone)s,")
            connection.execute(statement, {"call": f"b-{number}", **person})
    mei = subjects.person("mei.lin@kestrel.example")
    assert mei.identity.emails == {"mei.lin@kestrel.example"}
    assert not mei.identity.phones
    assert mei.calls == {"c-1", "c-3", "b-0"}
    assert mei.shared_numbers == ("(415) 555-0100",)
    with pytest.raises(ConfigurationError, match=r"2 people .*: ann@kestrel.example, mei.lin@"):
        subjects.person("415 555 0100")
    ann = subjects.person("ann.bell@home.example")
    assert ann.identity.emails == {"ann.bell@home.example", "ann@kestrel.example"}
    assert ann.calls == {"b-1", "b-2", "b-3"}


@pytest.mark.parametrize(
    ("calls", "more_than", "is_refused"),
    [
        (NORMAL_CALLS, None, False),
        (NORMAL_CALLS + 1, None, True),
        (100, 99, False),
        (100, 50, False),
        (100, 49, True),
        (100, 100, True),
    ],
)
def test_an_abnormal_number_must_be_confirmed(
    database: Database, calls: int, more_than: int | None, is_refused: bool
) -> None:
    """With a number that is near, so that a script does not confirm everything."""
    if not is_refused:
        check_number(database, calls, more_than)
        return
    with pytest.raises(ConfigurationError, match=f"--more-than {calls - 1}"):
        check_number(database, calls, more_than)
