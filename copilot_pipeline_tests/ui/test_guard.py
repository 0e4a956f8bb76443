"""What the guard before the Dagster UI refuses and what it lets pass."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message, Scope
from starlette.websockets import WebSocket

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.ui import UiGuard
from copilot_pipeline.ui.queries import has_mutation

OWN = "127.0.0.1:3000"
PROXY = "pipeline.example.com"
MUTATION = "mutation { launchRun { __typename } }"
JSON = {"content-type": "application/json"}


def refusal(method: str = "GET", query: str = "", *, kind: str = "http", **headers: str | list[str]) -> str | None:
    """Why the guard refuses a request; header names have underscores."""
    given_headers = {"host": OWN, **headers}
    raw = [
        (name.replace("_", "-").encode(), value.encode())
        for name, values in given_headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    scope = {"type": kind, "method": method, "path": "/graphql", "query_string": query.encode(), "headers": raw}
    return UiGuard(Starlette(), [PROXY, "other.example.com:8443"]).refusal(scope)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:3000", OWN, "127.8.9.1", "[::1]:3000", PROXY, f"{PROXY}:443", "Other.example.com:8443"],
)
def test_serves_loopback_and_configured_hosts(host: str) -> None:
    """With any port, unless the configured host has one; in HTTP and in WebSockets."""
    assert refusal(host=host) is None
    assert refusal(host=host, kind="websocket") is None


@pytest.mark.parametrize(
    "host",
    [
        [],
        "",
        "evil.example",
        "evil.example:3000",
        "0.0.0.0:3000",
        "192.168.1.7",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "evil.example#localhost",
        "evil.example/127.0.0.1",
        "127.0.0.1:3000:3000",
        "2130706433",
        "[::ffff:10.0.0.1]",
        "other.example.com",
        f"x{PROXY}",
        f"{PROXY}.",
        [OWN, "evil.example"],
        [OWN, OWN],
    ],
)
def test_refuses_other_hosts(host: str | list[str]) -> None:
    """A foreign name that resolves to this machine, none, or two."""
    assert "Host" in (refusal(host=host) or "")
    assert "Host" in (refusal("POST", host=host, content_type="application/json") or "")
    assert "Host" in (refusal(host=host, kind="websocket") or "")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (OWN, f"http://{OWN}"),
        ("localhost:3000", "http://localhost:3000"),
        (PROXY, f"https://{PROXY}"),
        (OWN, f"https://{PROXY}"),  # a proxy that sends its own Host
        (OWN, "https://other.example.com:8443"),
    ],
)
def test_serves_its_own_origin(host: str, origin: str) -> None:
    """Directly, and through a proxy."""
    assert refusal("POST", host=host, origin=origin, content_type="application/json") is None
    assert refusal(host=host, origin=origin, kind="websocket") is None


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "http://127.0.0.1:8080",
        "http://localhost:3000",
        "http://127.0.0.1",
        f"http://{OWN}@evil.example",
        f"http://evil.example#{OWN}",
        f"http://{OWN}/",
        f"http://{OWN}.evil.example",
        f"file://{OWN}",
        f"chrome-extension://{OWN}",
        f"https://x.{PROXY}",
        "https://other.example.com",
        [f"http://{OWN}", "https://evil.example"],
    ],
)
def test_refuses_other_origins(origin: str | list[str]) -> None:
    """Also another port of this machine; in WebSockets, which browsers do not restrict, as well."""
    assert "Origin" in (refusal("POST", origin=origin, content_type="application/json") or "")
    assert "Origin" in (refusal(origin=origin) or "")
    assert "Origin" in (refusal(origin=origin, kind="websocket") or "")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "POST"])
@pytest.mark.parametrize(
    "query",
    [
        urlencode({"query": MUTATION}),
        urlencode({"query": MUTATION, "operationName": "X", "variables": "{}"}),
        urlencode({"query": "\ufeff # comment\n,,mutation($a:Int){b:launchRun(a:$a){x}}"}),
        urlencode({"query": "query A { version } mutation B { launchRun { x } }", "operationName": "A"}),
        urlencode({"query": "fragment F on T { x } mutation { launchRun { ...F } }"}),
        urlencode({"query": "subscription { capturedLogs { x } }"}),
        urlencode([("query", MUTATION), ("query", "{ version }")]),
        urlencode([("query", "{ version }"), ("query", MUTATION)]),
        "%71%75ery=" + quote(MUTATION),
        "query=" + "".join(f"%{byte:02X}" for byte in MUTATION.encode()),
        "a=1&query=" + MUTATION.replace(" ", "+"),
    ],
)
def test_refuses_mutations_in_the_address(method: str, query: str) -> None:
    """An image, a link or a form of any page can have an address."""
    assert refusal(method, query, content_type="application/json") == "mutations are sent with POST, as JSON"


@pytest.mark.parametrize("query", ["", "query={version}", "query=mutation", "tab=mutation+%7Bx%7D", "q[]=a", "query="])
def test_serves_queries_in_the_address(query: str) -> None:
    """Reading changes nothing, and other parameters are not GraphQL."""
    assert refusal("GET", query) is None


@given(
    document=st.sampled_from([MUTATION, "mutation M($x: Int) { a: launchRun(x: $x) { id } }"]),
    padding=st.text(alphabet=" ,\t\n\r\ufeff", max_size=4),
    comment=st.from_regex(r"(#[ -~]{0,10}\n)?", fullmatch=True),
    escaped=st.sets(st.integers(0, 60)),
    others=st.lists(st.sampled_from(["a=b", "query=%7Bversion%7D", "variables=%7B%7D", "&"]), max_size=3),
    place=st.integers(0, 3),
)
def test_finds_mutations_however_they_are_written(
    document: str, padding: str, comment: str, escaped: set[int], others: list[str], place: int
) -> None:
    """Blanks, commas, comments, percent encoding of any characters, other parameters around it."""
    letters = [
        f"%{ord(letter):02x}" if index in escaped and letter.isascii() else quote(letter)
        for index, letter in enumerate(padding + comment + document)
    ]
    others.insert(place, "query=" + "".join(letters))
    assert has_mutation("&".join(others).encode())


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "application/graphql",
        "application/jsonp",
        "",
        ["application/json", "text/plain"],
    ],
)
def test_refuses_posts_that_forms_can_send(content_type: str | list[str]) -> None:
    """The webserver looks for `application/json` anywhere in the type, and reads the address for other types."""
    assert "content type" in (refusal("POST", content_type=content_type) or "")
    assert refusal("POST", content_type="application/json; charset=utf-8") is None


@pytest.mark.parametrize("site", ["cross-site", " Cross-Site ", ["same-origin", "cross-site"]])
def test_refuses_requests_of_other_sites(site: str | list[str]) -> None:
    """As the browser labels them: images, scripts, frames, forms."""
    assert "another site" in (refusal(sec_fetch_site=site) or "")
    assert "another site" in (refusal(sec_fetch_site=site, kind="websocket") or "")
    assert [refusal(sec_fetch_site=own) for own in ("same-origin", "none", "same-site")] == [None] * 3


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.url.path)


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())


GUARDED = UiGuard(
    Starlette(routes=[WebSocketRoute("/graphql", _echo), Route("/{path:path}", _page, methods=["GET", "POST"])])
)


def requested(method: str, path: str, **options: Any) -> httpx.Response:
    """The response of the guarded application."""

    async def exchange() -> httpx.Response:
        transport = httpx.ASGITransport(app=GUARDED)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{OWN}") as client:
            return await client.request(method, path, **options)

    return asyncio.run(exchange())


def websocket_messages(**headers: str) -> list[Message]:
    """What the guarded application sends to a client that sends `hello`."""
    scope: Scope = {
        "type": "websocket",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    received = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(received)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(GUARDED(scope, receive, send))
    return sent


def test_responds_with_403_and_the_reason() -> None:
    """The response names the document; a request that passes reaches the application and cannot be framed."""
    answer = requested("GET", "/", headers={"host": "evil.example"})
    assert (answer.status_code, "docs/operations.md" in answer.text) == (403, True)
    answer = requested("POST", "/graphql", json={})
    assert (answer.status_code, answer.text, answer.headers["x-frame-options"]) == (200, "/graphql", "SAMEORIGIN")


def test_closes_foreign_websockets_before_they_are_accepted() -> None:
    """Subscriptions of the UI's own pages work."""
    accepted = websocket_messages(host=OWN, origin=f"http://{OWN}")
    assert [message["type"] for message in accepted] == ["websocket.accept", "websocket.send"]
    for headers in ({"origin": "https://evil.example", "host": OWN}, {"host": "evil.example"}):
        assert [message["type"] for message in websocket_messages(**headers)] == ["websocket.close"]


@pytest.mark.parametrize("path", ["/runs/1?a=%22%3E%3Cscript%3E&b=<i>", "//evil.example/x", "/\\evil.example"])
def test_a_link_of_another_site_leads_to_a_page_with_a_link(path: str) -> None:
    """It is 403 as well; the person decides. The link stays on this site, and its text is not HTML."""
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    answer = requested("GET", f"http://{OWN}{path}", headers=headers)
    assert answer.status_code == 403
    [link] = re.findall(r'href="([^"]*)"', answer.text)
    assert re.match(r"/[^/\\]", link)
    assert "<script>" not in answer.text
    assert "<i>" not in answer.text
    assert requested("POST", "/runs", headers=headers, json={}).text.startswith("403: ")
    assert requested("GET", "/", headers={**headers, "sec-fetch-dest": "iframe"}).text.startswith("403: ")


def test_reads_the_hosts_from_the_environment() -> None:
    """Separated by blanks or commas; addresses and wildcards are errors."""
    read = Environment(copilot_pipeline_ui_hosts="A.example.com, b.example.com:8443", _env_file=None)  # type: ignore[call-arg]
    assert read.ui_hosts == ("a.example.com", "b.example.com:8443")
    for wrong in ("https://a.example.com", "*", "*.example.com", "a/b"):
        with pytest.raises(ValueError, match="host names"):
            Environment(copilot_pipeline_ui_hosts=wrong, _env_file=None)  # type: ignore[call-arg]
