"""HTTP requests and responses of the emulated services."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `path` is relative to the mount of the service."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def query(self) -> dict[str, list[str]]:
        """All values of all parameters."""
        return parse_qs(self.query_string, keep_blank_values=True)

    def first(self, name: str, default: str | None = None) -> str | None:
        """The first value of a parameter."""
        return self.query.get(name, [default])[0]

    def json(self) -> Any:
        """The body parsed as JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(slots=True)
class Reply:
    """A response.

    With `disconnects`, the connection is closed after half of the body.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    disconnects: bool = False
    media_type: str = "application/json"


def as_json(status: int, value: Any, **headers: str) -> Reply:
    """A JSON response. Lone surrogates and NUL are escaped, as in the real API."""
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), headers)


GATEWAY_ERROR = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"


def gateway_error(status: int) -> Reply:
    """The gateway's own response if the API behind it fails: HTML."""
    return Reply(status, GATEWAY_ERROR, media_type="text/html")


_PROXY_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"


def garble(reply: Reply, kind: str) -> None:
    """Replace the body by what a proxy or a broken server would send, one of `faults.GARBLED`; the status stays."""
    if kind == "html":
        reply.body, reply.media_type = _PROXY_PAGE, "text/html"
    else:
        reply.body = reply.body[: len(reply.body) // 2] if kind == "cut" else b""
