"""What is delivered: requests, deliveries, and the result of sending one.

Plain values, no I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """A delivery that a route requests.

    The outbox stores one per (route, call, version, target).
    """

    route: str
    sink: str
    kind: str
    call_id: str
    version: str
    target: str  # the record's id in a CRM; empty for messages
    call_started_at: datetime
    scored_at: datetime
    payload: Mapping[str, Any]
    suppressed_because: str | None = None  # if set, it is stored and never sent

    @property
    def message_id(self) -> str:
        """An id that is the same for the same delivery on every machine."""
        identity = "\x1f".join((self.route, self.call_id, self.version, self.target))
        return "msg_" + hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class UnlinkedCall:
    """A call that a route would write to a CRM and that has no record there."""

    route: str
    call_id: str
    reason: str
    crm_system: str | None = None
    deal_id: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery that is leased for sending.

    `message_id` is the same at every attempt.
    """

    id: int
    message_id: str
    target: str
    payload: Mapping[str, Any]


class SendStatus(StrEnum):
    """The result of an attempt; the value is the delivery's next state in the outbox."""

    SENT = "sent"
    FAILED = "failed"  # permanently: the same request would be rejected again
    RETRY = "queued"
    UNCERTAIN = "uncertain"  # the request went out and the response was lost


class SinkProblem(StrEnum):
    """Why a sink accepts nothing at the moment. Concerns all of its deliveries."""

    UNAVAILABLE = "unavailable"  # no response, or 5xx
    THROTTLED = "throttled"  # 429
    CREDENTIALS = "credentials"  # the key or the address is not accepted: a person has to act


@dataclass(frozen=True, slots=True)
class SendResult:
    """The result of an attempt to send one delivery.

    `problem` is set if it concerns the whole sink.
    """

    status: SendStatus
    reason: str | None = None
    retry_after_seconds: float | None = None
    problem: SinkProblem | None = None


SENT = SendResult(SendStatus.SENT)


class Sink(Protocol):
    """A destination of deliveries.

    Returns errors of the server as results and never raises them.
    """

    kind: str
    batch_size: int

    def send(self, batch: Sequence[Delivery]) -> list[SendResult]:
        """Try each delivery once. Returns the results in the same order."""

    def require_probe(self) -> None:
        """Probe the server before the next message is sent.

        Called if the response to an earlier message was lost.

        Does nothing for sinks where a repeat is harmless.
        """

    def close(self) -> None:
        """Close the connections."""
