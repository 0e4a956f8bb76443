"""The tier of each test, one PostgreSQL server for the session, and a database for each test that needs one."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.postgres import Database, open_database
from copilot_pipeline_tests.database_server import Server, memory_folder, start_server
from copilot_pipeline_tests.processes import CommandServer, command_server

TIERS = ("unit", "integration", "e2e")
END_TO_END = Path(__file__).parent / "end_to_end"
TAKE_MINUTES = (  # the longest first: those that wait for Dagster's daemon leave the processor to others
    "test_dagster_ui",
    "test_storm",
    "test_kubernetes",
    "test_dagster_ui_quota",
    "test_erasure",
    "test_machines",
    "test_lost_lake",
    "test_whole_path",
    "test_examples",
    "test_marts",
)
DATABASE_FIXTURE = "server_url"  # every fixture with a database depends on it
PLATFORM_PROBES = {"file", "uname"}  # started by the module `platform` while libraries are imported
PROCESS_FIXTURES = {"browser", "commands", "module_receiver"}

# No example has a time limit: on a busy machine it would fail tests of what is right, not of what is fast.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Put temporary files into memory if there is enough, and give linear algebra one thread per process."""
    if folder := memory_folder():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: more threads only use more processor time


@pytest.hookimpl(tryfirst=True)  # before -m selects by the markers that this adds
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test exactly one tier: its own marker, or the one that its folder and its fixtures imply."""
    for item in items:
        chosen = [tier for tier in TIERS if item.get_closest_marker(tier)]
        if len(chosen) > 1:
            raise pytest.UsageError(f"{item.nodeid} has the markers {' and '.join(chosen)}: a test has one tier")
        if not chosen:
            item.add_marker(_tier(item))
    _sort_long_files_first(items)


def pytest_collection_finish() -> None:
    """Leave the modules and the collected tests out of garbage collection, which statsmodels starts at each call."""
    gc.collect()
    gc.freeze()


def _sort_long_files_first(items: list[pytest.Item]) -> None:
    """Let no worker begin a long file when the other one has nothing left to do.

    Files that take minutes are first, then those of end-to-end tests, then by the tier of their tests. Only takes
    effect with xdist's option --no-loadscope-reorder, which the Makefile passes.
    """
    ranks: dict[Path, int] = {}
    for item in items:
        rank = _rank(item)
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


def _rank(item: pytest.Item) -> int:
    if item.path.stem in TAKE_MINUTES:
        return TAKE_MINUTES.index(item.path.stem)
    if item.path.is_relative_to(END_TO_END):
        return len(TAKE_MINUTES)
    tier = min(TIERS[::-1].index(marker.name) for marker in item.iter_markers() if marker.name in TIERS)
    return len(TAKE_MINUTES) + 1 + tier


def _tier(item: pytest.Item) -> str:
    fixtures = set(getattr(item, "fixturenames", ()))
    if item.path.is_relative_to(END_TO_END) or fixtures & PROCESS_FIXTURES:
        return "e2e"
    return "integration" if DATABASE_FIXTURE in fixtures else "unit"


@pytest.fixture(autouse=True)
def only_e2e_tests_start_processes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a unit or integration test that starts a process: it belongs to the tier `e2e`."""
    if request.node.get_closest_marker("e2e"):
        yield
        return

    start = subprocess.Popen.__init__

    def refuse(process: subprocess.Popen[bytes], arguments: Any, *others: Any, **options: Any) -> None:
        if isinstance(arguments, list) and arguments[0] in PLATFORM_PROBES:
            start(process, arguments, *others, **options)
        else:
            pytest.fail(f"starts the process {arguments!r}: mark the test with pytest.mark.e2e")

    with patch.object(subprocess.Popen, "__init__", refuse):
        yield


@pytest.fixture(autouse=True)
def umask_is_restored() -> Iterator[None]:
    """Undo the umask of a command or of Dagster's storage that ran in this process, for the files of later tests."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def environment_is_restored() -> Iterator[None]:
    """Undo what a test sets in the environment: definitions that are built in this process load the file `.env`."""
    with patch.dict(os.environ):
        yield


@pytest.fixture(scope="session")
def commands() -> Iterator[CommandServer]:
    """Starts commands as processes of their own, faster than new interpreters."""
    with command_server() as server:
        yield server


@pytest.fixture(scope="session")
def server_url() -> str:
    """The address of a PostgreSQL server that runs until the session ends."""
    return start_server()


def _open(address: str) -> Database:
    return open_database(Environment(copilot_pipeline_database_url=address, _env_file=None))  # type: ignore[call-arg]


@pytest.fixture(scope="session")
def server(server_url: str) -> Iterator[Server]:
    """A connection to that server, for creating and dropping databases."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        yield Server(server_url, connection)


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    """The name of a migrated database that others are copied from, which is faster than migrating each."""
    address = server.create("template_of_the_pipeline")
    _open(address).close()
    return "template_of_the_pipeline"


@pytest.fixture
def empty_database() -> None:
    """Let the database of this test have no tables, as that of a new installation."""


@pytest.fixture
def database_address(request: pytest.FixtureRequest, server: Server) -> Iterator[str]:
    """The address of a new database: with the schema if the test also uses `database`, otherwise empty."""
    template = request.getfixturevalue("template") if "database" in request.fixturenames else "template1"
    with server.new_database(template) as address:
        yield address


@pytest.fixture
def database(database_address: str) -> Iterator[Database]:
    """A database with the pipeline's schema."""
    opened = _open(database_address)
    yield opened
    opened.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for COPILOT_PIPELINE_HOME, which does not exist yet."""
    return tmp_path / "home"
