"""`copilot-pipeline sql`: reads, and only reads; for people and for programs."""

from __future__ import annotations

import csv
import io
import json

import psycopg
import pytest

from copilot_pipeline_tests.cli.conftest import Command

ODD = """SELECT * FROM (VALUES
  (1, 'a,"b"', true, ARRAY['x', NULL], '{"k": [1, null]}'::jsonb, 1.50::numeric, 'NaN'::float8, '\\x00ff'::bytea),
  (2, '', false, '{}', NULL, 2::numeric, NULL, NULL),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
) AS odd (id, text, flag, list, object, amount, share, bytes)"""


def test_a_table_is_whole_when_piped(command: Command) -> None:
    """Where the output is no terminal, no column is cut, however long its content; each row is one line."""
    long = "x" * 500
    ended = command("sql", f"SELECT 'first' AS one, '{long}' AS two, '{long}' AS three, '[red]' AS four")
    assert ended.code == 0
    (line,) = [line for line in ended.out.splitlines() if "first" in line]
    assert line.count(long) == 2
    assert "[red]" in line


def test_null_is_not_the_empty_text(command: Command) -> None:
    """A table shows null as null."""
    lines = command("sql", "SELECT NULL AS nothing, '' AS empty, 0 AS zero").out.splitlines()
    assert any("null" in line and "0" in line for line in lines)


def test_csv_keeps_null_and_empty_apart(command: Command) -> None:
    """Texts are quoted, null is nothing between two commas; any reader of CSV gives the texts back."""
    ended = command("sql", "--csv", ODD)
    lines = ended.out.splitlines()
    assert lines[0] == '"id","text","flag","list","object","amount","share","bytes"'
    assert lines[2] == '2,"",false,"[]",,2,,'
    assert lines[3] == "3,,,,,,,"
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert rows[0]["text"] == 'a,"b"'
    assert json.loads(rows[0]["list"]) == ["x", None]


def test_json_has_the_types(command: Command) -> None:
    """Null, booleans, numbers, lists and objects are themselves; what JSON lacks is text."""
    rows = json.loads(command("sql", "--json", ODD).out, parse_constant=pytest.fail)
    assert rows[0] == {
        "id": 1,
        "text": 'a,"b"',
        "flag": True,
        "list": ["x", None],
        "object": {"k": [1, None]},
        "amount": 1.5,
        "share": "NaN",
        "bytes": "\\x00ff",
    }
    assert rows[1]["text"] == ""
    assert rows[2] == dict.fromkeys(rows[0]) | {"id": 3}


def test_json_keeps_columns_of_one_name(command: Command) -> None:
    """A name that comes again is numbered instead of hiding the first."""
    assert json.loads(command("sql", "--json", "SELECT 1 AS a, 2 AS a, now()::date - now()::date AS b").out) == [
        {"a": 1, "a_2": 2, "b": 0}
    ]


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_no_rows_are_no_rows(command: Command, form: str) -> None:
    """An empty result is still a valid document with its columns."""
    ended = command("sql", form, "SELECT call_id FROM copilot.calls")
    assert (ended.code, ended.out) == (0, "[]\n" if form == "--json" else '"call_id"\n')


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM copilot.calls",
        "CREATE TABLE copilot.mine ()",
        "DROP VIEW IF EXISTS copilot.scores_deal",
        "INSERT INTO copilot_ops.notes VALUES ('a', 'b') RETURNING name",
        "WITH gone AS (DELETE FROM copilot_ops.notes RETURNING 1) SELECT * FROM gone",
        "DO $$ BEGIN DELETE FROM copilot_ops.notes; END $$",
        "SELECT copilot_ops.acquire_slot('clari', 'x', 1, 1, 0, 1)",
        "VACUUM copilot.calls",
        "COMMIT; DELETE FROM copilot_ops.notes",
        "ROLLBACK; BEGIN; DELETE FROM copilot_ops.notes; COMMIT",
        "SET default_transaction_read_only = off; DELETE FROM copilot_ops.notes",
        "SELECT 1; SET TRANSACTION READ WRITE; DELETE FROM copilot_ops.notes",
    ],
)
def test_nothing_can_be_changed(command: Command, query: str) -> None:
    """Whatever is asked, PostgreSQL refuses to write, and the row that was there is there."""
    command("sql", "SELECT 1")
    url = command("sql", "--url").out.strip()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO copilot_ops.notes VALUES ('kept', 'x') ON CONFLICT DO NOTHING")
    ended = command("sql", query)
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert command("sql", "--csv", "SELECT name FROM copilot_ops.notes").out.splitlines() == ['"name"', '"kept"']


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELEC 1", 'error: syntax error at or near "SELEC"'),
        ("SELECT * FROM copilot.cals", 'error: relation "copilot.cals" does not exist'),
        ("SELECT 1/0", "error: division by zero"),
        ("SELECT 1; SELECT 2", "error: cannot insert multiple commands into a prepared statement"),
        ("DELETE FROM copilot.calls", "error: this command only reads"),
        ("SELECT call_idd FROM copilot.calls", 'Perhaps you meant to reference the column "calls.call_id"'),
    ],
)
def test_a_wrong_query_is_one_clear_line(command: Command, query: str, said: str) -> None:
    """The error is a line on standard error with PostgreSQL's own hint, no traceback, and exit code 1."""
    ended = command("sql", query)
    assert ended.code == 1
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
    assert ended.out == ""


def test_a_percent_sign_is_a_percent_sign(command: Command) -> None:
    """A query is taken as it is written."""
    assert command("sql", "--csv", "SELECT 'a%' AS a WHERE 'abc' LIKE '%b%'").out == '"a"\n"a%"\n'


@pytest.mark.parametrize(
    "query", ["EXPLAIN SELECT 1", "SHOW server_version", "VALUES (1)", "TABLE copilot.users", "SELECT"]
)
def test_everything_that_reads_is_allowed(command: Command, query: str) -> None:
    """Not only SELECT reads."""
    assert command("sql", query).code == 0


def test_what_a_terminal_would_obey_is_shown_as_text(command: Command) -> None:
    """Text from outside cannot move the cursor or set the title."""
    assert "\x1b" not in command("sql", r"SELECT E'\x1b]0;title\x07' AS text").out


def test_the_address_of_a_named_database_is_printed(command: Command, database_address: str) -> None:
    """Printed and done: a named server runs without us."""
    ended = command("sql", "--url")
    assert (ended.code, ended.out.strip()) == (0, database_address)


@pytest.mark.parametrize("arguments", [(), ("--url", "SELECT 1"), (" ",)])
def test_a_query_or_the_address(command: Command, arguments: tuple[str, ...]) -> None:
    """Neither or both is wrong usage."""
    assert command("sql", *arguments).code == 2
