"""Requests to the vendor's API: parameters, paging limits, totals, and reference data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from copilot_pipeline.clients.bounded_response import ResponseLimits
from copilot_pipeline.clients.clari.dialect import ListPosition, ListWindow, TooDeep
from copilot_pipeline.clients.clari.dialects import dialect_named
from copilot_pipeline.errors import (
    BodyTooLarge,
    ConfigurationError,
    NotFound,
    PipelineError,
    RequestRefused,
    UnreadableBody,
)
from copilot_pipeline_tests.clients.clari.servers import DAY, WINDOW, RestServer, all_pages, client_of, server_of


def test_only_the_first_and_the_last_page_request_the_total() -> None:
    """The total makes a response slow; if it changes, calls entered or left the window."""
    server = server_of("rest")
    for index in range(250):
        server.add(f"c-{index}", DAY + timedelta(minutes=index))
    pages = all_pages(client_of("rest", server))
    assert [page.matched for page in pages] == [250, None, 250]
    assert [r.url.params["includePagination"] for r in server.requests] == ["true", "false", "true"]
    assert [r.url.params["skip"] for r in server.requests] == ["0", "100", "200"]


@pytest.mark.parametrize(
    ("basis", "expected"),
    [
        ("started", {"filterTimeGt", "filterTimeLt", "sortTime"}),
        ("modified", {"filterModifiedGt", "filterModifiedLt", "sortProcessed"}),
    ],
)
def test_sends_the_documented_parameters(basis: Any, expected: set[str]) -> None:
    """Wrong names are ignored by the server (trap 24): names are exactly the documented ones, times end in Z."""
    server = server_of("rest")
    east = timezone(timedelta(hours=2))
    window = ListWindow(basis, datetime(2026, 3, 1, 2, tzinfo=east), datetime(2026, 3, 2, 2, 0, 0, 1, tzinfo=east))
    client_of("rest", server, include_private=True).list_page(window)
    params = dict(server.requests[0].url.params)
    assert set(params) == expected | {"skip", "limit", "includePrivate", "includePagination"}
    assert params["includePrivate"] == "true"
    assert [params[name] for name in sorted(expected)[:2]] == ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00.001Z"]
    assert params[sorted(expected)[2]] == "asc"


def test_omits_private_calls_by_default() -> None:
    """Including them is a privacy decision (trap 20)."""
    server = server_of("rest")
    client_of("rest", server).list_page(WINDOW)
    assert server.requests[0].url.params["includePrivate"] == "false"


def test_a_window_beyond_paging_raises_with_its_size() -> None:
    """More than 10000 matches raise `TooDeep` at the first page, so that the window can be split early."""
    answer = {"calls": [], "pagination": {"matched": 10_001, "hasMore": True, "nextPageSkip": 100}}
    client = client_of("rest", lambda request: httpx.Response(200, json=answer))
    with pytest.raises(TooDeep) as caught:
        client.list_page(WINDOW)
    assert caught.value.matched == 10_001
    assert isinstance(caught.value, RequestRefused)


def test_never_requests_a_position_beyond_the_limit() -> None:
    """A window that grew during its listing raises `TooDeep` without a request that would be refused."""
    server = server_of("rest")
    with pytest.raises(TooDeep):
        client_of("rest", server).list_page(WINDOW, ListPosition(10_001))
    assert server.requests == []


def test_lists_exactly_ten_thousand_calls() -> None:
    """The largest permitted window is listed to its end."""
    server = server_of("rest")
    server.calls = [{"id": str(n), "time": "2026-03-01T10:00:00Z"} for n in range(10_000)]
    pages = all_pages(client_of("rest", server))
    assert len({call.call_id for page in pages for call in page.calls}) == 10_000


@pytest.mark.parametrize("next_skip", [0, -5])
def test_a_page_that_does_not_advance_is_an_error(next_skip: int) -> None:
    """A page that promises more calls without a next position does not cause an endless listing."""
    answer = {
        "calls": [{"id": "a", "time": "2026-03-01T10:00:00Z"}],
        "pagination": {"matched": 9, "hasMore": True, "nextPageSkip": next_skip},
    }
    with pytest.raises(PipelineError, match="does not advance"):
        client_of("rest", lambda request: httpx.Response(200, json=answer)).list_page(WINDOW)


def test_lists_to_the_end_if_pages_are_smaller_than_requested() -> None:
    """A short page ends the listing only if the total shows that all calls were listed."""

    class Capped(RestServer):
        def list_calls(self, params: httpx.QueryParams) -> httpx.Response:
            return super().list_calls(params.set("limit", "25"))

    server = Capped()
    for index in range(90):
        server.add(f"c-{index}", DAY + timedelta(minutes=index))
    assert sum(len(page.calls) for page in all_pages(client_of("rest", server))) == 90


def test_the_guide_dialect_refuses_windows_by_modification_time() -> None:
    """It has no modification time."""
    client = client_of("guide", server_of("guide"))
    assert client.capabilities.has_modified_filter is False
    with pytest.raises(ConfigurationError):
        client.list_page(ListWindow("modified", DAY, DAY + timedelta(days=1)))


def test_requires_the_password_and_strips_blanks() -> None:
    """A surrounding blank is a common mistake; a missing password is a configuration error."""
    assert dialect_named("rest").auth_headers(" key\n", " password ") == {
        "X-Api-Key": "key",
        "X-Api-Password": "password",
    }
    with pytest.raises(ConfigurationError):
        dialect_named("rest").auth_headers("key")
    with pytest.raises(ConfigurationError):
        dialect_named("soap")


def test_parses_users_and_topics_and_skips_invalid_entries() -> None:
    """A missing manager is null, an entry without an id is skipped, a body without the list is an error."""
    server = server_of("rest")
    user = {"id": "u-1", "email": "dana@acme.example", "name": "Dana Ortiz", "role": "REP", "is_recording": True}
    topic = {"topic_id": "t-1", "topic_name": "Pricing", "type": "keyword", "keyword_topic": {"trackers": ["cost"]}}
    server.answers = {"/users": {"users": [user, {"name": "nobody"}, 3]}, "/v2/topics": {"topics": [topic, "Pricing"]}}
    client = client_of("rest", server)
    users, body = client.list_users()
    assert [(u.user_id, u.name, u.is_recording, u.manager_id) for u in users] == [("u-1", "Dana Ortiz", True, None)]
    assert b"Dana Ortiz" in body
    topics, _ = client.list_topics()
    assert [(t.topic_id, t.name, t.trackers) for t in topics] == [("t-1", "Pricing", ("cost",))]
    server.answers["/users"] = {"message": "odd"}
    with pytest.raises(UnreadableBody):
        client.list_users()


def test_lists_all_pages_of_scorecards() -> None:
    """All pages are read, also if the last one has no next skip."""
    cards = [{"id": f"s-{n}", "call_id": "c-1", "questions_score": [{"score": 4, "order": "1"}]} for n in range(230)]

    def server(request: httpx.Request) -> httpx.Response:
        skip = int(request.url.params["skip"])
        page = cards[skip : skip + int(request.url.params["limit"])]
        pagination: dict[str, Any] = {"matched": 230, "hasMore": skip + 100 < 230}
        if pagination["hasMore"]:
            pagination["nextPageSkip"] = skip + 100
        return httpx.Response(200, json={"scorecards": page, "pagination": pagination})

    result, bodies = client_of("rest", server).list_scorecards(datetime(2026, 3, 1, tzinfo=UTC))
    assert (len(result), len(bodies), result[0].answers[0].score) == (230, 3, 4.0)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("48000", 48000.0),
        ("$48,000.50", 48000.5),
        ("-$500", -500.0),
        ("1.0E7", 1e7),
        ("99 MXN", 99.0),
        ("48,00", 48.0),
        ("1.234,00", 1234.0),
        ("$1.2M", 1.2e6),
        ("48 k€", 48000.0),
        ("(500)", -500.0),
        ("4.800", None),
        ("n/a", None),
        (12, 12.0),
    ],
)
def test_parses_unambiguous_amounts_of_deals(amount: Any, expected: float | None) -> None:
    """Amounts are sent as text; an ambiguous one stays text only."""
    server = server_of("rest")
    server.answers = {"/get-deal": {"id": "d-1", "crm_id": "006EXAMPLE", "amount": amount, "stage": "Discovery"}}
    deal, _ = client_of("rest", server).get_deal("006EXAMPLE")
    assert (deal.deal_id, deal.copilot_id, deal.amount, deal.amount_raw) == (
        "006EXAMPLE",
        "d-1",
        expected,
        str(amount),
    )


def test_the_guide_dialect_has_no_reference_data() -> None:
    """The lists are empty, and no request is sent."""
    server = server_of("guide")
    client = client_of("guide", server)
    assert (client.list_users(), client.list_topics(), client.list_scorecards()) == (([], b""), ([], b""), ([], []))
    with pytest.raises(NotFound):
        client.get_deal("006EXAMPLE")
    assert server.requests == []


def test_a_page_beyond_the_size_limit_is_requested_in_halves() -> None:
    """As after a 502: no call of it is lost."""
    server = server_of("rest")
    for index in range(60):
        server.add(f"c-{index}", DAY + timedelta(minutes=index))
    client = client_of("rest", server, limits=ResponseLimits(max_decompressed_bytes=10_000))
    assert sorted(call.call_id for page in all_pages(client) for call in page.calls) == sorted(
        f"c-{index}" for index in range(60)
    )
    assert client.page_size < 50
    with pytest.raises(BodyTooLarge, match="larger than 500 bytes"):
        client_of("rest", server, limits=ResponseLimits(max_decompressed_bytes=500)).list_page(WINDOW)
