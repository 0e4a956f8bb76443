"""Other users of the machine have no way into the embedded server, whatever the path and the user that starts it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import database_url
from copilot_pipeline.postgres.embedded_server import binaries, sockets
from copilot_pipeline.postgres.embedded_server.account import server_account
from copilot_pipeline.postgres.embedded_server.binaries import server_programs
from copilot_pipeline.postgres.embedded_server.files import locked
from copilot_pipeline.postgres.embedded_server.sockets import SOCKET, create_socket_folder, is_private
from copilot_pipeline_tests.postgres.embedded_homes import (
    User,
    connect,
    copy_data_folder,
    environment_of,
    kill_server,
    leave,
    server_of,
    socket_folder_of,
)

pytestmark = pytest.mark.e2e

NOBODY = 65534
REFUSALS = ("authentication failed", "no password supplied", "pg_hba.conf rejects")
SECRET = "smz_live_of_this_test"
SPOKEN = "wordsthatwerespoken"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as a second user of the machine")


def as_user(user_id: int, action: Callable[[], str]) -> str:
    """Return what an action returns in a process of another user, or the name of the exception that it raises."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user_id)
            os.setuid(user_id)
            text = action()
        except Exception as error:  # noqa: BLE001  # the child reports everything to its parent
            text = f"{type(error).__name__}: {error}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as file:
        text = file.read()
    os.waitpid(child, 0)
    return text


@pytest.fixture
def deep_home(tmp_path: Path, initialized: Path) -> Iterator[Path]:
    """A home with a long path, blanks, quotes and `%`, below folders that only their owner may enter."""
    top = tmp_path / "private"
    home = top / ('Anna\'s 100% "calls" ' + "x" * 100) / "home"
    home.mkdir(parents=True)
    for folder in (home, *home.parents):
        if folder.is_relative_to(top):
            folder.chmod(0o700)
    copy_data_folder(initialized, home)
    yield home
    kill_server(home)


@as_root
def test_a_second_user_can_neither_reach_the_socket_nor_the_data(server_url: str) -> None:
    """The folder of the socket and the data folder belong to the server's user alone."""
    folder = socket_folder_of(server_url)
    assert is_private(folder, server_account(folder))
    assert stat.S_IMODE((folder / SOCKET).stat().st_mode) == 0o700
    assert "Permission denied" in as_user(NOBODY, lambda: connect(server_url))
    assert as_user(NOBODY, lambda: str(list(folder.iterdir()))).startswith("PermissionError")


@as_root
def test_a_second_user_that_reaches_the_socket_is_refused(server_url: str) -> None:
    """The kernel names the user at the other end; no role is trusted, whatever the modes of the folder are."""
    folder = socket_folder_of(server_url)
    folder.chmod(0o711)
    (folder / SOCKET).chmod(0o777)
    try:
        for role in ("postgres", "anna"):
            for address in (server_url, server_url.replace("/postgres?", "/template1?")):
                attempt = as_user(NOBODY, lambda a=address, r=role: connect(a.replace("postgres@", f"{r}@")))  # type: ignore[misc]
                assert attempt.startswith("OperationalError"), attempt
                assert any(reason in attempt for reason in REFUSALS), attempt
    finally:
        (folder / SOCKET).chmod(0o700)
        folder.chmod(0o700)


def test_a_deep_folder_is_not_opened_and_the_server_inherits_no_secret(
    deep_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parents keep their modes; no key in the server's environment, no TCP, no statement in its log."""
    monkeypatch.setenv("SEMARIZE_API_KEY", SECRET)
    parents = [folder for folder in deep_home.parents if folder.owner() == pwd.getpwuid(os.geteuid()).pw_name]
    before = [stat.S_IMODE(folder.stat().st_mode) for folder in parents]
    user = User(deep_home)
    folder = socket_folder_of(user.url)
    server = server_of(deep_home)
    assert server is not None
    assert is_private(folder, server_account(deep_home / "postgres"))
    assert len(os.fsencode(folder / SOCKET)) <= 107
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in parents] == before
    for process in [server, *server.children()]:
        assert SECRET not in str(process.environ())
        assert SECRET not in str(process.cmdline())
        assert process.net_connections("inet") == []
    with psycopg.connect(user.url, autocommit=True) as connection:
        for statement in (f"SELECT '{SPOKEN}'::int", f"SELECT {SPOKEN}", f"SELECT pg_sleep(0) -- {SPOKEN}"):
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement)
        with contextlib.suppress(psycopg.Error):
            connection.execute("SELECT %s::text::int", (SPOKEN,))
    user.leave()
    assert not folder.exists()
    texts = [path.read_text() for path in (deep_home / "postgres").glob("**/*.log")]
    assert any("shut down" in text for text in texts)
    assert not [text for text in texts if SPOKEN in text]


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user may pass through."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@as_root
def test_a_user_other_than_root_has_a_socket_of_its_own(reachable: Path, initialized: Path) -> None:
    """Without root, also where another user has taken the name of the folder with a link."""
    home, trap = reachable / ("long " + "x" * 100), reachable / "trap"
    shutil.copytree(initialized, home / "postgres")
    for path in [home, *home.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    trap.mkdir()
    trap.chmod(0o777)
    taken = Path(f"/tmp/copilot-pipeline-{NOBODY}")

    def start() -> str:
        url = database_url(environment_of(home))
        folder = socket_folder_of(url)
        found = folder.parent.lstat()
        seen = f"{connect(url)} {found.st_uid} {stat.S_IMODE(found.st_mode):o} {folder}"
        leave(home)
        return seen

    with locked(Path("/tmp")):  # other runs of this test use the same name
        taken.symlink_to(trap)
        try:
            role, owner, mode, folder = as_user(NOBODY, start).rsplit(maxsplit=3)
        finally:
            taken.unlink()
    assert (role, owner, mode) == ("('postgres',)", str(NOBODY), "700")
    assert Path(folder).parent.name.startswith(f"copilot-pipeline-{NOBODY}-")
    assert not Path(folder).parent.exists()
    assert list(trap.iterdir()) == []


@as_root
def test_root_copies_programs_that_the_server_cannot_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment below a private folder keeps its modes; the copy belongs to root."""
    private = tmp_path / "private"
    installed = binaries._installed()
    programs = private / installed.parent.name / installed.name
    ignored = shutil.ignore_patterns("include", "pgxs", "*.a", "psql", "pg_*", "vector*")
    shutil.copytree(installed, programs, ignore=ignored)
    libraries = f"{installed.parent.name}.libs"
    shutil.copytree(installed.parent.parent / libraries, private / libraries)
    private.chmod(0o700)
    monkeypatch.setattr(binaries, "_installed", lambda: programs)
    copies = Path("/var/lib/copilot-pipeline-test")
    monkeypatch.setattr(binaries, "COPIES", copies)
    folder = tmp_path / "postgres"
    folder.mkdir()
    account = server_account(folder)
    try:
        copied = server_programs(account)
        assert copied.is_relative_to(copies)
        assert server_programs(account) == copied
        assert {path.stat().st_uid for path in [copies, *copies.rglob("*")]} == {0}
        assert not [path for path in [copies, *copies.rglob("*")] if path.stat().st_mode & 0o022]
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        copies.chmod(0o777)
        with pytest.raises(ConfigurationError, match="does not run as root"):
            server_programs(account)
    finally:
        shutil.rmtree(copies)


@pytest.mark.parametrize("squat", ["link", "file", "open folder"])
def test_a_name_that_is_taken_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, squat: str) -> None:
    """By a link to a folder of ours, a file, or a folder that others may enter; another name is used."""
    shared, trap, folder = tmp_path / "shared", tmp_path / "trap", tmp_path / "my folder"
    for path in (shared, trap, folder):
        path.mkdir(mode=0o700)
    monkeypatch.setattr(sockets, "_SHARED", shared)
    monkeypatch.setattr(sockets, "_SYSTEM", tmp_path / "missing")
    account = server_account(folder)
    base = shared / f"copilot-pipeline-{os.geteuid()}"
    if squat == "link":
        base.symlink_to(trap)
    elif squat == "file":
        base.touch()
    else:
        base.mkdir()
        base.chmod(0o777)
    chosen = create_socket_folder(folder, account)
    assert chosen.parent != base
    assert is_private(chosen, account)
    assert list(trap.iterdir()) == []
    sockets.remove_socket_folder(chosen, folder, account)
    assert not chosen.parent.exists()


def test_a_shared_folder_without_protection_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everyone may rename everything, no folder is private."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    folder = tmp_path / "my folder"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(sockets, "_SHARED", tmp_path / "open")
    monkeypatch.setattr(sockets, "_SYSTEM", tmp_path / "open")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "open"))
    with pytest.raises(OSError, match="no private folder"):
        create_socket_folder(folder, server_account(folder))


@as_root
def test_a_data_folder_of_another_user_is_refused(reachable: Path) -> None:
    """In one sentence, instead of a server that does not start."""
    (reachable / "postgres").mkdir()
    said = as_user(NOBODY, lambda: database_url(environment_of(reachable)))
    assert said.startswith("ConfigurationError: the data folder")
    assert "belongs to user root, not to nobody" in said
