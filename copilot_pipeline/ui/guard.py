"""An ASGI middleware that refuses what pages of other sites can make a browser send to the UI.

The Dagster UI has no login: it trusts everything that reaches its port, and a browser on the same machine reaches it
for every page that it shows. Refused with 403, in HTTP and in WebSockets:

* a `Host` that is neither loopback nor configured: a foreign name that was given the address of this machine
* an `Origin` other than the UI's own, and `null`
* `Sec-Fetch-Site: cross-site`: images, forms, frames, scripts and links of other sites
* a mutation in the address, which an image or a link can have
* a POST with another type than JSON: forms and `fetch` without the permission of the other site send only such types

None of these concerns programs other than browsers, which send no such headers.
"""

from __future__ import annotations

import html
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from copilot_pipeline.ui.hosts import is_allowed, is_same_origin
from copilot_pipeline.ui.queries import has_mutation

POLICY_VIOLATION = 1008
_CROSS_SITE = "the request comes from a page of another site"
_PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Dagster UI</title>
<p>Another site has a link to this page of the Dagster UI. <a href="{address}">Open it</a> if you expected that.</p>
</html>
"""
_PAGE_HEADERS = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'", "x-frame-options": "DENY"}


class UiGuard:
    """Refuses requests of other sites, and passes all others to an application.

    `hosts` are names in lower case, with or without a port.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        reason = self.refusal(scope)
        if reason is None:
            await self._app(scope, receive, _without_foreign_frames(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})
        else:
            await _response(scope, reason)(scope, receive, send)

    def refusal(self, scope: Scope) -> str | None:
        """Return why a request is refused, or None."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not is_allowed(hosts[0], self._hosts):
            return "the header Host is neither loopback nor in COPILOT_PIPELINE_UI_HOSTS"
        if not all(is_same_origin(origin, hosts[0], self._hosts) for origin in origins):
            return "the header Origin is that of another site"
        if has_mutation(scope["query_string"]):
            return "mutations are sent with POST, as JSON"
        if scope["type"] == "http" and scope["method"] == "POST" and not _is_json_or_empty(headers):
            return "POST is served for the content type application/json only"
        if any(site.strip().lower() == "cross-site" for site in headers.getlist("sec-fetch-site")):
            return _CROSS_SITE
        return None


def _is_json_or_empty(headers: Headers) -> bool:
    types = headers.getlist("content-type")
    return not types or [each.partition(";")[0].strip().lower() for each in types] == ["application/json"]


def _response(scope: Scope, reason: str) -> Response:
    """403; with a link to the same page for a person who has followed one from another site."""
    headers = Headers(scope=scope)
    is_navigation = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if reason == _CROSS_SITE and is_navigation and scope["method"] == "GET":
        return HTMLResponse(_PAGE.format(address=html.escape(_address(scope))), 403, _PAGE_HEADERS)
    return PlainTextResponse(f"403: {reason}. See docs/operations.md, The Dagster UI.\n", 403)


def _address(scope: Scope) -> str:
    """The path and the query of a request, on this site whatever the path looks like."""
    path = bytes(scope.get("raw_path") or b"").lstrip(b"/\\")
    query = bytes(scope["query_string"])
    return "/" + path.decode("ascii", "replace") + ("?" + query.decode("ascii", "replace") if query else "")


def _without_foreign_frames(send: Send) -> Send:
    """Add a header by which a page of another site cannot show the UI in a frame and have it clicked."""

    async def send_with_header(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("x-frame-options", "SAMEORIGIN")
        await send(message)

    return send_with_header
