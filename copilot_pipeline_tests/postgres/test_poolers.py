"""PgBouncer is accepted in session mode and refused in the modes that lose session settings and locks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import open_database
from copilot_pipeline.state.locks import AdvisoryLocks
from copilot_pipeline_tests.ports import free_port

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed (apt-get install pgbouncer)"),
]


@contextmanager
def pgbouncer(server_address: str, mode: str, *options: str) -> Iterator[str]:
    """Run PgBouncer in front of a server; yield the address of the database through it."""
    # Not in a folder of the test: another user could not reach it, and its parents are those of other tests.
    with (
        tempfile.TemporaryDirectory() as folder,
        _pgbouncer_in(Path(folder), server_address, mode, *options) as address,
    ):
        yield address


@contextmanager
def _pgbouncer_in(folder: Path, server_address: str, mode: str, *options: str) -> Iterator[str]:
    assert PGBOUNCER is not None
    parts = urlsplit(server_address)
    port = free_port()
    log = folder / "log"
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        "\n".join(
            [
                "[databases]",
                f"* = host={parse_qs(parts.query)['host'][0]} user=postgres",
                "[pgbouncer]",
                f"listen_port = {port}",
                "listen_addr = 127.0.0.1",
                "unix_socket_dir =",
                f"logfile = {log}",
                "auth_type = any",
                f"pool_mode = {mode}",
                *options,
            ]
        ),
        encoding="utf-8",
    )
    user = None
    if os.geteuid() == 0:  # it refuses to run as root; the user of the embedded server may use its socket
        user = Path(parse_qs(parts.query)["host"][0]).stat().st_uid
        os.chown(folder, user, -1)
    process = subprocess.Popen([PGBOUNCER, str(configuration)], stderr=subprocess.DEVNULL, user=user)
    address = f"postgresql://postgres@127.0.0.1:{port}{parts.path}"
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(address, connect_timeout=2).close()
                break
            except psycopg.OperationalError:
                assert process.poll() is None
                assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def _environment(address: str) -> Environment:
    return Environment(copilot_pipeline_database_url=address, _env_file=None)  # type: ignore[call-arg]


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("options", [(), ("default_pool_size = 1",), ("server_round_robin = 1", "min_pool_size = 5")])
def test_a_mode_that_loses_the_session_is_refused(database_address: str, mode: str, options: tuple[str, ...]) -> None:
    """In one sentence that names the variable, before anything is stored."""
    with pgbouncer(database_address, mode, *options) as address:
        for _ in range(3):
            with pytest.raises(ConfigurationError, match="connection pooler in transaction or statement mode"):
                open_database(_environment(address))
    with psycopg.connect(database_address) as connection:
        assert connection.execute("SELECT to_regclass('copilot_ops.calls')").fetchone() == (None,)


def test_session_mode_is_accepted(database_address: str) -> None:
    """The schema is migrated, and locks work."""
    with pgbouncer(database_address, "session") as address:
        database = open_database(_environment(address))
        with AdvisoryLocks(address) as ours, AdvisoryLocks(address) as theirs:
            assert ours.acquire(["a"]) == {"a"}
            assert theirs.acquire(["a"]) == set()
        with database.connection() as connection:
            assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        database.close()


def test_commands_exit_with_3_and_doctor_names_it(tmp_path: Path, database_address: str) -> None:
    """`doctor` reports a failed check; the other commands do not start."""
    with pgbouncer(database_address, "transaction") as address:
        refused, checked = (
            subprocess.run(
                [sys.executable, "-m", "copilot_pipeline", *arguments],
                cwd=tmp_path,
                env={
                    "PYTHONPATH": str(Path(__file__).parents[2]),
                    "PATH": os.environ["PATH"],
                    "COPILOT_PIPELINE_DATABASE_URL": address,
                },
                capture_output=True,
                check=False,
                timeout=60,
                text=True,
            )
            for arguments in (["sql", "SELECT 1"], ["doctor"])
        )
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "pool_mode = session" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert checked.returncode == 1
    assert "pool_mode = session" in checked.stdout
