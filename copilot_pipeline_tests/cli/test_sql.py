"""`copilot-pipeline sql`: read-only, with output as a table, CSV or JSON."""

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


def test_piped_table_is_not_truncated(command: Command) -> None:
    """Without a terminal each row is one line with complete columns."""
    long = "x" * 500
    result = command("sql", f"SELECT 'first' AS one, '{long}' AS two, '{long}' AS three, '[red]' AS four")
    assert result.code == 0
    (line,) = [line for line in result.out.splitlines() if "first" in line]
    assert line.count(long) == 2
    assert "[red]" in line


def test_table_shows_null_and_the_empty_string_differently(command: Command) -> None:
    """Null is printed as `null`."""
    lines = command("sql", "SELECT NULL AS nothing, '' AS empty, 0 AS zero").out.splitlines()
    assert any("null" in line and "0" in line for line in lines)


def test_csv_distinguishes_null_from_the_empty_string(command: Command) -> None:
    """Strings are quoted, null is empty, and a CSV reader returns the original strings."""
    result = command("sql", "--csv", ODD)
    lines = result.out.splitlines()
    assert lines[0] == '"id","text","flag","list","object","amount","share","bytes"'
    assert lines[2] == '2,"",false,"[]",,2,,'
    assert lines[3] == "3,,,,,,,"
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert rows[0]["text"] == 'a,"b"'
    assert json.loads(rows[0]["list"]) == ["x", None]


def test_csv_has_no_formulas_unless_raw(command: Command) -> None:
    """Titles of calls are opened in spreadsheets; numbers stay numbers."""
    query = """SELECT '=HYPERLINK("https://x")' AS "=title", -5 AS small, -1.5::numeric AS amount, '+49' AS phone"""
    rows = list(csv.reader(io.StringIO(command("sql", "--csv", query).out)))
    assert rows == [["'=title", "small", "amount", "phone"], ['\'=HYPERLINK("https://x")', "-5", "-1.5", "'+49"]]
    raw = list(csv.reader(io.StringIO(command("sql", "--raw-csv", query).out)))
    assert raw == [["=title", "small", "amount", "phone"], ['=HYPERLINK("https://x")', "-5", "-1.5", "+49"]]


def test_json_escapes_control_codes(command: Command) -> None:
    """A program reads them unchanged; a terminal gets none."""
    result = command("sql", "--json", "SELECT chr(155) || '31m' || chr(8238) AS title")
    assert json.loads(result.out) == [{"title": "\x9b31m\u202e"}]
    assert result.out.isascii()


def test_json_preserves_types(command: Command) -> None:
    """Null, booleans, numbers, lists and objects keep their type; values that JSON lacks become strings."""
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


def test_json_numbers_repeated_column_names(command: Command) -> None:
    """A repeated column does not overwrite the first."""
    assert json.loads(command("sql", "--json", "SELECT 1 AS a, 2 AS a, now()::date - now()::date AS b").out) == [
        {"a": 1, "a_2": 2, "b": 0}
    ]


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_empty_result_is_a_valid_document(command: Command, form: str) -> None:
    """CSV keeps its header and JSON is an empty list."""
    result = command("sql", form, "SELECT call_id FROM copilot.calls")
    assert (result.code, result.out) == (0, "[]\n" if form == "--json" else '"call_id"\n')


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM copilot.calls",
        "CREATE TABLE copilot.mine ()",
        "DROP VIEW IF EXISTS copilot.scores_deal",
        "INSERT INTO copilot_ops.key_values VALUES ('a', 'b') RETURNING name",
        "WITH deleted AS (DELETE FROM copilot_ops.key_values RETURNING 1) SELECT * FROM deleted",
        "DO $$ BEGIN DELETE FROM copilot_ops.key_values; END $$",
        "SELECT copilot_ops.acquire_slot('clari', 'x', 1, 1, 0, 1)",
        "VACUUM copilot.calls",
        "COMMIT; DELETE FROM copilot_ops.key_values",
        "ROLLBACK; BEGIN; DELETE FROM copilot_ops.key_values; COMMIT",
        "SET default_transaction_read_only = off; DELETE FROM copilot_ops.key_values",
        "SELECT 1; SET TRANSACTION READ WRITE; DELETE FROM copilot_ops.key_values",
    ],
)
def test_refuses_every_write(command: Command, query: str) -> None:
    """PostgreSQL refuses the statement, and the stored row is unchanged."""
    command("sql", "SELECT 1")
    url = command("sql", "--url").out.strip()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO copilot_ops.key_values VALUES ('kept', 'x') ON CONFLICT DO NOTHING")
    result = command("sql", query)
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert command("sql", "--csv", "SELECT name FROM copilot_ops.key_values").out.splitlines() == ['"name"', '"kept"']


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "SELECT pg_read_file('/etc/passwd')",
        "DO $$ BEGIN RESET ROLE; EXECUTE $q$COPY (SELECT 1) TO PROGRAM 'id'$q$; END $$",
        "SELECT set_config('role', 'postgres', false), query_to_xml('SELECT lo_import(''x'')', true, true, '')",
    ],
)
def test_runs_no_program_and_reads_no_file(command: Command, query: str) -> None:
    """The role of the command has no such right, and no other role to go back to."""
    result = command("sql", query)
    assert (result.code, result.out, len(result.err.splitlines())) == (1, "", 1)
    assert "permission denied" in result.err


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", 'error: syntax error at or near "SELEC"'),
        ("SELECT * FROM copilot.cals", 'error: relation "copilot.cals" does not exist'),
        ("SELECT 1/0", "error: division by zero"),
        ("SELECT 1; SELECT 2", "error: cannot insert multiple commands into a prepared statement"),
        ("DELETE FROM copilot.calls", "error: this command is read-only"),
        ("SELECT call_idd FROM copilot.calls", 'Perhaps you meant to reference the column "calls.call_id"'),
    ],
)
def test_query_errors_are_one_line(command: Command, query: str, message: str) -> None:
    """The error is one line on standard error with the hint of PostgreSQL, and exit code 1."""
    result = command("sql", query)
    assert result.code == 1
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert result.out == ""


def test_does_not_interpret_percent_signs(command: Command) -> None:
    """The query has no parameters, so `%` needs no escape."""
    assert command("sql", "--csv", "SELECT 'a%' AS a WHERE 'abc' LIKE '%b%'").out == '"a"\n"a%"\n'


@pytest.mark.parametrize(
    "query",
    [
        "EXPLAIN SELECT 1",
        "SHOW server_version",
        "VALUES (1)",
        "TABLE copilot.users",
        "SELECT",
        "-- a file that begins with a comment\nSELECT 1",
    ],
)
def test_allows_every_read_only_statement(command: Command, query: str) -> None:
    """EXPLAIN, SHOW, VALUES and TABLE work like SELECT, and so does the content of a file of queries."""
    assert command("sql", query).code == 0


def test_removes_control_characters_from_the_table(command: Command) -> None:
    """Text from a call cannot move the cursor or set the title of the terminal."""
    assert "\x1b" not in command("sql", r"SELECT E'\x1b]0;title\x07' AS text").out


def test_prints_the_url_of_an_external_database_and_exits(command: Command, database_address: str) -> None:
    """An external server does not depend on this process."""
    result = command("sql", "--url")
    assert (result.code, result.out.strip()) == (0, database_address)


@pytest.mark.parametrize("arguments", [(), ("--url", "SELECT 1"), (" ",)])
def test_needs_either_a_query_or_url(command: Command, arguments: tuple[str, ...]) -> None:
    """Neither or both is a usage error."""
    assert command("sql", *arguments).code == 2
