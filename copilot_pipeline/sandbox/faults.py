"""What can be made to go wrong, by `POST /_sandbox/faults` or `Sandbox.set_faults`."""

from __future__ import annotations

import hashlib

import msgspec

SINKS = ("slack", "salesforce", "hubspot", "hooks")


class Faults(msgspec.Struct, forbid_unknown_fields=True):
    """Everything off. A share is of the requests, spread evenly and the same at every run."""

    # Clari Copilot
    refuse_credentials: bool = False
    error_status: int | None = None  # answered to `error_share` of the requests
    error_share: float = 0.0
    hang_up_share: float = 0.0  # the connection closes in the middle of the answer
    slow_ms: float = 0.0
    retry_after: int | None = None  # sent with 429
    page_502_over: int | None = None  # a list page of more calls than this is answered 502
    repeat_pages: bool = False  # every page is the first one
    malformed: list[str] = []  # details of these calls are cut in half
    not_found: list[str] = []  # details of these calls are not there
    detail_status: dict[str, int] = {}  # details of these calls end like this
    foreign_requests: int = 0  # requests of this week by somebody else on the same key
    # Semarize
    semarize_lost_answer_share: float = 0.0  # the run is created, the answer is not sent
    semarize_429_share: float = 0.0
    semarize_500_share: float = 0.0
    semarize_failed_share: float = 0.0  # runs that end as failed
    semarize_forgets_keys: bool = False  # every request makes a run, whatever its Idempotency-Key
    semarize_stuck: bool = False  # runs stay queued
    kit_version: str | None = None  # a kit is published anew in the middle of the day
    # Sinks
    sink_down: list[str] = []  # any of SINKS
    sink_429_share: float = 0.0
    salesforce_read_only: list[str] = []  # fields that may not be written
    salesforce_unknown: list[str] = []  # fields that do not exist


class Dice:
    """Chance without chance: the n-th throw of a name is the same at every run."""

    def __init__(self) -> None:
        self._throws: dict[str, int] = {}

    def falls(self, name: str, share: float) -> bool:
        """True for about `share` of the throws."""
        if share <= 0:
            return False
        count = self._throws[name] = self._throws.get(name, 0) + 1
        digest = hashlib.sha256(f"{name}:{count}".encode()).digest()
        return int.from_bytes(digest[:4], "big") / 2**32 < share
