"""Scored calls, rules, and servers that behave like the sinks."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from copilot_pipeline.config.routes import RouteSettings, SinkSettings
from copilot_pipeline.delivery.dispatcher import Dispatcher
from copilot_pipeline.delivery.outbox import Outbox
from copilot_pipeline.delivery.rules import Rule, build_rules
from copilot_pipeline.delivery.sinks import HubspotSink, SalesforceSink, SlackSink, WebhookSink
from copilot_pipeline.marts.model import BrickAnswer, KitRun, ScoredCall
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.http_servers import ReceivedRequest, Reply, reply

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = date(2026, 3, 10)
KIT = "deal_signals"
DEAL = "006000000000001AAA"

RISK = {"name": "Risk", "when": {"brick": f"{KIT}.risk_flag", "is": True}, "send": "slack", "first_run": "send"}
OPPORTUNITY = {
    "name": "Opportunity",
    "send": "salesforce",
    "map": {"Confidence__c": f"{KIT}.deal_confidence", "Risk__c": f"{KIT}.risk_flag"},
}
HOOK = {"name": "Hook", "send": "webhook", "first_run": "send"}


class Clock:
    """A clock that advances when a test moves it or sleeps."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def move(self, **duration: float) -> None:
        self.now += timedelta(**duration)


def scored(bricks: Mapping[str, Any] | None = None, *, call_id: str = "call-1", **fields: Any) -> ScoredCall:
    """A call with answers of its kit."""
    answers = {(KIT, name): BrickAnswer(value) for name, value in (bricks or {}).items()}
    known = {"call_id": call_id, "title": "Northwind x Acme", "started_at": NOW, "crm_system": "SALESFORCE"}
    runs = {KIT: KitRun("succeeded", "v1", NOW)}
    return ScoredCall(
        call_id=call_id, call_date=DAY, started_at=NOW, fields={**known, **fields}, bricks=answers, runs=runs
    )


def rules(*routes: Mapping[str, Any], sinks: Mapping[str, Any] | None = None, **options: Any) -> list[Rule]:
    """Rules of these routes, as in pipeline.yaml."""
    named = {name: SinkSettings.model_validate(sink) for name, sink in (sinks or {}).items()}
    return build_rules([RouteSettings.model_validate(route) for route in routes], named, [KIT], **options)


def add_call(
    database: Database,
    call_id: str,
    bricks: Mapping[str, Any],
    *,
    started_at: datetime = NOW,
    scored_at: datetime = NOW,
    deal_id: str | None = DEAL,
    account_id: str | None = "001000000000001AAA",
    system: str | None = "SALESFORCE",
    version: str = "1",
    status: str = "succeeded",
    title: str = "Northwind x Acme",
) -> None:
    """Add a scored call to the tables, or replace it by a new version."""
    day = started_at.date()
    with database.transaction() as connection:
        for table in ("calls", "semarize_runs", "semarize_scores"):
            connection.execute(f"DELETE FROM copilot.{table} WHERE call_id = %s", (call_id,))
        connection.execute(
            """INSERT INTO copilot.calls (call_id, call_date, title, started_at, status, review_url, has_crm_link,
              crm_system, account_id, deal_id, has_transcript)
            VALUES (%s, %s, %s, %s, 'ready', %s, %s, %s, %s, %s, true)""",
            (call_id, day, title, started_at, f"https://copilot.example/call/{call_id}", bool(deal_id or account_id),
             system, account_id, deal_id),
        )  # fmt: skip
        connection.execute(
            """INSERT INTO copilot.semarize_runs (call_id, kit, call_date, run_id, status, kit_reference,
              kit_version_id, transcript_hash, bricks, finished_at)
            VALUES (%s, %s, %s, %s, %s, 'DEA15164', %s, 'hash', %s, %s)""",
            (call_id, KIT, day, f"run-{version}", status, version, len(bricks), scored_at),
        )
        for name, value in bricks.items():
            kind = _kind(value)
            connection.execute(
                """INSERT INTO copilot.semarize_scores (call_id, kit, brick, call_date, value_kind, value_bool,
                  value_num, value_text, value_json, confidence, reason, evidence, transcript_hash)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 0.9, 'Heard.', ARRAY['They said so.'], 'hash')""",
                (call_id, KIT, name, day, kind, value if kind == "bool" else None, value if kind == "num" else None,
                 value if kind == "text" else None, json.dumps(value) if kind == "json" else None),
            )  # fmt: skip


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    return "num" if isinstance(value, int | float) else "text" if isinstance(value, str) else "json"


class Crm:
    """Salesforce: a token, and records that succeed or fail independently."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.writes: list[dict[str, Any]] = []
        self.unknown: set[str] = set()
        self.read_only: set[str] = set()
        self.tokens = 0
        self.is_expired = False
        self.is_down = False

    def __call__(self, received: ReceivedRequest) -> Reply:
        if self.is_down:
            return reply([{"errorCode": "SERVER_UNAVAILABLE"}], 503)
        if received.path == "/services/oauth2/token":
            self.tokens += 1
            self.is_expired = False
            return reply({"access_token": f"token-{self.tokens}"})
        if self.is_expired or received.headers.get("authorization") != f"Bearer token-{self.tokens}":
            return reply([{"errorCode": "INVALID_SESSION_ID", "message": "Session expired"}], 401)
        sent = json.loads(received.body)["records"]
        names = {name for one in sent for name in one}
        if names & self.unknown:  # the vendor rejects the whole request
            name = min(names & self.unknown)
            return reply([{"errorCode": "INVALID_FIELD", "message": f"No such column '{name}' on sobject"}], 400)
        return reply([self.write(one) for one in sent])

    def write(self, record: dict[str, Any]) -> dict[str, Any]:
        fields = {name: value for name, value in record.items() if name not in ("id", "attributes")}
        for name in fields:
            if name in self.read_only:
                error = {"statusCode": "INVALID_FIELD_FOR_INSERT_UPDATE", "message": f"{fields}", "fields": [name]}
                return {"id": record["id"], "success": False, "errors": [error]}
        self.records.setdefault(record["id"], {}).update(fields)
        self.writes.append({"id": record["id"], **fields})
        return {"id": record["id"], "success": True, "errors": []}


def make_dispatcher(
    database: Database,
    url: str,
    routes: Sequence[Rule],
    clock: Clock | None,
    *,
    build: Callable[[str], Any] | None = None,
    **options: Any,
) -> Dispatcher:
    """A dispatcher whose sinks are all at one address; without a clock it has that of the database."""
    builders: dict[str, Callable[[], Any]] = {
        "slack": lambda: SlackSink(f"{url}/services/T/B/secret"),
        "webhook": lambda: WebhookSink(f"{url}/hook", "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="),
        "salesforce": lambda: SalesforceSink(url, "client", "secret"),
        "hubspot": lambda: HubspotSink(url, "token"),
    }
    kinds = {rule.sink_name: rule.sink.kind for rule in routes}
    return Dispatcher(
        database,
        routes,
        kinds,
        build or (lambda name: builders[kinds[name]]()),
        now=clock,
        sleep=clock.sleep if clock else time.sleep,
        **options,
    )


def states(database: Database) -> Counter[str]:
    """Count the deliveries by state."""
    return Counter(row.state for row in Outbox(database).listed(limit=10_000))
