"""Rules: from a scored call to the delivery that should exist, or the reason why it cannot. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from copilot_pipeline.config.routes import (
    ANNOUNCING,
    DEFAULT_MAX_AGE,
    RouteSettings,
    SinkSettings,
    all_sinks,
)
from copilot_pipeline.delivery.conditions import applies
from copilot_pipeline.delivery.mapping import crm_value, mapped_fields, plain
from copilot_pipeline.delivery.messages import slack_message
from copilot_pipeline.delivery.model import DeliveryRequest, Unlinked
from copilot_pipeline.delivery.targets import record_id, same_record
from copilot_pipeline.marts.model import ScoredCall

ONCE = "once"  # the version of what is said once a call, however often it is scored
EVENT_TYPE = "call.scored"


@dataclass(frozen=True, slots=True)
class Rule:
    """A route with the sink it leads to and the kits it waits for."""

    route: RouteSettings
    sink_name: str
    sink: SinkSettings
    kits: tuple[str, ...]

    @property
    def name(self) -> str:
        """The route's name."""
        return self.route.name

    @property
    def is_announcement(self) -> bool:
        """It tells somebody something new; otherwise it keeps a record up to date."""
        return self.sink.kind in ANNOUNCING

    @property
    def max_age(self) -> timedelta | None:
        """How old a call may be when it is to be sent; None for any age."""
        if self.route.max_age is None:
            return DEFAULT_MAX_AGE if self.is_announcement else None
        return self.route.max_age if isinstance(self.route.max_age, timedelta) else None

    @property
    def is_silent_at_first(self) -> bool:
        """What was scored before the rule was there is not sent."""
        return self.route.first_run == "suppress" or (self.route.first_run is None and self.is_announcement)

    def consider(
        self, call: ScoredCall, *, now: datetime, since: datetime, is_loud: bool = False
    ) -> DeliveryRequest | Unlinked | None:
        """What this rule wants of the call: a delivery, a record that is not there, or nothing (yet).

        `since` is when the rule was first seen. `is_loud` sends what is old or was there before the rule.
        """
        runs = [call.runs[kit] for kit in self.kits if kit in call.runs]
        if len(runs) < len(self.kits) or any(run.is_open for run in runs):
            return None  # an answer is still to come: one message with all of it, not two with a part each
        if not any(run.status == "succeeded" for run in runs) or not applies(self.route.when, call):
            return None
        fields = mapped_fields(self.route.map, call)
        target, record = "", None
        if self.sink.kind in ("salesforce", "hubspot") and not fields:
            return None  # no brick of it was answered
        if self.sink.kind in ("salesforce", "hubspot"):
            record, reason = record_id(self.sink.kind, call.fields)
            if record is None:
                system, deal_id = call.fields.get("crm_system"), call.fields.get("deal_id")
                return Unlinked(self.name, call.call_id, reason or "", system, deal_id)
            target = same_record(self.sink.kind, record)
        scored_at = max((run.finished_at for run in runs if run.finished_at), default=now)
        payload = self._payload(call, scored_at, record, fields)
        silent = None if is_loud else self._silent_because(call, scored_at, now, since)
        version = ONCE if self.sink.kind == "slack" else _digest(*(run.version for run in runs))
        return DeliveryRequest(
            self.name, self.sink_name, self.sink.kind, call.call_id, call.started_at, scored_at, version, target,
            payload, silent,
        )  # fmt: skip

    def knows(self, call: ScoredCall) -> bool:
        """Every kit it waits for has answered, or is not for this call: what it does not want now, it does not want.

        A run that failed says nothing, and takes nothing back that was said before.
        """
        statuses = [call.runs[kit].status if kit in call.runs else "pending" for kit in self.kits]
        return "succeeded" in statuses and set(statuses) <= {"succeeded", "skipped"}

    def _silent_because(self, call: ScoredCall, scored_at: datetime, now: datetime, since: datetime) -> str | None:
        if self.is_silent_at_first and scored_at < since:
            return "scored before the rule was there"
        if self.max_age is not None and now - call.started_at > self.max_age:
            return f"the call was older than {in_words(self.max_age)} when it was scored"
        return None

    def _payload(
        self, call: ScoredCall, scored_at: datetime, record: str | None, fields: dict[str, Any]
    ) -> dict[str, Any]:
        if self.sink.kind == "slack":
            return slack_message(self.name, call, self.route, self.sink.deal_url, fields)
        if self.sink.kind == "webhook":
            data = fields if self.route.map else everything(call)
            return {"type": EVENT_TYPE, "timestamp": scored_at.isoformat(), "route": self.name, "data": data}
        return {"id": record, "fields": {name: crm_value(value) for name, value in fields.items()}}


def rules_of(
    routes: Sequence[RouteSettings], sinks: dict[str, SinkSettings], kits: Sequence[str], *, deal_url: str | None = None
) -> list[Rule]:
    """The rules of pipeline.yaml. A rule waits for the kits it names, or for all where it names none."""
    known = all_sinks(sinks)
    rules = []
    for route in routes:
        sink = known[route.send]
        if sink.kind == "slack" and sink.deal_url is None and deal_url is not None:
            sink = sink.model_copy(update={"deal_url": deal_url})
        rules.append(Rule(route, route.send, sink, route.kits or tuple(kits)))
    return rules


def everything(call: ScoredCall) -> dict[str, Any]:
    """A call and all its answers: `bricks.<kit>.<brick>.value`, as the guide's router reads them."""
    bricks: dict[str, dict[str, Any]] = {}
    for (kit, brick), answer in call.bricks.items():
        bricks.setdefault(kit, {})[brick] = {
            "value": answer.value,
            "confidence": answer.confidence,
            "reason": answer.reason,
            "evidence": list(answer.evidence),
        }
    return {**{name: plain(value) for name, value in call.fields.items()}, "bricks": bricks}


def _digest(*versions: str) -> str:
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()[:16]


def in_words(length: timedelta) -> str:
    """A length of time as people say it, in whole hours or days."""
    hours = int(length.total_seconds() // 3600)
    return f"{hours // 24} days" if hours >= 48 and hours % 24 == 0 else f"{hours} hours"
