"""Faults that `POST /_sandbox/faults` or `Sandbox.set_faults` switch on."""

from __future__ import annotations

import hashlib

import msgspec

GARBLED = ("html", "cut", "empty")
SINKS = ("slack", "salesforce", "hubspot", "hooks")


class Faults(msgspec.Struct, forbid_unknown_fields=True):
    """All faults, off by default.

    A share is that of affected requests, which are the same in every execution.
    """

    # Clari Copilot
    refuse_credentials: bool = False
    error_status: int | None = None  # the status of `error_share` of the responses
    error_share: float = 0.0
    hang_up_share: float = 0.0  # the connection is closed in the middle of the response (truncated)
    html_share: float = 0.0  # 200, with the HTML page of a proxy
    cut_share: float = 0.0  # 200, complete for HTTP, with half of the JSON
    empty_share: float = 0.0  # 200 without a body
    detail_bodies: dict[str, str] = {}  # details of these calls are one of GARBLED
    slow_ms: float = 0.0
    retry_after: int | None = None  # sent with 429
    page_502_over: int | None = None  # list pages with more calls than this are 502
    repeat_pages: bool = False  # every page is the first page
    malformed: list[str] = []  # details of these calls are truncated
    not_found: list[str] = []  # details of these calls are 404
    detail_status: dict[str, int] = {}  # status of the details of these calls
    users_status: int | None = None  # status of /users
    foreign_requests: int = 0  # requests of this week by another client with the same key
    # Semarize
    semarize_garbled_share: float = 0.0  # 200 with one of GARBLED in turn; the run is created
    semarize_lost_answer_share: float = 0.0  # the run is created, but the response is lost
    semarize_429_share: float = 0.0
    semarize_500_share: float = 0.0
    semarize_failed_share: float = 0.0  # runs that fail
    semarize_ignores_keys: bool = False  # Idempotency-Key is ignored: every request creates a run
    semarize_stuck: bool = False  # runs stay queued
    kit_version: str | None = None  # a new version of each kit is published
    # Sinks
    sink_down: list[str] = []  # any of SINKS
    sink_429_share: float = 0.0
    salesforce_read_only: list[str] = []  # fields without write permission
    salesforce_unknown: list[str] = []  # fields that do not exist


class Dice:
    """Deterministic chance: the n-th roll of a name is the same in every execution."""

    def __init__(self) -> None:
        self._rolls: dict[str, int] = {}

    def roll(self, name: str, share: float) -> bool:
        """True for about `share` of the rolls."""
        if share <= 0:
            return False
        count = self._rolls[name] = self._rolls.get(name, 0) + 1
        digest = hashlib.sha256(f"{name}:{count}".encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32 < share
