"""The behaviour that both dialects share, so that code outside the client does not depend on the dialect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from copilot_pipeline.clients.clari.dialect import ListWindow
from copilot_pipeline.clients.clari.models import Readiness, Side
from copilot_pipeline.errors import (
    ConfigurationError,
    CredentialsRefused,
    GarbledResponse,
    NotFound,
    PipelineError,
    TemporaryFailure,
    UnreadableBody,
)
from copilot_pipeline_tests.clients.clari.servers import (
    DAY,
    WINDOW,
    all_calls,
    all_pages,
    body_of,
    client_of,
    server_of,
)

pytestmark = pytest.mark.parametrize("dialect", ["rest", "guide"])


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100, 101, 230])
def test_lists_every_call_of_a_window_once(dialect: str, count: int) -> None:
    """The pages of a window hold each of its calls exactly once, in the order of the server."""
    server = server_of(dialect)
    for index in range(count):
        server.add(f"c-{index}", DAY + timedelta(minutes=index))
    listed = [call.call_id for call in all_calls(client_of(dialect, server))]
    assert listed == [f"c-{index}" for index in range(count)]


def test_omits_calls_outside_the_window(dialect: str) -> None:
    """A window of six hours yields the calls of these hours, also if the API filters by days only."""
    server = server_of(dialect)
    for hour in range(24):
        server.add(f"c-{hour}", DAY + timedelta(hours=hour, minutes=30))
    window = ListWindow("started", DAY + timedelta(hours=6), DAY + timedelta(hours=12))
    assert [call.call_id for call in all_calls(client_of(dialect, server), window)] == [f"c-{n}" for n in range(6, 12)]


def test_includes_the_last_day_of_a_window(dialect: str) -> None:
    """A call just before the end of the window is found, also if the window ends within a day."""
    server = server_of(dialect)
    server.add("late", DAY + timedelta(hours=23, minutes=59))
    assert [call.call_id for call in all_calls(client_of(dialect, server))] == ["late"]


def test_halves_pages_that_are_too_large(dialect: str) -> None:
    """502 halves the page size until a page works; that size is kept and reported, and no call is lost."""
    server = server_of(dialect, largest_page=13)
    for index in range(40):
        server.add(f"c-{index}", DAY + timedelta(minutes=index))
    reported: list[int] = []
    client = client_of(dialect, server, page_size=50, on_page_size=reported.append)
    assert len(all_calls(client)) == 40
    assert reported == [12]
    assert client.page_size == 12
    assert len(all_calls(client)) == 40
    assert reported == [12]


def test_an_outage_does_not_change_the_page_size(dialect: str) -> None:
    """If even a page of one call gets 502, the error is temporary and the page size stays."""
    server = server_of(dialect, largest_page=0)
    reported: list[int] = []
    client = client_of(dialect, server, page_size=8, on_page_size=reported.append)
    with pytest.raises(TemporaryFailure):
        client.list_page(WINDOW)
    assert (client.page_size, reported) == (8, [])
    assert [request.url.params["limit"] for request in server.requests] == ["8", "4", "2", "1", "1", "1"]


def test_quarantines_invalid_items_only(dialect: str) -> None:
    """Items without an id or a time, or that are not objects, are quarantined with path, type, id and body."""
    server = server_of(dialect)
    for index in range(3):
        server.add(f"c-{index}", DAY + timedelta(minutes=index))
    time_field = "time" if dialect == "rest" else "started_at"
    good, bad = server.calls[0], {**server.calls[1], time_field: "tomorrow, maybe"}
    answer = httpx.Response(200, content=body_of({"calls": [good, bad, 7, {time_field: "2026-03-01T00:00:00Z"}]}))
    page = client_of(dialect, lambda request: answer).list_page(WINDOW)
    assert [call.call_id for call in page.calls] == ["c-0"]
    assert [item.call_id for item in page.quarantined] == ["c-1", None, None]
    id_field = "id" if dialect == "rest" else "call_id"
    assert [item.reason for item in page.quarantined] == [
        f"$.{time_field}: expected a date-time",
        "$: expected an object",
        f"$.{id_field}: expected an id",
    ]
    assert b"tomorrow, maybe" in page.quarantined[0].body


def test_quarantines_ids_that_are_too_long(dialect: str) -> None:
    """An id of 1,000 bytes is accepted; a longer one would make storing its page fail."""
    server = server_of(dialect)
    for call_id in ("c-" + "x" * 998, "c-" + "x" * 5000):
        server.add(call_id, DAY)
    page = client_of(dialect, server).list_page(WINDOW)
    assert [call.call_id for call in page.calls] == ["c-" + "x" * 998]
    assert [item.reason.partition(": ")[2] for item in page.quarantined] == ["longer than 1,024 bytes"]


def test_parses_items_with_invalid_text(dialect: str) -> None:
    """Half a surrogate pair, NUL and NaN in an item are parsed; the body keeps the escapes that were sent."""
    server = server_of(dialect)
    server.add("c-1", DAY)
    item = body_of(server.calls[0]).replace(b"Northwind x Acme", rb"a\ud800b\u0000c").replace(b"1842", b"NaN")
    server_answer = httpx.Response(200, content=b'{"calls":[' + item + b"]}")
    client = client_of(dialect, lambda request: server_answer)
    (call,) = client.list_page(WINDOW).calls
    assert rb"\ud800" in call.body
    assert rb"\u0000" in call.body
    record = client.parse_call(call.body, None)
    assert record.title == "a\ufffdb\ufffdc"
    assert record.duration_s is None


@pytest.mark.parametrize("body", [b"null", b"{}", b'{"calls": null}', b'{"calls": {}}', b"[" * 100_000])
def test_a_page_without_calls_is_an_error(dialect: str, body: bytes) -> None:
    """A body without a list of calls is not an empty page, which would end the listing early."""
    client = client_of(dialect, lambda request: httpx.Response(200, content=body))
    with pytest.raises(UnreadableBody, match="the list page at skip 0") as caught:
        client.list_page(WINDOW)
    assert caught.value.body == body


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"calls": ['])
def test_a_page_that_is_not_json_is_requested_again(dialect: str, body: bytes) -> None:
    """A body that is not JSON is a failure of the transport: it is retried, then raised with its bytes."""
    bodies = [body, body]
    server = server_of(dialect)
    client = client_of(
        dialect, lambda request: httpx.Response(200, content=bodies.pop()) if bodies else server(request)
    )
    assert client.list_page(WINDOW).calls == ()
    client = client_of(dialect, lambda request: httpx.Response(200, content=body))
    with pytest.raises(GarbledResponse) as caught:
        client.list_page(WINDOW)
    assert caught.value.body == body


def test_a_repeated_page_is_an_error(dialect: str) -> None:
    """A server that repeats a page does not cause an endless listing."""
    server = server_of(dialect)
    for index in range(10):
        server.add(f"c-{index}", DAY + timedelta(minutes=index))
    answer = body_of({"calls": server.calls})
    client = client_of(dialect, lambda request: httpx.Response(200, content=answer), page_size=10)
    with pytest.raises(PipelineError, match="repeats"):
        all_pages(client)


def test_the_version_changes_when_details_must_be_fetched_again(dialect: str) -> None:
    """A call that becomes ready has another version; a signed media URL changes neither version nor hash."""
    server = server_of(dialect)
    server.add("c-1", DAY, transcript=False)
    client = client_of(dialect, server)
    (pending,) = all_calls(client)
    assert pending.readiness is Readiness.PENDING
    server.calls[0]["audio_url"] = "https://media.example/signed"
    (signed,) = all_calls(client)
    assert (signed.version, signed.content_hash) == (pending.version, pending.content_hash)
    server.calls.clear()
    server.add("c-1", DAY)
    (ready,) = all_calls(client)
    assert ready.readiness is Readiness.READY
    assert ready.version != pending.version
    assert ready.content_hash != pending.content_hash
    server.calls[0]["title"] = "Renamed"
    (renamed,) = all_calls(client)
    assert renamed.content_hash != ready.content_hash


def test_both_dialects_give_the_same_record(dialect: str) -> None:
    """The details of a call give the same record in every field that both dialects have."""
    server = server_of(dialect)
    server.add("c-1", DAY)
    client = client_of(dialect, server)
    (listed,) = all_calls(client)
    record = client.parse_call(listed.body, client.get_details("c-1"))
    assert (record.call_id, record.started_at, record.readiness) == ("c-1", DAY, Readiness.READY)
    assert (record.title, record.duration_s) == ("Northwind x Acme", 1842.0)
    assert [(turn.text, turn.start_s) for turn in record.segments] == [
        ("Thanks for making time.", 2.35),
        ("What does it cost?", 5.0),
    ]
    by_id = {person.person_id: person for person in record.people}
    assert [by_id[turn.person_id or ""].side for turn in record.segments] == [Side.REP, Side.PROSPECT]
    assert [by_id[turn.person_id or ""].email for turn in record.segments] == [
        "dana@acme.example",
        "lee@northwind.example",
    ]
    assert (record.crm.deal_id, record.crm.account_id) == ("006EXAMPLE", "001EXAMPLE")
    assert (record.analytics.rep_talk_share, record.analytics.topics) == (0.42, ("pricing",))
    assert listed.has_details is client.capabilities.list_has_transcript
    assert bool(client.parse_call(listed.body, None).segments) is listed.has_details


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_id_is_not_found(dialect: str, status: int) -> None:
    """Clients have seen both 400 and 404 for an unknown id."""
    client = client_of(dialect, lambda request: httpx.Response(status, json={}))
    with pytest.raises(NotFound) as caught:
        client.get_details("gone")
    assert caught.value.status == status


def test_details_are_returned_unchanged(dialect: str) -> None:
    """The body is the received one, byte for byte, even if it is JSON only to a lenient parser."""
    client = client_of(dialect, lambda request: httpx.Response(200, content=b' {"call" : "\xff\0" }\n'))
    assert client.get_details("c-1") == b' {"call" : "\xff\0" }\n'


def test_rejects_details_of_another_call(dialect: str) -> None:
    """A body with another id never becomes the record of this call."""
    server = server_of(dialect)
    server.add("c-1", DAY)
    server.add("c-2", DAY)
    client = client_of(dialect, server)
    details, listed = client.get_details("c-1"), all_calls(client)[1].body
    with pytest.raises(UnreadableBody):
        client.parse_call(None, details, call_id="c-2")
    with pytest.raises(UnreadableBody):
        client.parse_call(listed, details)
    with pytest.raises(UnreadableBody):
        client.parse_call(listed, None, call_id="c-1")
    with pytest.raises(UnreadableBody):
        client.parse_call(None, None)


def test_the_probe_detects_a_wrong_key(dialect: str) -> None:
    """The probe succeeds with the right key and raises `CredentialsRefused` otherwise."""
    server = server_of(dialect)
    client_of(dialect, server).probe()
    assert len(server.requests) == 1
    server.authorised = lambda request: False  # type: ignore[method-assign]
    with pytest.raises(CredentialsRefused):
        client_of(dialect, server).probe()


def test_a_missing_key_is_a_configuration_error(dialect: str) -> None:
    """Without a key no request is sent."""
    with pytest.raises(ConfigurationError):
        client_of(dialect, server_of(dialect))._dialect.auth_headers("  ", "password")


def test_times_are_aware_utc(dialect: str) -> None:
    """A time with any offset is converted to UTC; without an offset it is UTC."""
    server = server_of(dialect)
    server.add("c-1", DAY)
    client = client_of(dialect, server)
    field = "time" if dialect == "rest" else "started_at"
    for written in ("2026-03-01T15:00:00+0000", "2026-03-01T17:00:00+02:00", "2026-03-01T15:00:00", 1772377200000):
        item = body_of({**server.calls[0], field: written})
        assert client.parse_call(item, None).started_at == datetime(2026, 3, 1, 15, tzinfo=UTC)


def test_continues_after_pages_smaller_than_requested(dialect: str) -> None:
    """A short page is not the last one: the total or an empty page marks the end."""
    server = server_of(dialect)
    for index in range(40):
        server.add(f"c-{index}", DAY + timedelta(minutes=index))

    def capped(request: httpx.Request) -> httpx.Response:
        return server(httpx.Request("GET", request.url.copy_set_param("limit", "7"), headers=request.headers))

    assert len(all_calls(client_of(dialect, capped, page_size=50))) == 40
