"""Call the command in this process and capture its output and exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from copilot_pipeline.cli import main
from copilot_pipeline_tests.database_server import Server


@dataclass(frozen=True)
class Result:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def database_address(request: pytest.FixtureRequest, server: Server, template: str) -> Iterator[str]:
    """The address of a new database, with the schema unless the test uses `empty_database`."""
    with server.new_database("template1" if "empty_database" in request.fixturenames else template) as address:
        yield address


@pytest.fixture
def command(
    tmp_path: Path,
    database_address: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Return a function that calls `copilot-pipeline` in an empty folder, with a new database and lake."""
    for name in list(os.environ):
        if name.startswith(("CLARI_COPILOT_", "COPILOT_PIPELINE_", "SEMARIZE_", "SLACK_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database_address)
    monkeypatch.setenv("COPILOT_PIPELINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str) -> Result:
        monkeypatch.setattr("sys.argv", ["copilot-pipeline", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main()
        captured = capsys.readouterr()
        code = exit_info.value.code
        return Result(code if isinstance(code, int) else 0 if code is None else 1, captured.out, captured.err)

    return call
