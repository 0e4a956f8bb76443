"""Accounts over HTTP: several requests in flight, each account once, and what remains after a used-up quota."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.dialects import dialect_named
from copilot_pipeline.clients.http import HttpClient, Limiter
from copilot_pipeline.errors import QuotaExhausted
from copilot_pipeline.extract.accounts import Accounts
from copilot_pipeline.extract.crm_mirror import MirrorRead
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import ACCOUNTS, CALLS
from copilot_pipeline.postgres import Database
from copilot_pipeline.progress import NoProgress
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, RunningServer, reply, serving
from copilot_pipeline_tests.load.warehouse.rows import call, load

IN_FLIGHT = 3
MOMENT = datetime(2026, 11, 29, tzinfo=UTC)


class Quota:
    """A rate limiter with a number of requests left."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._lock = threading.Lock()

    def acquire(self, units: int = 1) -> None:
        with self._lock:
            if self._left < units:
                raise QuotaExhausted("used up", resets_at=MOMENT)
            self._left -= units

    def on_throttled(self, retry_after_seconds: float | None, code: str | None) -> None:
        raise AssertionError("the server sends no 429")


def mirror(received: ReceivedRequest) -> Reply:
    """Every account but one."""
    account_id = received.params["id"]
    if account_id == "missing":
        return reply({}, 404)
    return reply({"id": "x", "crm_id": account_id, "name": f"Company {account_id}", "city": "Oslo", "phones": ["1"]})


@contextmanager
def client_of(
    answer: object = mirror, rate_limiter: Limiter | None = None
) -> Iterator[tuple[ClariClient, RunningServer]]:
    """A client, and the requests to its server."""
    rest = dialect_named("rest")
    with serving(answer) as service:  # type: ignore[arg-type]
        caller = HttpClient("clari", service.url, rest.auth_headers("key", "password"), rate_limiter=rate_limiter)
        yield ClariClient(rest, caller), service
        caller.close()


@pytest.fixture
def accounts(database: Database, home: Path) -> Accounts:
    """Calls with six accounts, one of which the mirror does not have; two calls with the first of them."""
    names = ["a", "b", "c", "d", "e", "missing", "a"]
    calls = [call(f"c-{place}", account_id=name, account_name="Name on calls") for place, name in enumerate(names)]
    load(database, {CALLS: calls})
    return Accounts(Lake(str(home)), database, requests_in_flight=IN_FLIGHT, progress=NoProgress())


def test_reads_each_account_once_and_merges_it_with_the_calls(accounts: Accounts, database: Database) -> None:
    """The table has the record, or the values of the calls if there is no record."""
    with client_of() as (client, service):
        assert accounts.read(client) == MirrorRead(read=5, missing=1)
        assert accounts.read(client) == MirrorRead()
        assert sorted(received.params["id"] for received in service.requests) == ["a", "b", "c", "d", "e", "missing"]
    assert accounts.build_table() == 6
    with database.connection() as connection:
        rows = connection.execute(
            "SELECT account_id, name, city, phones, calls, read_at IS NOT NULL FROM copilot.accounts ORDER BY 1"
        ).fetchall()
    assert rows[0] == ("a", "Company a", "Oslo", ["1"], 2, True)
    assert rows[-1] == ("missing", "Name on calls", None, None, 1, False)


def test_sends_requests_concurrently(accounts: Accounts) -> None:
    """As many requests are in flight as the settings allow, so that slow responses do not limit the rate."""
    together = threading.Barrier(IN_FLIGHT)

    def slow(received: ReceivedRequest) -> Reply:
        together.wait(30)  # raises, and the request fails, if fewer requests are in flight
        return mirror(received)

    with client_of(slow) as (client, _):
        assert accounts.read(client) == MirrorRead(read=5, missing=1)


def test_a_used_up_quota_keeps_what_was_received(accounts: Accounts, home: Path) -> None:
    """The rest is read in the next week, and no account is read twice."""
    with client_of(rate_limiter=Quota(4)) as (client, service):
        with pytest.raises(QuotaExhausted):
            accounts.read(client)
        first = [received.params["id"] for received in service.requests]
    with client_of() as (client, service):
        accounts.read(client)
        second = [received.params["id"] for received in service.requests]
    assert len(first) == 4
    assert sorted(first + second) == ["a", "b", "c", "d", "e", "missing"]
    accounts.build_table()
    assert Lake(str(home)).row_count(ACCOUNTS) == 6
