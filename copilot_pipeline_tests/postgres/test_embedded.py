"""The embedded server stops with its last user, also if other users were killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from copilot_pipeline.postgres.embedded_server.users import (
    PID_FILE,
    USERS_FILE,
    add_user,
    living_users,
    remove_dead_users,
    remove_stale_pid_file,
    remove_user,
)
from copilot_pipeline.postgres.migrate import HEAD
from copilot_pipeline_tests.cli.test_disk_problems import largest_file
from copilot_pipeline_tests.postgres.embedded_homes import User, kill_server, server_of
from copilot_pipeline_tests.processes import CommandServer, running_process

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def no_server_left(home: Path) -> Iterator[None]:
    """Kill the server if a test fails to stop it."""
    yield
    kill_server(home)


def test_server_stops_with_its_last_living_user(home: Path) -> None:
    """A user that was killed does not keep the server running; it stops when the last living one exits."""
    killed, first, last = User(home), User(home), User(home)
    server = server_of(home)
    assert server is not None
    killed.kill()
    first.leave()
    assert server.is_running()
    with psycopg.connect(last.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    last.leave()
    server.wait(timeout=10)
    assert server_of(home) is None


def test_a_copy_of_the_home_is_a_backup(home: Path) -> None:
    """Of a server that has stopped, made as docs/operations.md says: another server has its rows."""
    user = User(home)
    with psycopg.connect(user.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    user.leave()
    restored = home.with_name("restored")
    subprocess.run(["cp", "-a", home, restored], check=True)
    beside = User(restored)
    assert beside.url != user.url
    with psycopg.connect(beside.url) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
    beside.leave()
    assert server_of(restored) is None


def test_server_stops_with_the_next_user_if_all_users_were_killed(home: Path) -> None:
    """It keeps running without users; the next one uses it and stops it on exit."""
    User(home).kill()
    server = server_of(home)
    assert server is not None
    next_user = User(home)
    assert server_of(home) == server
    next_user.leave()
    server.wait(timeout=10)
    assert server_of(home) is None


def test_starts_a_server_if_another_process_has_its_process_id(home: Path) -> None:
    """After a crash the id in the PID file may belong to another process."""
    user = User(home)
    server = server_of(home)
    assert server is not None
    pid_file = home / "postgres" / PID_FILE
    lines = pid_file.read_text().splitlines()
    user.kill()
    for process in [server, *server.children()]:
        process.kill()
    server.wait(timeout=10)
    lines[0] = str(os.getpid())  # a living process that is younger than the server of the file
    lines[2] = str(int(psutil.Process().create_time()) - 3600)
    pid_file.write_text("\n".join(lines) + "\n")
    next_user = User(home)
    assert next_user.url
    with psycopg.connect(next_user.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    next_user.leave()


def dead_process() -> int:
    """Return the id of a process that has exited."""
    with running_process([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def write_list(folder: Path, *process_ids: int, age_seconds: float = 0) -> Path:
    """Write the list as the library does; return its path."""
    path = folder / USERS_FILE
    path.write_text(json.dumps(process_ids))
    moment = time.time() - age_seconds
    os.utime(path, (moment, moment))
    return path


def test_removes_only_dead_processes(tmp_path: Path) -> None:
    """Living ones stay, also those of other users (process 1 always exists)."""
    dead = dead_process()
    path = write_list(tmp_path, dead, os.getpid(), 1)
    assert remove_dead_users(tmp_path) == [dead]
    assert json.loads(path.read_text()) == [os.getpid(), 1]


def test_a_full_disk_does_not_keep_the_server_running(tmp_path: Path) -> None:
    """A process that ends is no user any more, although the list cannot be written."""
    add_user(tmp_path)
    with largest_file(0):
        assert remove_user(tmp_path) == []
    assert living_users(tmp_path) == [os.getpid()]
    assert remove_user(tmp_path) == living_users(tmp_path) == []


def test_removes_a_reused_process_id(tmp_path: Path) -> None:
    """A process that started after the list was written is not the listed one."""
    path = write_list(tmp_path, os.getpid(), age_seconds=3600 + time.time() - psutil.Process().create_time())
    assert remove_dead_users(tmp_path) == [os.getpid()]
    assert json.loads(path.read_text()) == []


def test_removes_a_zombie(tmp_path: Path) -> None:
    """A killed process whose parent has not waited for it does not use the server."""
    with running_process([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        write_list(tmp_path, process.pid)
        assert remove_dead_users(tmp_path) == [process.pid]


@pytest.mark.parametrize("content", ["", "[1, 2", "null", "{}", '["x"]'])
def test_replaces_an_incomplete_list(tmp_path: Path, content: str) -> None:
    """A process that was killed while it wrote the list must not prevent the start."""
    (tmp_path / USERS_FILE).write_text(content)
    assert remove_dead_users(tmp_path) == []
    assert (tmp_path / USERS_FILE).read_text() == "[]"


def test_first_start_finds_no_files(tmp_path: Path) -> None:
    """Without list and PID file nothing is written."""
    assert remove_dead_users(tmp_path) == []
    assert not remove_stale_pid_file(tmp_path)
    assert list(tmp_path.iterdir()) == []


FOLDERS = [
    "My Projects",
    "Dropbox (Acme)",
    "Anna's calls",
    "R&D",
    "100% calls",
    "100%20calls",
    'Q$HOME `id` "x"',
    "a,b;c|d#e?f",
    "Überblick 会議",
    "-rf *",
    "new\nline",
    "long " + "x" * 150,
]
# In the other folders an initialized data folder is copied, which is faster.
INITIALIZED_THERE = ("My Projects", 'Q$HOME `id` "x"', "new\nline")


@pytest.mark.parametrize("name", FOLDERS)
def test_works_in_a_folder_of_any_name(tmp_path: Path, commands: CommandServer, name: str, initialized: Path) -> None:
    """The server starts, the schema is migrated, and the server stops with the process."""
    home = tmp_path / name / ".copilot_pipeline"
    home.parent.mkdir()
    if name not in INITIALIZED_THERE:
        shutil.copytree(initialized, home / "postgres")
    command = commands.start_code(_MIGRATING_USER, str(home), folder=tmp_path)
    try:
        stdout, stderr = command.communicate()
    finally:
        command.close()
    assert command.returncode == 0, stderr
    assert stdout.splitlines() == [HEAD, "True"]
    assert server_of(home) is None
    assert (home / "postgres" / "PG_VERSION").exists()


_MIGRATING_USER = """
import sys
from pathlib import Path
from dagster_postgres import DagsterPostgresStorage
from copilot_pipeline.config.environment import Environment
from copilot_pipeline.postgres import open_database
database = open_database(Environment(copilot_pipeline_home=Path(sys.argv[1]), _env_file=None))
with database.connection() as connection:
    print(connection.execute("SELECT version_num FROM copilot_ops.alembic_version").fetchone()[0])
print(DagsterPostgresStorage(database.url).run_storage.get_runs() == [])
database.close()
"""


def test_an_embedded_database_made_in_another_zone_shows_utc(home: Path) -> None:
    """The server takes its default from the process that creates it."""
    query = "SELECT '2026-11-27T05:30Z'::timestamptz::text AS at, '2026-11-27T05:30Z'::timestamptz::date AS day"
    done = subprocess.run(
        [sys.executable, "-m", "copilot_pipeline", "sql", "--json", query],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("COPILOT_PIPELINE_")},
            "COPILOT_PIPELINE_HOME": str(home),
            "TZ": "America/Los_Angeles",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"at": "2026-11-27 05:30:00+00", "day": "2026-11-27"}]
    assert "America/Los_Angeles" in (home / "postgres" / "postgresql.conf").read_text(encoding="utf-8")
