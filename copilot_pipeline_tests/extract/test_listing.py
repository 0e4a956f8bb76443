"""Listing of a server that pages as documented, into a real database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from copilot_pipeline.clients.clari.dialect import ListWindow
from copilot_pipeline.extract.listing import DaysNotListed, Lister, window_of
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, ListCursors
from copilot_pipeline_tests.clients.clari.servers import RestServer, client_of

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WINDOW = window_of((DAY,), ZoneInfo("UTC"))


class Killed(BaseException):
    """The process ends here."""


class World:
    """A server with calls, and a state store."""

    def __init__(self, database: Database, calls: int) -> None:
        self.server = RestServer()
        for number in range(calls):
            self.server.add(f"call-{number:05}", NOON + timedelta(seconds=number))
        self.calls = CallStore(database, ZoneInfo("UTC"))
        self.cursors = ListCursors(self.calls)
        self.command_started_at = self.calls.now()

    def listed(self, window: ListWindow = WINDOW, *, pages: int | None = None) -> list[str]:
        """List the window in a new process, which is killed after `pages` pages."""
        lister = Lister(client_of("rest", self.server), self.calls, self.cursors, "backfill")
        ids: list[str] = []
        for number, page in enumerate(lister.pages(window, since=self.command_started_at, days=[DAY]), 1):
            ids += page
            if number == pages:
                break
        return ids

    def skips(self) -> list[int]:
        """The positions that were requested."""
        return [int(request.url.params["skip"]) for request in self.server.requests]

    def removed(self) -> list[str]:
        """The calls that are marked as removed."""
        return [call.call_id for call in self.calls.partitions.calls_of(DAY) if call.removed_at is not None]


def test_a_listing_killed_after_page_3_continues_at_page_4(database: Database) -> None:
    """No page is requested twice, every call is recorded, and no call of an earlier page is marked as removed."""
    world = World(database, calls=450)
    world.listed(pages=3)
    world.listed()
    assert world.skips() == [0, 100, 200, 300, 400]
    assert len(world.calls.to_fetch([DAY])) == 450
    assert world.removed() == []
    assert world.cursors.days_listed([DAY], world.command_started_at) == {DAY}


def test_splits_a_window_beyond_paging(database: Database) -> None:
    """If the listing is killed in the second half, the first half is not listed again."""
    world = World(database, calls=10_050)
    whole = ListWindow("started", NOON - timedelta(hours=1), NOON + timedelta(seconds=10_050))
    world.listed(whole, pages=90)
    world.listed(whole)
    requested = [tuple(sorted(request.url.params.items())) for request in world.server.requests]
    assert len(requested) == len(set(requested))
    assert len(world.calls.to_fetch([DAY])) == 10_050


@pytest.mark.parametrize("leaves", ["removed", "moved"])
def test_lists_again_if_a_call_leaves_the_window_meanwhile(database: Database, leaves: str) -> None:
    """The calls behind it move up, one of them into a page that was listed before. The total of the last page differs,
    and the window is listed again."""
    world = World(database, calls=250)
    answer = world.server.route
    requested: list[int] = []

    def route(request: httpx.Request) -> httpx.Response:
        requested.append(1)
        if len(requested) == 2:
            left = world.server.calls.pop(3)
            if leaves == "moved":
                world.server.add(left["id"], NOON - timedelta(days=20))
        return answer(request)

    world.server.route = route  # type: ignore[method-assign]
    assert len(set(world.listed())) == 250
    assert len(world.calls.to_fetch([DAY])) == 250
    assert world.removed() == []
    assert world.skips() == [0, 100, 200, 0, 100, 200]


def test_lists_a_changing_window_three_times_at_most(database: Database) -> None:
    """If calls enter and leave all the time, the listing still ends."""
    world = World(database, calls=150)
    answer = world.server.route

    def route(request: httpx.Request) -> httpx.Response:
        world.server.add(f"new-{len(world.server.calls)}", NOON)
        return answer(request)

    world.server.route = route  # type: ignore[method-assign]
    world.listed()
    assert world.skips() == [0, 100] * 3


def test_a_later_command_lists_again(database: Database) -> None:
    """It starts at the first page and finds removed calls."""
    world = World(database, calls=150)
    world.listed()
    world.server.calls.pop(0)
    world.command_started_at = world.calls.now()
    world.listed()
    assert world.skips() == [0, 100, 0, 100]
    assert world.removed() == ["call-00000"]


@pytest.mark.parametrize("body", [b"<html>busy</html>", b'{"calls": [{"id": "a"', b"", b"[]"])
def test_a_page_that_cannot_be_parsed_ends_only_its_own_day(database: Database, body: bytes) -> None:
    """Its bytes are quarantined with their place, the other days of the window are listed, and no call is removed."""
    world = World(database, calls=0)
    days = [DAY + timedelta(days=offset) for offset in range(3)]
    for number in range(360):
        world.server.add(f"call-{number:05}", NOON + timedelta(days=number // 120, seconds=number))
    lister = Lister(client_of("rest", world.server), world.calls, world.cursors, "backfill")
    window = window_of(days, ZoneInfo("UTC"))
    for _ in lister.pages(window, since=world.command_started_at, days=days):
        pass
    answer = world.server.route

    def route(request: httpx.Request) -> httpx.Response:
        reply = answer(request)
        return httpx.Response(200, content=body) if b"call-00130" in reply.content else reply

    world.server.route = route  # type: ignore[method-assign]
    world.command_started_at = world.calls.now()
    with pytest.raises(DaysNotListed) as caught:
        for _ in lister.pages(window, since=world.command_started_at, days=days):
            pass
    assert list(caught.value.problems) == [days[1]]
    assert "skip 0" in caught.value.problems[days[1]]
    assert "the page is quarantined" in caught.value.problems[days[1]]
    assert world.cursors.days_listed(days, world.command_started_at) == {days[0], days[2]}
    with database.connection() as connection:
        rows = connection.execute("SELECT origin, reason, body FROM copilot_ops.quarantine").fetchall()
        assert {(origin, kept) for origin, _, kept in rows} == {("list page", body)}
        assert all("skip" in reason and "2026-03-0" in reason for _, reason, _ in rows)
        removed = connection.execute("SELECT count(*) FROM copilot_ops.calls WHERE removed_at IS NOT NULL").fetchone()
    assert removed == (0,)
    world.server.route = answer  # type: ignore[method-assign]
    for _ in lister.pages(window, since=world.command_started_at, days=days):
        pass
    assert world.cursors.days_listed(days, world.command_started_at) == set(days)


def test_does_not_try_every_day_if_no_page_can_be_parsed(database: Database) -> None:
    """After a few days the rest of the window is reported without a request."""
    world = World(database, calls=5)
    days = [DAY + timedelta(days=offset) for offset in range(14)]
    world.server.route = lambda request: httpx.Response(200, content=b"<html>")  # type: ignore[method-assign]
    lister = Lister(client_of("rest", world.server), world.calls, world.cursors, "backfill")
    with pytest.raises(DaysNotListed) as caught:
        list(lister.pages(window_of(days, ZoneInfo("UTC")), since=world.command_started_at, days=days))
    assert list(caught.value.problems) == days
    assert len(world.server.requests) <= 40
