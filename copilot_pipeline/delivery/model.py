"""What is delivered: a scored call as rules see it, a message that goes out, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message on its way. `message_id` is the same at every attempt."""

    delivery_id: int
    message_id: str
    target: str  # the record's id in a CRM; empty elsewhere
    payload: Mapping[str, Any]


class Verdict(StrEnum):
    """What became of an attempt."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # for good: the same again would be refused again
    LATER = "later"
    UNSURE = "unsure"  # it may have arrived, and sending again may repeat it


class Trouble(StrEnum):
    """Why nothing goes to a sink at the moment: it concerns all of its deliveries."""

    DOWN = "down"  # no answer, or 5xx
    BUSY = "busy"  # 429
    CREDENTIALS = "credentials"  # the key or the address is not accepted: a person is needed


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one delivery's attempt. `trouble` is set where it concerns the whole sink."""

    verdict: Verdict
    reason: str | None = None
    retry_after_seconds: float | None = None
    trouble: Trouble | None = None


DELIVERED = Outcome(Verdict.DELIVERED)


class Sink(Protocol):
    """Somewhere results go. Never raises for what a server does: that is an outcome."""

    kind: str
    batch_size: int

    def send(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Tries once, and says for each delivery what became of it, in the same order."""

    def doubt(self) -> None:
        """It left a message unanswered: where a repeat does harm, it has to answer before another one is risked."""

    def close(self) -> None:
        """Closes connections."""


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """A delivery that a rule asks for. The outbox keeps it once for (rule, call, version, target)."""

    route: str
    sink: str
    kind: str
    call_id: str
    call_started_at: datetime
    scored_at: datetime
    version: str
    target: str
    payload: Mapping[str, Any]
    silent_because: str | None = None  # set: it is kept as silenced and never sent


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A call that a rule wants to write back, and that has no record to be written to."""

    route: str
    call_id: str
    reason: str
    crm_system: str | None = None
    deal_id: str | None = field(default=None)
