"""Rules: from a scored call to a delivery request. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.routes import (
    ANNOUNCING,
    DEFAULT_MAX_AGE,
    RouteSettings,
    SinkSettings,
    all_sinks,
)
from copilot_pipeline.config.urls import LINK_HOSTS, is_allowed_link
from copilot_pipeline.delivery.brick_labels import BrickLabels
from copilot_pipeline.delivery.conditions import applies
from copilot_pipeline.delivery.deal_pages import DealUrls, deal_page
from copilot_pipeline.delivery.mapping import crm_value, mapped_fields, to_json_value
from copilot_pipeline.delivery.messages import slack_message
from copilot_pipeline.delivery.model import DeliveryRequest, UnlinkedCall
from copilot_pipeline.delivery.targets import canonical_record_id, record_id
from copilot_pipeline.marts.model import KitRun, ScoredCall

ONCE_PER_CALL = "once"  # the version of messages that are sent once per call, however often it is scored
EVENT_TYPE = "call.scored"


@dataclass(frozen=True, slots=True)
class Rule:
    """A route with its sink and the kits whose answers it needs."""

    route: RouteSettings
    sink_name: str
    sink: SinkSettings
    kits: tuple[str, ...]
    link_hosts: tuple[str, ...] = LINK_HOSTS
    zone: tzinfo = UTC  # in which messages show times
    deal_urls: DealUrls = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the route's name."""
        return self.route.name

    @property
    def sends_messages(self) -> bool:
        """Return whether it sends messages; otherwise it updates CRM records."""
        return self.sink.kind in ANNOUNCING

    @property
    def max_age(self) -> timedelta | None:
        """Return the age beyond which calls are suppressed; None for no limit."""
        if self.route.max_age is None:
            return DEFAULT_MAX_AGE if self.sends_messages else None
        return self.route.max_age if isinstance(self.route.max_age, timedelta) else None

    @property
    def suppresses_first_run(self) -> bool:
        """Return whether calls scored before the route was active are suppressed."""
        return self.route.first_run == "suppress" or (self.route.first_run is None and self.sends_messages)

    def evaluate(
        self,
        call: ScoredCall,
        *,
        now: datetime,
        active_since: datetime,
        include_suppressed: bool = False,
        labels: BrickLabels | None = None,
    ) -> DeliveryRequest | UnlinkedCall | None:
        """Return the requested delivery, or the call without a record, or None.

        `include_suppressed` also sends calls that are too old or were scored before the rule was active. `labels` are
        the names and scales of bricks in messages.
        """
        runs = self._completed_runs(call)
        if not runs or not applies(self.route.when, call):
            return None
        call = self._with_allowed_link(call)
        fields = mapped_fields(self.route.map, call)
        record: str | None = None
        if self.sink.kind in ("salesforce", "hubspot"):
            if not fields:
                return None  # no brick of it has a value
            record, reason = record_id(self.sink.kind, call.fields)
            if record is None:
                return self._unlinked(call, reason or "")
        scored_at = max((run.finished_at for run in runs if run.finished_at), default=now)
        suppressed_because = self._suppressed_because(call, scored_at, now, active_since)
        return DeliveryRequest(
            route=self.name,
            sink=self.sink_name,
            kind=self.sink.kind,
            call_id=call.call_id,
            version=ONCE_PER_CALL if self.sink.kind == "slack" else _digest(*(run.version for run in runs)),
            target=canonical_record_id(self.sink.kind, record) if record else "",
            call_started_at=call.started_at,
            scored_at=scored_at,
            payload=self._payload(call, scored_at, record, fields, labels or {}),
            suppressed_because=None if include_suppressed else suppressed_because,
        )

    def has_all_answers(self, call: ScoredCall) -> bool:
        """Return whether every kit has answered or was skipped.

        If so, the absence of a request means that the call contributes nothing.

        A failed run proves nothing, and nothing that was sent before is withdrawn because of it.
        """
        statuses = [call.runs[kit].status if kit in call.runs else "pending" for kit in self.kits]
        return "succeeded" in statuses and set(statuses) <= {"succeeded", "skipped"}

    def _completed_runs(self, call: ScoredCall) -> list[KitRun]:
        """Return the runs of the kits once all of them are complete.

        None while an answer is missing, or if no run has succeeded.

        So that one message has all answers, instead of several messages with a part each.
        """
        runs = [call.runs[kit] for kit in self.kits if kit in call.runs]
        if len(runs) < len(self.kits) or any(run.is_open for run in runs):
            return []
        return runs if any(run.has_succeeded for run in runs) else []

    def _with_allowed_link(self, call: ScoredCall) -> ScoredCall:
        if is_allowed_link(call.fields.get("review_url"), self.link_hosts):
            return call
        return replace(call, fields={**call.fields, "review_url": None})

    def _unlinked(self, call: ScoredCall, reason: str) -> UnlinkedCall:
        system, deal_id = call.fields.get("crm_system"), call.fields.get("deal_id")
        return UnlinkedCall(self.name, call.call_id, reason, system, deal_id)

    def _suppressed_because(
        self, call: ScoredCall, scored_at: datetime, now: datetime, active_since: datetime
    ) -> str | None:
        if self.suppresses_first_run and scored_at < active_since:
            return "scored before the route was active"
        if self.max_age is not None and now - call.started_at > self.max_age:
            return f"the call was older than {format_duration(self.max_age)} when it was scored"
        return None

    def _payload(
        self,
        call: ScoredCall,
        scored_at: datetime,
        record: str | None,
        fields: dict[str, Any],
        labels: BrickLabels,
    ) -> dict[str, Any]:
        if self.sink.kind == "slack":
            deal = deal_page(call.fields, self.sink.deal_url, self.deal_urls)
            return slack_message(call, self.route, deal, fields, zone=self.zone, labels=labels)
        if self.sink.kind == "webhook":
            data = fields if self.route.map else event_data(call)
            return {"type": EVENT_TYPE, "timestamp": scored_at.isoformat(), "route": self.name, "data": data}
        return {"id": record, "fields": {name: crm_value(value) for name, value in fields.items()}}


def configured_rules(settings: Settings) -> list[Rule]:
    """Return the rules of pipeline.yaml."""
    pipeline = settings.pipeline
    address = settings.environment.salesforce_base_url
    deal_urls = {"salesforce": f"{address}/lightning/r/Opportunity/{{deal_id}}/view"} if address else {}
    return build_rules(
        pipeline.routes,
        pipeline.sinks,
        list(pipeline.kits),
        deal_urls=deal_urls,
        zone=settings.zone,
        link_hosts=pipeline.advanced.clari.link_hosts,
    )


def build_rules(
    routes: Sequence[RouteSettings],
    sinks: Mapping[str, SinkSettings],
    kits: Sequence[str],
    *,
    deal_urls: DealUrls | None = None,
    zone: tzinfo = UTC,
    link_hosts: tuple[str, ...] = LINK_HOSTS,
) -> list[Rule]:
    """Combine routes with their sinks and kits.

    A route that names no kit needs the answers of all kits.
    """
    sinks_by_name = all_sinks(sinks)
    rules = []
    for route in routes:
        sink = sinks_by_name[route.send]
        rules.append(
            Rule(
                route,
                route.send,
                sink,
                route.kits or tuple(kits),
                link_hosts,
                zone,
                {**(deal_urls or {}), **sink.deal_urls},
            )
        )
    return rules


def event_data(call: ScoredCall) -> dict[str, Any]:
    """Return a call and all of its answers, these under `bricks.<kit>.<brick>.value`."""
    bricks: dict[str, dict[str, Any]] = {}
    for (kit, brick), answer in call.bricks.items():
        bricks.setdefault(kit, {})[brick] = {
            "value": answer.value,
            "confidence": answer.confidence,
            "reason": answer.reason,
            "evidence": list(answer.evidence),
        }
    return {**{name: to_json_value(value) for name, value in call.fields.items()}, "bricks": bricks}


def _digest(*versions: str) -> str:
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()[:16]


def format_duration(length: timedelta) -> str:
    """Return a length of time in whole hours or days."""
    hours = int(length.total_seconds() // 3600)
    return f"{hours // 24} days" if hours >= 48 and hours % 24 == 0 else f"{hours} hours"
