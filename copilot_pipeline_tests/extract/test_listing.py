"""CursorKey over a server that pages as the contract says, into a real database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from copilot_pipeline.clients.clari import ListWindow
from copilot_pipeline.extract.listing import Lister, window_of
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import CallStore, ListCursors
from copilot_pipeline_tests.clients.clari.servers import RestServer, client_of

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WINDOW = window_of((DAY,), ZoneInfo("UTC"))


class Killed(BaseException):
    """The process ends here."""


class World:
    """A server with calls, and what a process sees of it."""

    def __init__(self, database: Database, calls: int) -> None:
        self.server = RestServer()
        for number in range(calls):
            self.server.add(f"call-{number:05}", NOON + timedelta(seconds=number))
        self.calls = CallStore(database, ZoneInfo("UTC"))
        self.listings = ListCursors(self.calls)
        self.ordered_at = self.calls.now()

    def listed(self, window: ListWindow = WINDOW, *, pages: int | None = None) -> list[str]:
        """A process lists the window for the order, and is killed after so many pages."""
        lister = Lister(client_of("rest", self.server), self.calls, self.listings, "backfill")
        ids: list[str] = []
        for number, page in enumerate(lister.pages(window, since=self.ordered_at, days=[DAY]), 1):
            ids += page
            if number == pages:
                break
        return ids

    def skips(self) -> list[int]:
        """The positions asked for so far."""
        return [int(request.url.params["skip"]) for request in self.server.requests]

    def gone(self) -> list[str]:
        """The calls marked as gone."""
        return [call.call_id for call in self.calls.partitions.calls_of(DAY) if call.removed_at is not None]


def test_killed_at_page_3_it_goes_on_at_page_4(database: Database) -> None:
    """No page is asked for twice, every call is known, and none that was on an earlier page is taken for gone."""
    world = World(database, calls=450)
    world.listed(pages=3)
    world.listed()
    assert world.skips() == [0, 100, 200, 300, 400]
    assert len(world.calls.to_fetch([DAY])) == 450
    assert world.gone() == []
    assert world.listings.days_listed([DAY], world.ordered_at) == {DAY}


def test_a_window_beyond_paging_goes_on_in_its_halves(database: Database) -> None:
    """A window of more calls than paging reaches is cut; killed in the second half, the first is not listed again."""
    world = World(database, calls=10_050)
    whole = ListWindow("started", NOON - timedelta(hours=1), NOON + timedelta(seconds=10_050))
    world.listed(whole, pages=90)
    world.listed(whole)
    asked = [tuple(sorted(request.url.params.items())) for request in world.server.requests]
    assert len(asked) == len(set(asked))
    assert len(world.calls.to_fetch([DAY])) == 10_050


@pytest.mark.parametrize("leaves", ["removed", "moved"])
def test_a_call_that_leaves_while_pages_are_read_hides_no_other(database: Database, leaves: str) -> None:
    """A call leaves an early page: the ones behind it move up, one of them into a page that was read already. The last
    page's count says so, and the window is listed again."""
    world = World(database, calls=250)
    answer = world.server.route
    asked: list[int] = []

    def route(request: httpx.Request) -> httpx.Response:
        asked.append(1)
        if len(asked) == 2:
            left = world.server.calls.pop(3)
            if leaves == "moved":
                world.server.add(left["id"], NOON - timedelta(days=20))
        return answer(request)

    world.server.route = route  # type: ignore[method-assign]
    assert len(set(world.listed())) == 250
    assert len(world.calls.to_fetch([DAY])) == 250
    assert world.gone() == []
    assert world.skips() == [0, 100, 200, 0, 100, 200]


def test_a_window_that_never_rests_comes_to_an_end(database: Database) -> None:
    """Where calls come and go all the time, the window is listed three times and no more."""
    world = World(database, calls=150)
    answer = world.server.route

    def route(request: httpx.Request) -> httpx.Response:
        world.server.add(f"new-{len(world.server.calls)}", NOON)
        return answer(request)

    world.server.route = route  # type: ignore[method-assign]
    world.listed()
    assert world.skips() == [0, 100] * 3


def test_a_new_order_lists_anew(database: Database) -> None:
    """What was asked for later is listed again, from the first page, and shows what is gone."""
    world = World(database, calls=150)
    world.listed()
    world.server.calls.pop(0)
    world.ordered_at = world.calls.now()
    world.listed()
    assert world.skips() == [0, 100, 0, 100]
    assert world.gone() == ["call-00000"]
