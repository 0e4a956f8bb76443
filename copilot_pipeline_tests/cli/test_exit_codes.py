"""Exit codes, which schedulers and scripts depend on, and the messages of expected errors."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from copilot_pipeline import errors
from copilot_pipeline.cli.exit_codes import exit_code_of
from copilot_pipeline.clients.error_response import describe_transport_error
from copilot_pipeline.errors import is_connection_loss
from copilot_pipeline_tests.cli.conftest import Command

INSTANCES: dict[errors.PipelineError, int] = {
    errors.PipelineError("x"): 1,
    errors.ConfigurationError("x"): 3,
    errors.CredentialsRefused("x"): 3,
    errors.RequestRefused("x", status=400): 1,
    errors.NotFound("x", status=404): 1,
    errors.TemporaryFailure("x"): 1,
    errors.GarbledResponse("x", status=200, body=b""): 1,
    errors.SnapshotRefused("x"): 1,
    errors.QuotaExhausted("x", resets_at=datetime(2026, 11, 22, tzinfo=UTC)): 75,
    errors.UnreadableBody("x"): 1,
    errors.BodyTooLarge("x"): 1,
}


@pytest.mark.parametrize(("error", "code"), INSTANCES.items(), ids=lambda value: type(value).__name__)
def test_maps_each_error_to_its_exit_code(error: errors.PipelineError, code: int) -> None:
    """Settings and credentials are 3, a spent quota is 75, every other error is 1."""
    assert exit_code_of(error) == code


def test_lists_every_error_class() -> None:
    """Every error class has an entry in the table above and in the tree of the module docstring."""
    kinds = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds == {type(error) for error in INSTANCES}
    for kind in kinds:
        assert kind.__name__ in (errors.__doc__ or "")


def test_help_exits_with_0(command: Command) -> None:
    """The help of the group explains the exit codes; each command has a help text."""
    assert "Exit codes" in command("--help").out
    for part in ("run", "doctor", "sql", "dev"):
        assert command(part, "--help").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nosuch",),
        ("run",),
        ("run", "--from", "yesterday", "--to", "today"),
        ("run", "--from", "2026-11-02", "--to", "2026-11-01"),
        ("backfill", "start", "--from", "2026-11-02", "--to", "2026-11-01"),
        ("routes", "preview", "--from", "2026-11-02", "--to", "2026-11-01"),
        ("doctor", "--nosuch"),
    ],
)
def test_usage_errors_exit_with_2(command: Command, arguments: tuple[str, ...]) -> None:
    """Unknown commands and options, missing options and invalid values."""
    assert command(*arguments).code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "2020-01-01", "--to", "2026-01-02"), "set COPILOT_PIPELINE_FIRST_DAY=2020-01-01"),
        (("--from", "2026-01-01", "--to", "2999-01-01"), "is in the future"),
        (("--from", "2026-01-01", "--to", "2026-01-01"), "CLARI_COPILOT_API_KEY is not set"),
        (
            ("--from", "2026-01-01", "--to", "2026-01-01", "--assets", "cals"),
            "unknown asset: cals. Known assets: ",
        ),
    ],
)
def test_invalid_settings_exit_with_3(command: Command, arguments: tuple[str, ...], message: str) -> None:
    """The error names the setting on standard error, without a traceback."""
    result = command("run", *arguments)
    assert result.code == 3
    assert message in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demoo",), "No such command 'demoo'. Did you mean 'demo'?"),
        (("run", "--from", "1.11.2026", "--to", "2026-11-02"), "Invalid date: expected YYYY-MM-DD, got 1.11.2026"),
        (
            ("backfill", "plan", "--from", "2026-13-01", "--to", "2026-11-02"),
            "expected YYYY-MM-DD, got 2026-13-01",
        ),
        (("report", "--as-of", "monday"), "Invalid date: expected YYYY-MM-DD, got monday"),
        (("dev", "--port", "0"), "0 is not in the range"),
    ],
)
def test_usage_errors_explain_the_correct_form(command: Command, arguments: tuple[str, ...], message: str) -> None:
    """The message contains the similar command, the format or the range."""
    result = command(*arguments)
    assert result.code == 2
    assert message in result.err


def test_dev_reports_a_port_in_use_before_starting_anything(command: Command) -> None:
    """The error names the port and the option, without a traceback of a child process."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = command("dev", "--port", str(port))
    assert result.code == 3
    assert f"port {port} cannot be used (Address already in use)" in result.err
    assert "--port" in result.err


def test_unknown_table_points_to_the_data_dictionary(command: Command) -> None:
    """The error of a mistyped table names where all tables are listed."""
    result = command("sql", "SELECT * FROM copilot.cals")
    assert result.code == 1
    assert "docs/data-dictionary.md" in result.err


def test_unreachable_database_exits_with_3(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and does not print the password in it."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", "postgresql://user:s3cret@127.0.0.1:1/nowhere")
    result = command("sql", "SELECT 1")
    assert result.code == 3
    assert "the database does not answer" in result.err
    assert "COPILOT_PIPELINE_DATABASE_URL" in result.err
    assert "s3cret" not in result.err


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "COPILOT_PIPELINE_DATABASE_URL",
            "postgresql://user:s3cret@127.0.0.1:1/nowhere",
            "the database does not answer",
        ),
        ("COPILOT_PIPELINE_LAKE_URL", __file__, "cannot be written"),
    ],
)
def test_run_checks_database_and_lake_before_fetching(
    command: Command, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    """The error names the variable; retries of Dagster are not printed."""
    monkeypatch.setenv("DAGSTER_HOME", "")  # restores the value that the command sets
    monkeypatch.setenv("CLARI_COPILOT_API_KEY", "key")
    monkeypatch.setenv("CLARI_COPILOT_API_PASSWORD", "password")
    monkeypatch.setenv("CLARI_COPILOT_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv(variable, value)
    result = command("run", "--from", "2026-01-01", "--to", "2026-01-01", "--assets", "raw_call_details")
    assert result.code == 3
    assert message in result.err
    assert variable in result.err
    assert "Traceback" not in result.err
    assert "s3cret" not in result.err


def test_recognizes_a_lost_connection_in_wrapped_errors(server_url: str) -> None:
    """A lost connection may be wrapped in the error of another library; other errors keep their traceback."""
    with psycopg.connect(server_url, autocommit=True) as connection, pytest.raises(psycopg.Error) as lost:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    wrapped = RuntimeError("a step failed")
    wrapped.__cause__ = lost.value
    assert is_connection_loss(wrapped)
    assert not is_connection_loss(psycopg.errors.UndefinedColumn("a bug"))
    assert not is_connection_loss(ValueError("a bug"))


def test_database_without_utf8_exits_with_3(command: Command, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transcripts in any language need UTF-8; another encoding is refused before anything is stored."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS western")
        connection.execute("CREATE DATABASE western ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", server_url.replace("/postgres?", "/western?"))
    result = command("sql", "SELECT 1")
    assert result.code == 3
    assert "western is encoded in LATIN1" in result.err


def test_missing_privileges_exit_with_3(
    command: Command, database_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database user without the right to create the schema is an invalid setting, in one line."""
    with psycopg.connect(database_address, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS without_rights")
        connection.execute("CREATE ROLE without_rights LOGIN PASSWORD 'none'")
    monkeypatch.setenv(
        "COPILOT_PIPELINE_DATABASE_URL", database_address.replace("//postgres@", "//without_rights:none@")
    )
    result = command("sql", "SELECT 1")
    assert result.code == 3
    assert "may not" in result.err
    assert "Traceback" not in result.err


@pytest.mark.e2e
def test_process_exits_with_the_code(tmp_path: Path) -> None:
    """`python -m copilot_pipeline` runs the command and exits with its code."""
    for arguments, code in ((["--version"], 0), (["nosuch"], 2), (["sql"], 2)):
        process = subprocess.run(
            [sys.executable, "-m", "copilot_pipeline", *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(Path(__file__).parent.parent.parent), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )
        assert process.returncode == code


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_ring_of_exceptions_is_searched_once(length: int) -> None:
    """Errors that name each other as their cause end the search, with or without a lost connection in the ring."""
    ring: list[BaseException] = [RuntimeError(str(number)) for number in range(length)]
    for number, error in enumerate(ring):
        error.__context__ = ring[(number + 1) % length]
    assert [str(error) for error in errors.error_chain(ring[0])] == [str(number) for number in range(length)]
    assert not is_connection_loss(ring[0])
    assert describe_transport_error(ring[0]) == "RuntimeError"
    lost = psycopg.OperationalError("gone")
    ring[-1].__context__ = lost
    lost.__context__ = ring[0]
    assert is_connection_loss(ring[0])


@pytest.mark.e2e
@pytest.mark.usefixtures("empty_database")
def test_a_failing_migration_exits_with_3(database_address: str, tmp_path: Path) -> None:
    """The process ends with one sentence."""
    with psycopg.connect(database_address, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA copilot_ops; CREATE TABLE copilot_ops.calls (x int)")
    process = subprocess.run(
        [sys.executable, "-m", "copilot_pipeline", "sql", "SELECT 1"],
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(Path(__file__).parent.parent.parent),
            "PATH": "/usr/bin:/bin",
            "COPILOT_PIPELINE_DATABASE_URL": database_address,
        },
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert process.returncode == 3, process.stderr
    assert process.stderr.startswith("error: the schema of the database cannot be migrated")
    assert len(process.stderr.splitlines()) == 1
