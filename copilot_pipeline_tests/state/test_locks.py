"""Advisory locks: two processes never work on the same id, and a killed process keeps no lock."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state.locks import RUNS, AdvisoryLocks, RunLock
from copilot_pipeline_tests.processes import running_process

pytestmark = pytest.mark.e2e

_HOLDER = """
import sys
from copilot_pipeline.state.locks import AdvisoryLocks
with AdvisoryLocks(sys.argv[1]) as locks:
    print(*sorted(locks.acquire(sys.argv[2:])), flush=True)
    sys.stdin.readline()
"""


@contextmanager
def lock_holder(url: str, *ids: str) -> Iterator[None]:
    """A process that acquires locks, holds them, and is killed at the end of the block."""
    command = [sys.executable, "-c", _HOLDER, url, *ids]
    with running_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split() == sorted(ids)
        yield


def test_acquires_only_free_locks(database: Database) -> None:
    """A released lock can be acquired by another connection; leaving the block releases all locks."""
    with AdvisoryLocks(database.url) as ours, AdvisoryLocks(database.url) as theirs:
        assert ours.acquire(["a", "b"]) == {"a", "b"}
        assert theirs.acquire(["b", "c"]) == {"c"}
        ours.release(["b"])
        assert theirs.acquire(["b"]) == {"b"}
        assert ours.acquire([]) == set()
    with AdvisoryLocks(database.url) as others:
        assert others.acquire(["a", "b", "c"]) == {"a", "b", "c"}


def test_namespaces_are_independent(database: Database) -> None:
    """The same id can be locked once in each namespace."""
    with AdvisoryLocks(database.url, 1) as ours, AdvisoryLocks(database.url, 2) as theirs:
        assert ours.acquire(["a"]) == theirs.acquire(["a"]) == {"a"}


def test_kill_releases_the_locks_of_a_process(database: Database) -> None:
    """After kill -9 the locks are free, without lease or clean-up."""
    with AdvisoryLocks(database.url) as ours:
        with lock_holder(database.url, "a", "b"):
            assert ours.acquire(["a", "b", "c"]) == {"c"}
        deadline = time.monotonic() + 10
        acquired: set[str] = set()
        while not acquired and time.monotonic() < deadline:  # the server notices the closed socket a moment later
            acquired = ours.acquire(["a"])
        assert acquired == {"a"}
        assert ours.acquire(["b"]) == {"b"}


def test_locks_exist_only_inside_their_block() -> None:
    """Outside of the block there is no connection."""
    with pytest.raises(RuntimeError, match="outside of their"):
        AdvisoryLocks("postgresql://nowhere").acquire(["a"])


def wait_until_locked(database: Database) -> None:
    """Wait until a connection of a run has a lock; an attempt to acquire the lock would delay the run."""
    deadline = time.monotonic() + 20
    with database.connection() as connection:
        while not connection.execute(
            "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted "
            "AND datname = current_database() AND application_name = 'copilot-pipeline run'"
        ).fetchall():
            assert time.monotonic() < deadline, "the run did not lock itself again"
            time.sleep(0.02)


def test_a_run_locks_itself_again_after_its_connection_was_cut(database: Database) -> None:
    """Others see it as running again within moments, and as ended when it ends."""
    with AdvisoryLocks(database.url, RUNS) as others:
        with RunLock(database.url, "a run"):
            assert others.acquire(["a run"]) == set()
            for _ in range(2):
                with database.connection() as connection:
                    cut = connection.execute(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND application_name = 'copilot-pipeline run'"
                    ).fetchall()
                assert cut == [(True,)]
                wait_until_locked(database)
                assert others.acquire(["a run"]) == set()
        assert others.acquire(["a run"]) == {"a run"}
