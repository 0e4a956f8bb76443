"""Servers of both dialects, as the contract describes them, behind an httpx transport."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from copilot_pipeline.clients.bounded_response import ResponseLimits
from copilot_pipeline.clients.clari.client import ClariClient
from copilot_pipeline.clients.clari.dialect import Dialect, ListPage, ListPosition, ListWindow
from copilot_pipeline.clients.clari.dialects import dialect_named
from copilot_pipeline.clients.clari.models import ListedCall
from copilot_pipeline.clients.http import HttpClient, RetryPolicy

DAY = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = ListWindow("started", DAY, DAY + timedelta(days=1))


def zulu(moment: datetime) -> str:
    """A date-time as the API writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Server:
    """Calls in memory behind a transport; every request is recorded."""

    def __init__(self, *, largest_page: int = 1000) -> None:
        self.calls: list[dict[str, Any]] = []
        self.requests: list[httpx.Request] = []
        self.largest_page = largest_page  # a page above it is answered 502
        self.answers: dict[str, Any] = {}  # fixed answers by path
        self.failures: list[int] = []  # statuses to answer first

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.failures:
            return httpx.Response(self.failures.pop(0), text="<html>gateway</html>")
        if not self.authorised(request):
            return httpx.Response(401, json={"errorMessage": "Credentials not provided!, see the docs"})
        if request.url.path in self.answers:
            return httpx.Response(200, json=self.answers[request.url.path])
        return self.route(request)

    def authorised(self, request: httpx.Request) -> bool:
        raise NotImplementedError

    def route(self, request: httpx.Request) -> httpx.Response:
        raise NotImplementedError

    def add(self, call_id: str, started_at: datetime, *, transcript: bool = True) -> None:
        raise NotImplementedError


class RestServer(Server):
    """The vendor's API (contract section 1)."""

    def authorised(self, request: httpx.Request) -> bool:
        return (request.headers.get("x-api-key"), request.headers.get("x-api-password")) == ("key", "password")

    def add(self, call_id: str, started_at: datetime, *, transcript: bool = True) -> None:
        self.calls.append(
            {
                "id": call_id,
                "title": "Northwind x Acme",
                "time": zulu(started_at),
                "status": "POST_PROCESSING_DONE" if transcript else "PROCESSING",
                "last_modified_time": zulu(started_at + timedelta(hours=1)),
                "users": [{"userId": "u-1", "userEmail": "dana@acme.example", "isOrganizer": True, "personId": 0}],
                "externalParticipants": [{"name": "Lee Park", "email": "lee@northwind.example", "personId": 1}],
                "joinedParticipants": [{"name": "Lee Park"}],
                "metrics": {"call_duration": 1842, "talk_listen_ratio": 0.42, "categories": [{"name": "pricing"}]},
                "crm_info": {"source_crm": "SALESFORCE", "deal_id": "006EXAMPLE", "account_id": "001EXAMPLE"},
                "audio_url": None,
            }
        )

    def route(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/calls":
            return self.list_calls(request.url.params)
        if request.url.path == "/call-details":
            return self.details(request.url.params["id"])
        return httpx.Response(404, json={})

    def list_calls(self, params: httpx.QueryParams) -> httpx.Response:
        known = {"filterTimeGt", "filterTimeLt", "filterModifiedGt", "filterModifiedLt", "sortTime", "sortProcessed"}
        assert set(params) <= known | {"skip", "limit", "includePrivate", "includePagination"}
        skip, limit = int(params.get("skip", 0)), int(params.get("limit", 25))
        if not (0 <= skip <= 10_000 and 1 <= limit <= 100) or params.get("includePrivate", "false") not in (
            "true",
            "false",
        ):
            return httpx.Response(400, json={})
        if limit > self.largest_page:
            return httpx.Response(502, text="<html>bad gateway</html>")
        field, kind = ("last_modified_time", "Modified") if "filterModifiedGt" in params else ("time", "Time")
        after = datetime.fromisoformat(params.get(f"filter{kind}Gt", "1970-01-01T00:00:00Z"))
        before = datetime.fromisoformat(params.get(f"filter{kind}Lt", "2999-01-01T00:00:00Z"))
        result = [call for call in self.calls if after <= datetime.fromisoformat(call[field]) <= before]
        page = result[skip : skip + limit]
        answer: dict[str, Any] = {"calls": page}
        if params.get("includePagination", "true") == "true":
            more = skip + len(page) < len(result)
            answer["pagination"] = {"matched": len(result), "hasMore": more}
            if more:
                answer["pagination"]["nextPageSkip"] = skip + len(page)
        return httpx.Response(200, json=answer)

    def details(self, call_id: str) -> httpx.Response:
        for call in self.calls:
            if call["id"] == call_id:
                turns = [
                    {"text": "Thanks for making time.", "start": 2.35, "end": 4.9, "personId": 0, "annotations": []},
                    {"text": "What does it cost?", "start": 5, "end": 8.1, "personId": 1, "annotations": []},
                ]
                transcript = turns if call["status"] == "POST_PROCESSING_DONE" else []
                return httpx.Response(200, json={"call": {"transcript": transcript, **call}})
        return httpx.Response(404, json={})


class GuideServer(Server):
    """The guide's API (contract section 2)."""

    wrapper: str | None = "calls"

    def authorised(self, request: httpx.Request) -> bool:
        return bool(request.headers.get("authorization") == "ApiKey key")

    def add(self, call_id: str, started_at: datetime, *, transcript: bool = True) -> None:
        turns = [
            {"speaker": "Dana Ortiz", "start": 2.35, "text": "Thanks for making time."},
            {"speaker": "Lee Park", "start": 5, "text": "What does it cost?"},
        ]
        self.calls.append(
            {
                "call_id": call_id,
                "title": "Northwind x Acme",
                "started_at": zulu(started_at),
                "duration": 1842,
                "participants": [
                    {"name": "Dana Ortiz", "role": "Rep", "email": "dana@acme.example"},
                    {"name": "Lee Park", "role": "prospect", "email": "lee@northwind.example"},
                ],
                "transcript": turns if transcript else [],
                "analytics": {"talk_ratio": {"rep": 0.42, "prospect": 0.58}, "topics": ["pricing"]},
                "crm": {"account_id": "001EXAMPLE", "opportunity_id": "006EXAMPLE"},
            }
        )

    def route(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        if request.url.path != "/call-details":
            return httpx.Response(404, json={})
        if "call_id" in params:
            result = [call for call in self.calls if call["call_id"] == params["call_id"]]
            return httpx.Response(200, json={"calls": result}) if result else httpx.Response(404, json={})
        if int(params["limit"]) > self.largest_page:
            return httpx.Response(502, text="<html>bad gateway</html>")
        result = [call for call in self.calls if params["start_date"] <= call["started_at"][:10] < params["end_date"]]
        page = result[int(params["offset"]) :][: int(params["limit"])]
        return httpx.Response(200, json={self.wrapper: page} if self.wrapper else page)


def server_of(dialect: str, **options: Any) -> Server:
    """A server of the dialect."""
    return RestServer(**options) if dialect == "rest" else GuideServer(**options)


def client_of(
    dialect: str, server: Any, *, password: str = "password", limits: ResponseLimits | None = None, **options: Any
) -> ClariClient:
    """A client of the server, with the right key."""
    chosen: Dialect = dialect_named(dialect)
    caller = HttpClient(
        "clari",
        chosen.default_base_url,
        chosen.auth_headers("key", password),
        policy=RetryPolicy(attempts=3),
        limits=limits,
        transport=httpx.MockTransport(server),
        sleep=lambda seconds: None,
    )
    return ClariClient(chosen, caller, **options)


def all_pages(client: ClariClient, window: ListWindow = WINDOW) -> list[ListPage]:
    """Every page of a window."""
    pages: list[ListPage] = []
    position: ListPosition | None = None
    while True:
        pages.append(client.list_page(window, position))
        position = pages[-1].next
        if position is None:
            return pages


def all_calls(client: ClariClient, window: ListWindow = WINDOW) -> list[ListedCall]:
    """Every call of a window."""
    return [call for page in all_pages(client, window) for call in page.calls]


def body_of(value: Any) -> bytes:
    """A value as JSON."""
    return json.dumps(value).encode()
