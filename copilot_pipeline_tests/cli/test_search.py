"""`copilot-pipeline search`: what was said, by word, rep and day."""

from __future__ import annotations

import json
from typing import Any

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.cli.conftest import Command

CALLS = (
    ("old", "2026-01-05", "Dana Ortiz", "dana@acme.example", "u-1"),
    ("new", "2026-06-05", "Lee Wong", "lee@acme.example", "u-2"),
    ("last", "2026-06-09", "Dana Ortiz", "dana@acme.example", "u-1"),
    ("removed", "2026-06-10", "Dana Ortiz", "dana@acme.example", "u-1"),
)
SPOKEN = (
    ("old", 0, 65.0, "Which prices did they offer you?"),
    ("new", 0, 10.0, "Let us talk about pricing and discounts."),
    ("new", 1, 3725.0, "We go live in May, after the pilot."),
    ("last", 0, None, "The price is fine, the pilot is not."),
    ("removed", 0, 1.0, "Pricing again."),
)


@pytest.fixture
def spoken(database: Database) -> None:
    """Calls of half a year, one of which was removed."""
    with database.connection() as connection, connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO copilot.calls (call_id, call_date, started_at, status, has_crm_link, has_transcript, title,
                 rep_name, rep_email, rep_user_id, review_url, removed_at)
               VALUES (%(id)s, %(day)s, %(day)s::date + interval '15 hours', 'ready', false, true, 'Acme: ' || %(id)s,
                 %(rep)s, %(email)s, %(user)s, 'https://clari.example/' || %(id)s,
                 CASE WHEN %(id)s = 'removed' THEN now() END)""",
            [dict(zip(("id", "day", "rep", "email", "user"), call, strict=True)) for call in CALLS],
        )
        days = {call[0]: call[1] for call in CALLS}
        cursor.executemany(
            """INSERT INTO copilot.utterances (call_id, call_date, seq, start_s, text, speaker, side)
               VALUES (%s, %s, %s, %s, %s, 'Kim Prospect', 'prospect')""",
            [(call_id, days[call_id], seq, start_s, text) for call_id, seq, start_s, text in SPOKEN],
        )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["pricing"], ["last", "new", "old"]),
        (["price"], ["last", "new", "old"]),
        (["pricing", "--limit", "1"], ["last"]),
        (["pricing", "--rep", "dana"], ["last", "old"]),
        (["pricing", "--rep", "LEE@acme.example"], ["new"]),
        (["pricing", "--rep", "u-1"], ["last", "old"]),
        (["pricing", "--from", "2026-06-05", "--to", "2026-06-05"], ["new"]),
        (['"go live"'], ["new"]),
        (["pilot -price"], ["new"]),
        (["pricing discounts"], ["new"]),
        (["discount or fine"], ["last", "new"]),
        (["nonsense"], []),
        (["the"], []),
        (["' & | ! ( :*"], []),
    ],
)
def test_finds_the_newest_utterances_first(
    spoken: None, command: Command, arguments: list[str], expected: list[str]
) -> None:
    """In all forms of a word, of a rep, in some days, without removed calls, whatever is typed."""
    result = command("search", *arguments, "--json")
    assert result.code == 0
    assert [one["call_id"] for one in json.loads(result.out)] == expected


def test_shows_speaker_time_and_link(spoken: None, command: Command) -> None:
    """The time of the call is in the configured zone, the place as in the player."""
    out = command("search", "live").out
    for text in ("2026-06-05 15:00 UTC", "Kim Prospect (prospect) at 1:02:05, call of Lee Wong", "We go live in May"):
        assert text in out
    assert "https://clari.example/new" in out


@pytest.mark.parametrize(
    "arguments", [[" "], ["pricing", "--from", "2026-06-05", "--to", "2026-06-01"], ["pricing", "--from", "June"]]
)
def test_wrong_usage_ends_with_code_2(command: Command, arguments: list[str]) -> None:
    assert command("search", *arguments).code == 2


def test_names_words_that_are_not_searched(spoken: None, command: Command) -> None:
    """Nothing was found because nothing was searched for."""
    assert "“what the” has only very common words" in command("search", "what the").err


def test_a_long_utterance_is_stored_and_found_by_its_beginning(database: Database, spoken: None) -> None:
    """A vector has at most 1 MB; a longer utterance must not keep its day out of the warehouse."""
    text = "Indemnity first. " + " ".join(f"word{number}" for number in range(200_000))
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO copilot.utterances (call_id, call_date, seq, text, speaker, side)
               VALUES ('new', '2026-06-05', 9, %s, 'Kim', 'prospect')""",
            (text,),
        )
        query = "SELECT seq FROM copilot.spoken WHERE copilot.says(text, 'indemnity')"
        found: list[Any] = connection.execute(query).fetchall()
    assert found == [(9,)]


def test_the_role_of_the_command_sql_can_search(spoken: None, command: Command) -> None:
    """A reader may execute the function, and no more."""
    query = "SELECT call_id FROM copilot.spoken WHERE copilot.says(text, 'pricing') ORDER BY started_at"
    assert json.loads(command("sql", "--json", query).out) == [{"call_id": one} for one in ("old", "new", "last")]


def test_common_and_rare_words_are_found_in_any_number_of_calls(database: Database, command: Command) -> None:
    """A word of each call is found in the newest ones, one of some calls in more, one of the oldest call in all."""
    with database.connection() as connection:
        connection.execute(
            """INSERT INTO copilot.calls
                 (call_id, call_date, started_at, status, has_crm_link, has_transcript, rep_name)
               SELECT 'c' || n, '2026-01-01'::date + n, '2026-01-01'::timestamptz + n * interval '1 day', 'ready',
                 false, true, CASE WHEN n % 2 = 0 THEN 'Dana' ELSE 'Lee' END FROM generate_series(1, 450) AS n"""
        )
        connection.execute(
            """INSERT INTO copilot.utterances (call_id, call_date, seq, text, speaker, side)
               SELECT 'c' || n, '2026-01-01'::date + n, 0, 'The price' || CASE WHEN n % 50 = 0 THEN ' and discount'
                 WHEN n = 2 THEN ' of zanzibar' ELSE '' END, 'Kim', 'prospect' FROM generate_series(1, 450) AS n"""
        )
    for arguments, expected in (
        (["price", "--limit", "3"], ["c450", "c449", "c448"]),
        (["price", "--limit", "3", "--rep", "Lee"], ["c449", "c447", "c445"]),
        (["price", "--limit", "12"], [f"c{n}" for n in range(450, 438, -1)]),
        (["discount", "--limit", "3"], ["c450", "c400", "c350"]),
        (["discount"], [f"c{n}" for n in range(450, 0, -50)]),
        (["discount", "--to", "2026-09-01"], ["c200", "c150", "c100", "c50"]),
        (["zanzibar", "--rep", "Dana"], ["c2"]),
        (["zanzibar", "--rep", "Lee"], []),
    ):
        assert [row["call_id"] for row in json.loads(command("search", *arguments, "--json").out)] == expected
