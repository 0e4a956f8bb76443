"""Claims: nobody fetches what somebody else is fetching, and no claim outlives its process."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state import AdvisoryLocks

pytestmark = pytest.mark.e2e

_HOLDER = """
import sys
from copilot_pipeline.state import AdvisoryLocks
with AdvisoryLocks(sys.argv[1]) as claims:
    print(*sorted(claims.acquire(sys.argv[2:])), flush=True)
    sys.stdin.readline()
"""


def holder(url: str, *call_ids: str) -> subprocess.Popen[str]:
    """A process that claims calls and holds them."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, url, *call_ids], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().split() == sorted(call_ids)
    return process


def test_a_claim_is_held_once(database: Database) -> None:
    """What one holds another is not given; released, it is free again. Leaving the block releases everything."""
    with AdvisoryLocks(database.url) as ours, AdvisoryLocks(database.url) as theirs:
        assert ours.acquire(["a", "b"]) == {"a", "b"}
        assert theirs.acquire(["b", "c"]) == {"c"}
        ours.release(["b"])
        assert theirs.acquire(["b"]) == {"b"}
        assert ours.acquire([]) == set()
    with AdvisoryLocks(database.url) as others:
        assert others.acquire(["a", "b", "c"]) == {"a", "b", "c"}


def test_the_claims_of_a_killed_process_are_free(database: Database) -> None:
    """kill -9 frees what a process held, without lease or clean-up."""
    process = holder(database.url, "a", "b")
    with AdvisoryLocks(database.url) as ours:
        assert ours.acquire(["a", "b", "c"]) == {"c"}
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 10
        taken: set[str] = set()
        while not taken and time.monotonic() < deadline:  # the server notices a closed socket a moment later
            taken = ours.acquire(["a"])
        assert taken == {"a"}
        assert ours.acquire(["b"]) == {"b"}


def test_claims_live_in_their_block() -> None:
    """Outside of the block nothing can be claimed."""
    with pytest.raises(RuntimeError, match="outside of their"):
        AdvisoryLocks("postgresql://nowhere").acquire(["a"])
