"""The extraction of call details over a server in memory, a real database and a real lake."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from copilot_pipeline.errors import CredentialsRefused, QuotaExhausted
from copilot_pipeline.extract.details import DetailExtraction
from copilot_pipeline.extract.raw_partitions import RawPartitionWriter
from copilot_pipeline.extract.window import DayReport
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import RAW_CALL_DETAILS
from copilot_pipeline.postgres import Database
from copilot_pipeline.state import AdvisoryLocks, CallStore, ListCursors
from copilot_pipeline_tests.clients.clari.servers import RestServer, client_of

DAYS = [date(2026, 3, 2), date(2026, 3, 3)]
THREADS = 4
ATTEMPTS = 3  # of the client in these tests


@dataclass
class Setup:
    """A server with calls on two days, and extractions of them."""

    database: Database
    lake: Lake
    server: RestServer = field(default_factory=RestServer)

    def __post_init__(self) -> None:
        self.calls = CallStore(self.database, ZoneInfo("UTC"))
        for day in DAYS:
            for number in range(150):
                started_at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(seconds=number)
                self.server.add(f"call-{day.day}-{number:03}", started_at)

    def run(self, source: str = "manual") -> Iterator[DayReport]:
        """Extract both days, as a process of its own would."""
        with AdvisoryLocks(self.database.url) as locks:
            extraction = DetailExtraction(
                client_of("rest", self.server),
                self.calls,
                ListCursors(self.calls),
                RawPartitionWriter(self.lake, self.calls, "rest"),
                locks,
                source=source,
                requests_in_flight=THREADS,
            )
            yield from extraction.run(DAYS)

    def rows(self, day: date) -> list[dict[str, Any]]:
        """The raw file of a day."""
        return [row for batch in self.lake.batches(RAW_CALL_DETAILS, day) for row in batch.to_pylist()]

    def requests_by_call(self) -> Counter[str]:
        """Details requests by call id."""
        sent = [request.url for request in list(self.server.requests) if request.url.path == "/call-details"]
        return Counter(url.params["id"] for url in sent)

    def fail_from(self, request_number: int, error: Exception | httpx.Response) -> None:
        """Answer the details requests from this number on with an error."""
        answer, lock, count = self.server.details, threading.Lock(), [0]

        def details(call_id: str) -> httpx.Response:
            with lock:
                count[0] += 1
                is_failing = count[0] >= request_number
            if not is_failing:
                return answer(call_id)
            if isinstance(error, Exception):
                raise error
            return error

        self.server.details = details  # type: ignore[method-assign]


@pytest.fixture
def setup(database: Database, home: Path) -> Setup:
    """Two days of 150 calls."""
    return Setup(database, Lake(str(home)))


def test_fetches_each_call_once_and_stores_each_day(setup: Setup) -> None:
    """Each day has all its calls. A second extraction fetches nothing."""
    reports = list(setup.run())
    assert {report.day for report in reports} == set(DAYS)
    assert all(report.is_complete and report.fetched == 150 for report in reports)
    assert set(setup.requests_by_call().values()) == {1}
    assert [setup.lake.row_count(RAW_CALL_DETAILS, day) for day in DAYS] == [150, 150]
    assert [report.fetched for report in setup.run()] == [0, 0]
    assert setup.requests_by_call().total() == 300


def test_two_extractions_share_the_calls(setup: Setup) -> None:
    """Two processes on the same days fetch no call twice, and both end with complete days."""
    with ThreadPoolExecutor(2) as pool:
        reports = [report for run in pool.map(lambda _: list(setup.run()), range(2)) for report in run]
    assert all(report.is_complete for report in reports)
    assert sum(report.fetched for report in reports) == 300
    assert set(setup.requests_by_call().values()) == {1}


@pytest.mark.parametrize(
    "error",
    [
        QuotaExhausted("used up", resets_at=datetime(2026, 3, 8, tzinfo=UTC)),
        CredentialsRefused("401"),
        ZeroDivisionError("a bug"),
    ],
    ids=["quota", "credentials", "bug"],
)
def test_a_fatal_error_stops_all_days_and_keeps_what_was_received(setup: Setup, error: Exception) -> None:
    """The error is raised after all days were reported; none with missing calls counts as complete. The next
    extraction fetches the rest and nothing twice."""
    setup.fail_from(50, error)
    reports: list[DayReport] = []
    with pytest.raises(type(error)):
        reports.extend(setup.run())
    assert {report.day for report in reports} == set(DAYS)
    assert all(report.is_complete == (report.fetched == 150) for report in reports)
    fetched = sum(report.fetched for report in reports)
    assert 49 <= fetched < 49 + THREADS + 1
    del setup.server.details
    assert sum(report.fetched for report in setup.run()) == 300 - fetched


def test_a_call_that_fails_leaves_only_its_day_incomplete(setup: Setup) -> None:
    """A missing call is named in the report of its day; all others are stored."""
    victim = "call-2-007"
    answer = setup.server.details
    setup.server.details = lambda call_id: (  # type: ignore[method-assign]
        httpx.Response(404, json={}) if call_id == victim else answer(call_id)
    )
    reports = {report.day: report for report in setup.run()}
    assert [problem.split(":")[0] for problem in reports[DAYS[0]].problems] == [f"call {victim}"]
    assert (reports[DAYS[0]].fetched, reports[DAYS[1]].is_complete) == (149, True)


def test_unparsable_details_are_quarantined(setup: Setup) -> None:
    """The bytes are kept with the reason, and the day is complete."""
    setup.fail_from(300, httpx.Response(200, content=b'{"call": {"id": "'))
    reports = list(setup.run())
    assert all(report.is_complete for report in reports)
    assert (sum(report.fetched for report in reports), sum(report.quarantined for report in reports)) == (299, 1)
    assert setup.calls.count_quarantined(DAYS) == 1
    assert max(setup.requests_by_call().values()) == ATTEMPTS  # it was tried again before


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"call": 7}'], ids=["html", "empty", "another shape"])
def test_a_quarantined_call_is_requested_again_by_a_person(setup: Setup, body: bytes) -> None:
    """Schedules and backfills follow the backoff; a person's own run requests it immediately."""
    answer = setup.server.details
    setup.server.details = lambda call_id: (  # type: ignore[method-assign]
        httpx.Response(200, content=body) if call_id == "call-2-007" else answer(call_id)
    )
    list(setup.run())
    setup.server.details = answer  # type: ignore[method-assign]
    for source in ("schedule", "backfill"):
        assert [report.fetched for report in setup.run(source)] == [0, 0]
    assert setup.calls.count_quarantined(DAYS) == 1
    assert sum(report.fetched for report in setup.run("manual")) == 1
    assert setup.calls.count_quarantined(DAYS) == 0
    assert [report.fetched for report in setup.run("manual")] == [0, 0]


def test_a_garbled_response_keeps_the_stored_details(setup: Setup) -> None:
    """A body that is not of the call does not replace the details of the previous version."""
    list(setup.run())
    victim = next(call for call in setup.server.calls if call["id"] == "call-2-007")
    victim["last_modified_time"] = "2026-03-09T00:00:00Z"
    answer = setup.server.details
    setup.server.details = lambda call_id: httpx.Response(200, content=b"<html>")  # type: ignore[method-assign]
    assert sum(report.quarantined for report in setup.run()) == 1
    rows = [row for row in setup.rows(DAYS[0]) if row["call_id"] == "call-2-007"]
    assert b"transcript" in rows[0]["details"]
    assert "HTML" in rows[0]["quarantine_reason"]
    setup.server.details = answer  # type: ignore[method-assign]
    assert sum(report.fetched for report in setup.run()) == 1
    rows = [row for row in setup.rows(DAYS[0]) if row["call_id"] == "call-2-007"]
    assert rows[0]["quarantine_reason"] is None


@pytest.mark.parametrize("defect", [{"id": None}, {"time": "soon"}, {"id": None, "time": None}], ids=str)
def test_unreadable_list_items_are_counted_until_they_are_readable(setup: Setup, defect: dict[str, Any]) -> None:
    """A call whose list item cannot be parsed is missing, and counted for the days of the listing."""
    answer = setup.server.list_calls

    def with_defect(params: httpx.QueryParams) -> httpx.Response:
        page = answer(params).json()
        page["calls"] = [{**call, **(defect if call["id"] == "call-2-007" else {})} for call in page["calls"]]
        return httpx.Response(200, json=page)

    setup.server.list_calls = with_defect  # type: ignore[method-assign]
    for _ in range(2):
        list(setup.run())
        assert setup.calls.count_quarantined(DAYS) == 1
    setup.server.list_calls = answer  # type: ignore[method-assign]
    list(setup.run())
    assert setup.calls.count_quarantined(DAYS) == 0


def test_a_garbled_list_page_is_quarantined(setup: Setup) -> None:
    """The days are incomplete, and the bytes are kept."""
    setup.server.route = lambda request: httpx.Response(200, content=b"<html>sign in</html>")  # type: ignore[method-assign]
    assert not any(report.is_complete for report in setup.run())
    with setup.database.connection() as connection:
        kept = connection.execute("SELECT origin, body FROM copilot_ops.quarantine").fetchall()
    assert kept == [("list page", b"<html>sign in</html>")]
