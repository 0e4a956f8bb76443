"""Fixtures: a pipeline on a small sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from copilot_pipeline.sandbox import Sandbox, SandboxOptions
from copilot_pipeline_tests.database_server import Server
from copilot_pipeline_tests.end_to_end import dagster_tables
from copilot_pipeline_tests.end_to_end.finished_run import FinishedRun, finish_run
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.processes import CommandServer

# Fixed days, so that the data do not depend on the date of the test run. A Sunday is among them.
FIRST_DAY = date(2026, 3, 6)
DAYS = 4

MakePipeline = Callable[..., Pipeline]
FinishRun = Callable[..., FinishedRun]


@pytest.fixture(scope="session")
def template_with_runs(server: Server, template: str, commands: CommandServer) -> str:
    """The name of a database with the tables of the pipeline and those of Dagster, which others are copied from."""
    address = server.create("template_with_runs", template)
    with TemporaryDirectory() as home:
        settings = {"COPILOT_PIPELINE_DATABASE_URL": address, "COPILOT_PIPELINE_HOME": home}
        environment = {"PATH": os.environ["PATH"], **settings}
        done = commands.run(environment=environment, folder=Path(home), module=dagster_tables.__name__)
    assert done.returncode == 0, done.stderr
    return "template_with_runs"


@pytest.fixture
def database_address(request: pytest.FixtureRequest, server: Server) -> Iterator[str]:
    """The address of a new database, with tables unless the test uses `empty_database`."""
    is_empty = "empty_database" in request.fixturenames
    with server.new_database("template1" if is_empty else request.getfixturevalue("template_with_runs")) as address:
        yield address


@pytest.fixture
def make_pipeline(database_address: str, home: Path, commands: CommandServer) -> Iterator[MakePipeline]:
    """Makes a pipeline; keyword arguments are the sandbox's options. Commands that still run at the end are killed."""
    with ExitStack() as stack:

        def make(*, requests_per_second: float = 0, **options: object) -> Pipeline:
            limit = 10 if requests_per_second else None
            sandbox = stack.enter_context(_sandbox(requests_per_second=limit, **options))
            return Pipeline(sandbox, database_address, home, commands, requests_per_second=requests_per_second)

        try:
            yield make
        finally:
            commands.close_commands()


@pytest.fixture(scope="module")
def finished_run(
    server: Server, template_with_runs: str, commands: CommandServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FinishRun]:
    """Makes a pipeline and runs it once for the tests of a file; keyword arguments are the sandbox's options."""
    with ExitStack() as stack:

        def finish(**options: object) -> FinishedRun:
            sandbox = stack.enter_context(_sandbox(requests_per_second=None, **options))
            address = stack.enter_context(server.new_database(template_with_runs))
            pipeline = Pipeline(sandbox, address, tmp_path_factory.mktemp("finished") / "home", commands)
            return finish_run(pipeline, server)

        yield finish


def _sandbox(**options: object) -> Sandbox:
    defaults: dict[str, object] = {"first_day": FIRST_DAY, "days": DAYS, "calls_per_day": 15, "segments": 12}
    return Sandbox(SandboxOptions(**{**defaults, **options}))  # type: ignore[arg-type]
