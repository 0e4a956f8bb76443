"""Clari Copilot in both dialects."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from copilot_pipeline.sandbox.call import READY, Call
from copilot_pipeline.sandbox.calls import Calls
from copilot_pipeline.sandbox.company import Company
from copilot_pipeline.sandbox.exchange import Reply, Request, as_json, garble, gateway_error
from copilot_pipeline.sandbox.faults import GARBLED, Dice, Faults
from copilot_pipeline.sandbox.limits import Limits
from copilot_pipeline.sandbox.options import API_KEY, API_PASSWORD, SandboxOptions

_MAX_SKIP = 10_000
_NO_CREDENTIALS = {"errorMessage": "Credentials not provided!, see https://api-doc.copilot.clari.com"}


class ClariCopilot:
    """Both dialects over the same calls, behind one limit."""

    def __init__(self, options: SandboxOptions, company: Company, calls: Calls, limits: Limits, dice: Dice) -> None:
        self._options = options
        self._company = company
        self._calls = calls
        self._limits = limits
        self._dice = dice
        self._started_at = time.monotonic()
        self.details_by_call: dict[str, int] = {}
        self.requests: dict[str, int] = {}

    def rest(self, request: Request, faults: Faults) -> Reply:
        """The vendor's API."""
        pair = (request.headers.get("x-api-key"), request.headers.get("x-api-password"))
        if None in pair:
            return as_json(401, _NO_CREDENTIALS)
        if pair != (API_KEY, API_PASSWORD) or faults.refuse_credentials:
            return as_json(403, {"message": "Forbidden"})
        routes = {
            "/calls": self._list,
            "/call-details": self._details,
            "/users": self._users,
            "/topics": lambda *_: as_json(200, {"topics": ["Pricing", "Security"]}),
            "/v2/topics": self._topics,
            "/scorecard": self._scorecards,
            "/get-deal": self._deal,
            "/get-account": self._account,
        }
        return self._respond(request, faults, routes.get(request.path), "rest")

    def guide(self, request: Request, faults: Faults) -> Reply:
        """The API as the integration guide describes it."""
        if request.headers.get("authorization") != f"ApiKey {API_KEY}" or faults.refuse_credentials:
            return as_json(401, {"error": "invalid_api_key"})
        return self._respond(request, faults, self._guide if request.path == "/call-details" else None, "guide")

    def _respond(self, request: Request, faults: Faults, handler: Any, dialect: str) -> Reply:
        name = f"{dialect} {request.path}"
        self.requests[name] = self.requests.get(name, 0) + 1
        self._limits.foreign_requests = faults.foreign_requests
        refusal = self._limits.admit()
        if refusal is not None:
            headers = {} if faults.retry_after is None else {"Retry-After": str(faults.retry_after)}
            return as_json(429, {"message": refusal}, **headers)
        if handler is None or request.method != "GET":
            return as_json(404, {"message": "Not Found"})
        if faults.error_status and self._dice.roll("error", faults.error_share):
            return gateway_error(faults.error_status)
        self._calls.finish_processing(time.monotonic() - self._started_at)
        reply: Reply = handler(request, faults)
        reply.delay_seconds = (self._options.latency_ms + faults.slow_ms) / 1000
        if reply.status == 200:
            for kind, share in zip(GARBLED, (faults.html_share, faults.cut_share, faults.empty_share), strict=True):
                if self._dice.roll(kind, share):
                    garble(reply, kind)
                    return reply
            reply.disconnects = self._dice.roll("hang up", faults.hang_up_share)
        return reply

    # --- rest --------------------------------------------------------------------------------------------------

    def _users(self, _request: Request, faults: Faults) -> Reply:
        if faults.users_status is not None:
            return gateway_error(faults.users_status)
        return as_json(200, {"users": self._company.users})

    def _list(self, request: Request, faults: Faults) -> Reply:
        try:
            skip = _integer(request.first("skip"), 0, 0, _MAX_SKIP)
            limit = _integer(request.first("limit"), 25, 1, 100)
            calls = self._matching(request)
            private = {"true": True, "1": True, "false": False, "0": False}[
                request.first("includePrivate", "false") or ""
            ]
        except (ValueError, KeyError):
            return as_json(400, {"errorMessage": "bad parameter"})
        calls = [call for call in calls if private or not call.is_private]
        if faults.page_502_over is not None and min(limit, len(calls) - skip) > faults.page_502_over:
            return gateway_error(502)
        if faults.repeat_pages:
            skip = 0
        page = calls[skip : skip + limit]
        body: dict[str, Any] = {"calls": [self._calls.item(call) for call in page]}
        if request.first("includePagination", "true") != "false":
            more = skip + limit < len(calls)
            body["pagination"] = {"matched": len(calls), "hasMore": more}
            if more:
                body["pagination"]["nextPageSkip"] = skip + limit
        return as_json(200, body)

    def _matching(self, request: Request) -> list[Call]:
        calls = [call for call in self._calls.by_id.values() if not call.is_removed]
        for name, instant in (("Time", _started), ("Modified", _modified)):
            for bound, keep in (("Gt", 1), ("Lt", -1)):
                text = request.first(f"filter{name}{bound}")
                if text is not None:
                    limit = datetime.fromisoformat(text.replace("Z", "+00:00"))
                    calls = [call for call in calls if (instant(call) - limit) * keep >= timedelta()]
        statuses = request.query.get("filterStatus")
        if statuses:
            calls = [call for call in calls if call.status in statuses]
        users = request.query.get("filterUser")
        if users:
            calls = [call for call in calls if call.rep.email in users]
        by_change = request.first("sortProcessed") is not None
        order = request.first("sortProcessed" if by_change else "sortTime", "asc")
        instant = _modified if by_change else _started
        return sorted(calls, key=lambda call: (instant(call), call.call_id), reverse=order == "desc")

    def _details(self, request: Request, faults: Faults) -> Reply:
        call_id = request.first("id") or ""
        call = self._calls.by_id.get(call_id)
        self.details_by_call[call_id] = self.details_by_call.get(call_id, 0) + 1
        if call_id in faults.detail_status:
            return gateway_error(faults.detail_status[call_id])
        if call is None or call.is_removed or call_id in faults.not_found:
            return as_json(404, {})
        body = self._calls.body(call)
        reply = Reply(200, body[: len(body) // 2] if call_id in faults.malformed else body)
        if call_id in faults.detail_bodies:
            garble(reply, faults.detail_bodies[call_id])
        return reply

    def _deal(self, request: Request, _: Faults) -> Reply:
        deal = self._company.deal(request.first("id"))
        return as_json(404, {}) if deal is None else as_json(200, deal.body())

    def _account(self, request: Request, _: Faults) -> Reply:
        deal_id = request.first("id")
        for deal in self._company.deals:
            if deal.account_id == deal_id:
                name, *phones = self._company.planted or (deal.account,)
                account = {"id": f"account-{deal_id[-4:]}", "crm_id": deal_id, "name": name, "phones": phones}
                return as_json(200, account)
        return as_json(404, {})

    def _topics(self, *_: object) -> Reply:
        planted = self._company.planted
        named = [{**_TOPICS[0], "topic_id": "topic-p", "topic_name": planted[0]}] if planted else []
        return as_json(200, {"topics": [*_TOPICS, *named]})

    def _scorecards(self, request: Request, _: Faults) -> Reply:
        try:
            skip = _integer(request.first("skip"), 0, 0, _MAX_SKIP)
            limit = _integer(request.first("limit"), 50, 1, 100)
        except ValueError:
            return as_json(400, {})
        ready = [call for call in self._calls.by_id.values() if call.status == READY and call.index % 25 == 4]
        cards = [
            {
                "id": f"card-{call.index:06d}",
                "type": "MANUAL",
                "rep": call.rep.user_id,
                "scorer": call.rep.manager_id or "",
                "template_id": "template-1",
                "call_id": call.call_id,
                "total_score": 60 + call.index % 40,
                "remark": f"Well done with {self._company.planted[0]}" if self._company.planted else "",
                "questions_score": [
                    {"score": 3 + call.index % 3, "skill": "Discovery", "label": "Depth", "order": "1"}
                ],
            }
            for call in ready
        ]
        more = skip + limit < len(cards)
        pagination = {"matched": len(cards), "hasMore": more, **({"nextPageSkip": skip + limit} if more else {})}
        return as_json(200, {"scorecards": cards[skip : skip + limit], "pagination": pagination})

    # --- guide -------------------------------------------------------------------------------------------------

    def _guide(self, request: Request, faults: Faults) -> Reply:
        call_id = request.first("call_id")
        if call_id is not None:
            call = self._calls.by_id.get(call_id)
            self.details_by_call[call_id] = self.details_by_call.get(call_id, 0) + 1
            return (
                as_json(404, {"error": "not_found"})
                if call is None
                else as_json(200, {"calls": [self.guide_item(call)]})
            )
        try:
            first = datetime.fromisoformat(request.first("start_date") or "").replace(tzinfo=UTC)
            end = datetime.fromisoformat(request.first("end_date") or "").replace(tzinfo=UTC)
            offset, limit = _integer(request.first("offset"), 0, 0, 10**9), _integer(request.first("limit"), 50, 1, 100)
        except ValueError:
            return as_json(400, {"error": "invalid_parameter"})
        calls = [call for call in self._calls.by_id.values() if not call.is_removed and not call.is_private]
        calls = sorted(
            (call for call in calls if first <= call.started_at < end + timedelta(days=1)),
            key=lambda call: (call.started_at, call.call_id),
        )
        page = calls[offset : offset + limit]
        if faults.page_502_over is not None and len(page) > faults.page_502_over:
            return gateway_error(502)
        return as_json(200, {"calls": [self.guide_item(call) for call in page]})

    def guide_item(self, call: Call) -> dict[str, Any]:
        """A call in the guide's shape: speakers by name, no end times, sides by role."""
        details = self._calls.details(call)
        prospects = call.deal.prospects if call.deal else []
        names = {0: call.rep.name, **{index + 1: person.name for index, person in enumerate(prospects)}}
        item: dict[str, Any] = {
            "call_id": call.call_id,
            "started_at": details["time"],
            "duration": details.get("metrics", {}).get("call_duration", 0),
            "participants": [
                {"name": call.rep.name, "role": "rep", "email": call.rep.email},
                *({"name": person.name, "role": "prospect", "email": person.email} for person in prospects),
            ],
            "transcript": [
                {"speaker": names.get(turn["personId"], "Guest"), "start": turn["start"], "text": turn["text"]}
                for turn in details["transcript"]
            ],
            "analytics": {"talk_ratio": {"rep": 0.42, "prospect": 0.58}, "topics": ["pricing", "timeline"]},
        }
        if call.deal is not None:
            item["crm"] = {
                "account_id": call.deal.account_id,
                "opportunity_id": call.deal.deal_id,
                "stage": call.deal.stage,
            }
        return item


_TOPICS = [
    {
        "topic_id": "topic-1",
        "topic_name": "Pricing",
        "type": "KEYWORD",
        "team_ids": ["team-1"],
        "keyword_topic": {"trackers": ["what does it cost", "price"]},
    },
    {
        "topic_id": "topic-2",
        "topic_name": "Security review",
        "type": "CUSTOM",
        "team_ids": [],
        "custom_topic": {"description": "Talk about the security review", "status": "ACTIVE"},
    },
]


def _started(call: Call) -> datetime:
    return call.started_at


def _modified(call: Call) -> datetime:
    return call.modified_at


def _integer(text: str | None, default: int, low: int, high: int) -> int:
    number = default if text is None else int(text)
    if not low <= number <= high:
        raise ValueError(f"{number} is not between {low} and {high}")
    return number
