"""Exit codes: what a scheduler or a script decides by."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from copilot_pipeline import errors
from copilot_pipeline.cli.exit_codes import exit_code_of, is_connection_loss
from copilot_pipeline_tests.cli.conftest import Command

INSTANCES: dict[errors.PipelineError, int] = {
    errors.PipelineError("x"): 1,
    errors.ConfigurationError("x"): 3,
    errors.CredentialsRefused("x"): 3,
    errors.RequestRefused("x", status=400): 1,
    errors.NotFound("x", status=404): 1,
    errors.TemporaryFailure("x"): 1,
    errors.QuotaExhausted("x", resets_at=datetime(2026, 11, 22, tzinfo=UTC)): 75,
    errors.NotReady("x"): 1,
    errors.UnreadableBody("x"): 1,
    errors.WorkRemains("x"): 1,
}


@pytest.mark.parametrize(("error", "code"), INSTANCES.items(), ids=lambda value: type(value).__name__)
def test_each_error_has_its_code(error: errors.PipelineError, code: int) -> None:
    """Settings and credentials are 3, a spent week is 75, everything else is 1; none is 0."""
    assert exit_code_of(error) == code


def test_every_error_is_in_the_table() -> None:
    """A new kind of error is given a code on purpose, and stands in the tree of the module's docstring."""
    kinds = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds == {type(error) for error in INSTANCES}
    for kind in kinds:
        assert kind.__name__ in (errors.__doc__ or "")


def test_help_is_success(command: Command) -> None:
    """Help of the whole and of each part ends with 0 and says what the codes mean."""
    assert "Exit codes" in command("--help").out
    for part in ("run", "doctor", "sql", "dev"):
        assert command(part, "--help").code == 0


@pytest.mark.parametrize(
    "arguments",
    [(), ("nosuch",), ("run",), ("run", "--from", "yesterday", "--to", "today"), ("doctor", "--nosuch")],
)
def test_wrong_usage_is_2(command: Command, arguments: tuple[str, ...]) -> None:
    """What cannot be understood is not done halfway."""
    assert command(*arguments).code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "2026-11-02", "--to", "2026-11-01"), "--to 2026-11-01 is before --from 2026-11-02"),
        (("--from", "2020-01-01", "--to", "2026-01-02"), "set COPILOT_PIPELINE_FIRST_DAY=2020-01-01"),
        (("--from", "2026-01-01", "--to", "2999-01-01"), "is in the future"),
        (("--from", "2026-01-01", "--to", "2026-01-01"), "CLARI_COPILOT_API_KEY is not set"),
        (("--from", "2026-01-01", "--to", "2026-01-01", "--assets", "cals"), "no such asset: cals. There are: users"),
    ],
)
def test_a_wrong_setting_is_3(command: Command, arguments: tuple[str, ...], said: str) -> None:
    """What has to be mended before anything can run is named, on standard error, without a traceback."""
    ended = command("run", *arguments)
    assert ended.code == 3
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("demoo",), "there is no command demoo; did you mean demo?"),
        (("run", "--from", "1.11.2026", "--to", "2026-11-02"), "1.11.2026 is no day: write it as year-month-day"),
        (("backfill", "plan", "--from", "2026-13-01", "--to", "2026-11-02"), "2026-13-01 is no day"),
        (("report", "--as-of", "monday"), "monday is no day"),
        (("dev", "--port", "0"), "0 is not in the range"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(command: Command, arguments: tuple[str, ...], said: str) -> None:
    """Wrong usage says how it is written."""
    ended = command(*arguments)
    assert ended.code == 2
    assert said in ended.err


def test_a_port_in_use_is_said_before_anything_starts(command: Command) -> None:
    """`dev` beside another one: the port and the option, not a traceback of a child."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = command("dev", "--port", str(port))
    assert ended.code == 3
    assert f"port {port} cannot be used (Address already in use)" in ended.err
    assert "--port" in ended.err


def test_a_table_that_is_not_there_is_answered_with_where_they_stand(command: Command) -> None:
    """A mistyped table is no dead end."""
    ended = command("sql", "SELECT * FROM copilot.cals")
    assert ended.code == 1
    assert "docs/data-dictionary.md" in ended.err


def test_a_database_that_does_not_answer_is_3(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable, and the password in it stays where it is."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", "postgresql://user:s3cret@127.0.0.1:1/nowhere")
    ended = command("sql", "SELECT 1")
    assert ended.code == 3
    assert "the database does not answer" in ended.err
    assert "COPILOT_PIPELINE_DATABASE_URL" in ended.err
    assert "s3cret" not in ended.err


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "COPILOT_PIPELINE_DATABASE_URL",
            "postgresql://user:s3cret@127.0.0.1:1/nowhere",
            "the database does not answer",
        ),
        ("COPILOT_PIPELINE_LAKE_URL", __file__, "cannot be written"),
    ],
)
def test_stores_that_cannot_be_used_are_3_before_anything_is_fetched(
    command: Command, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    """`run` says which store it is; Dagster's own attempts at the database do not show."""
    monkeypatch.setenv("DAGSTER_HOME", "")  # what the command sets is taken back after the test
    monkeypatch.setenv("CLARI_COPILOT_API_KEY", "key")
    monkeypatch.setenv("CLARI_COPILOT_API_PASSWORD", "password")
    monkeypatch.setenv("CLARI_COPILOT_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv(variable, value)
    ended = command("run", "--from", "2026-01-01", "--to", "2026-01-01", "--assets", "raw_call_details")
    assert ended.code == 3
    assert said in ended.err
    assert variable in ended.err
    assert "Traceback" not in ended.err
    assert "s3cret" not in ended.err


def test_a_database_that_goes_away_is_told_from_a_mistake_of_ours(server_url: str) -> None:
    """It may come wrapped in another library's error, and then no traceback is shown; a bug keeps its own."""
    with psycopg.connect(server_url, autocommit=True) as connection, pytest.raises(psycopg.Error) as gone:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    wrapped = RuntimeError("a step failed")
    wrapped.__cause__ = gone.value
    assert is_connection_loss(wrapped)
    assert not is_connection_loss(psycopg.errors.UndefinedColumn("a bug"))
    assert not is_connection_loss(ValueError("a bug"))


def test_a_database_that_cannot_hold_every_language_is_3(
    command: Command, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Transcripts in any language need UTF-8: another encoding is refused before the first of them is lost."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS western")
        connection.execute("CREATE DATABASE western ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", server_url.replace("/postgres?", "/western?"))
    ended = command("sql", "SELECT 1")
    assert ended.code == 3
    assert "western is encoded in LATIN1" in ended.err


def test_a_user_without_rights_is_told_which(
    command: Command, database_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database user who may not create the schema is a wrong setting, said in one line."""
    with psycopg.connect(database_address, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS without_rights")
        connection.execute("CREATE ROLE without_rights LOGIN")
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database_address.replace("postgres:@", "without_rights:@"))
    ended = command("sql", "SELECT 1")
    assert ended.code == 3
    assert "may not" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.e2e
def test_the_process_ends_with_the_code(tmp_path: Path) -> None:
    """`python -m copilot_pipeline` is the command, and its process ends with the command's code."""
    for arguments, code in ((["--version"], 0), (["nosuch"], 2), (["sql"], 2)):
        process = subprocess.run(
            [sys.executable, "-m", "copilot_pipeline", *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path(__file__).parent.parent.parent), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )
        assert process.returncode == code
