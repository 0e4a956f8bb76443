"""The embedded server: it runs as long as somebody uses it, and no longer, however its users end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from copilot_pipeline.postgres.handles import HANDLES_FILE, forget_a_dead_server, strike_out_the_dead

pytestmark = pytest.mark.e2e

_USER = """
import sys
from pathlib import Path
from copilot_pipeline.postgres import database_url
from copilot_pipeline.config.environment import Environment
print(database_url(Environment(copilot_pipeline_home=Path(sys.argv[1]), _env_file=None)), flush=True)
sys.stdin.readline()
"""


class User:
    """A process that uses the embedded server until it is told to leave."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def leave(self) -> None:
        """Ends it as programs end."""
        self.process.communicate("\n", timeout=30)

    def die(self) -> None:
        """Kills it."""
        self.process.kill()
        self.process.communicate(timeout=30)


def server_of(home: Path) -> psutil.Process | None:
    """The server's process, while it runs."""
    path = home / "postgres" / "postmaster.pid"
    try:
        return psutil.Process(int(path.read_text().splitlines()[0]))
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


@pytest.fixture(autouse=True)
def no_server_left(home: Path) -> Iterator[None]:
    """Whatever a test finds, its server does not outlive it."""
    yield
    server = server_of(home)
    if server is not None and server.name() == "postgres":
        server.kill()


def test_the_server_ends_with_its_last_living_user(home: Path) -> None:
    """A user killed with -9 does not keep the server up: it ends when the last living one leaves, and not before."""
    killed, first, last = User(home), User(home), User(home)
    server = server_of(home)
    assert server is not None
    killed.die()
    first.leave()
    assert server.is_running()
    with psycopg.connect(last.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    last.leave()
    server.wait(timeout=10)
    assert server_of(home) is None


def test_a_server_whose_users_were_all_killed_ends_with_the_next(home: Path) -> None:
    """Where every user was killed the server goes on; whoever comes next uses it and ends it."""
    User(home).die()
    server = server_of(home)
    assert server is not None
    following = User(home)
    assert server_of(home) == server
    following.leave()
    server.wait(timeout=10)
    assert server_of(home) is None


def test_a_stranger_with_the_servers_number_is_not_the_server(home: Path) -> None:
    """After a crash the server's process id may be somebody else's: a new server is started all the same."""
    user = User(home)
    server = server_of(home)
    assert server is not None
    note = home / "postgres" / "postmaster.pid"
    lines = note.read_text().splitlines()
    user.die()
    for process in [server, *server.children()]:
        process.kill()
    server.wait(timeout=10)
    lines[0] = str(os.getpid())  # a process that lives, and began after the server says that it did
    lines[2] = str(int(psutil.Process().create_time()) - 3600)
    note.write_text("\n".join(lines) + "\n")
    following = User(home)
    assert following.url
    with psycopg.connect(following.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    following.leave()


def dead_process() -> int:
    """The id of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def listed(folder: Path, *process_ids: int, age_seconds: float = 0) -> Path:
    """A list as the library writes it."""
    path = folder / HANDLES_FILE
    path.write_text(json.dumps(process_ids))
    moment = time.time() - age_seconds
    os.utime(path, (moment, moment))
    return path


def test_only_the_dead_are_struck_out(tmp_path: Path) -> None:
    """The living stay, ours and other people's (process 1 is always there, and never ours)."""
    gone = dead_process()
    path = listed(tmp_path, gone, os.getpid(), 1)
    assert strike_out_the_dead(tmp_path) == [gone]
    assert json.loads(path.read_text()) == [os.getpid(), 1]


def test_a_number_used_again_is_not_the_one_noted(tmp_path: Path) -> None:
    """A process that began after the list was written is a stranger with a dead one's id."""
    path = listed(tmp_path, os.getpid(), age_seconds=3600 + time.time() - psutil.Process().create_time())
    assert strike_out_the_dead(tmp_path) == [os.getpid()]
    assert json.loads(path.read_text()) == []


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    """A killed process nobody has waited for yet uses nothing any more."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    listed(tmp_path, process.pid)
    assert strike_out_the_dead(tmp_path) == [process.pid]
    process.communicate()


@pytest.mark.parametrize("content", ["", "[1, 2", "null", "{}", '["x"]'])
def test_a_list_cut_short_is_begun_anew(tmp_path: Path, content: str) -> None:
    """A process killed while it wrote leaves half a list, which must not keep everybody out."""
    (tmp_path / HANDLES_FILE).write_text(content)
    assert strike_out_the_dead(tmp_path) == []
    assert (tmp_path / HANDLES_FILE).read_text() == "[]"


def test_without_a_list_there_is_nothing_to_do(tmp_path: Path) -> None:
    """The first start of all finds neither list nor note, and makes none."""
    assert strike_out_the_dead(tmp_path) == []
    assert not forget_a_dead_server(tmp_path)
    assert list(tmp_path.iterdir()) == []
