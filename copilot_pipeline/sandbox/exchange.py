"""A request and a reply, as the emulated services see them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole. `path` is what follows the service's mount."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def query(self) -> dict[str, list[str]]:
        """Every value of every parameter."""
        return parse_qs(self.query_string, keep_blank_values=True)

    def first(self, name: str, default: str | None = None) -> str | None:
        """The first value of a parameter."""
        return self.query.get(name, [default])[0]

    def json(self) -> Any:
        """The body read as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(slots=True)
class Reply:
    """One answer. `hangs_up` closes the connection after half of it."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    hangs_up: bool = False
    media_type: str = "application/json"


def as_json(status: int, value: Any, **headers: str) -> Reply:
    """A JSON answer. Half a surrogate pair and NUL go out as escapes, as they do from the real API."""
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), headers)


GATEWAY_ERROR = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"


def gateway_error(status: int) -> Reply:
    """What the gateway says when what stands behind it does not: no JSON."""
    return Reply(status, GATEWAY_ERROR, media_type="text/html")
