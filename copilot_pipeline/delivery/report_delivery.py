"""The weekly report as messages: one per recipient and week.

The messages hold no quotes. The report itself is attached from its file when it is sent, so that what was erased or
replaced meanwhile is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from copilot_pipeline.config.report_delivery import ReportSendSettings, is_email_address
from copilot_pipeline.delivery.clock import Clock
from copilot_pipeline.delivery.messages import MAX_FALLBACK, escape
from copilot_pipeline.delivery.model import DeliveryRequest
from copilot_pipeline.delivery.outbox import Outbox
from copilot_pipeline.postgres import Database

ROUTE = "report: weekly"
EMAIL_SINK = "report: e-mail"  # not a possible name of a sink of the settings, whose addresses are others


@dataclass(frozen=True, slots=True)
class TeamMessage:
    """What a manager gets: the own team's figures as text, and the report on the own team."""

    text: str
    file: str  # in the lake


@dataclass(frozen=True, slots=True)
class WeeklyMessage:
    """What is sent of a report. `teams` has that of each manager, by e-mail address."""

    week: date
    title: str
    file: str  # in the lake
    headlines: Sequence[str]
    teams: Mapping[str, TeamMessage]


def enqueue_report(
    database: Database, message: WeeklyMessage, settings: ReportSendSettings, *, now: Clock | None = None
) -> int:
    """Enqueue the report for each recipient that has none of this week yet; return the number of new messages."""
    subject = f"{message.title}: week of {message.week.day} {message.week:%B %Y}"
    text = "\n".join([subject, "", *(f"- {line}" for line in message.headlines)])
    link = f"\n\n{settings.link}" if settings.link else ""
    requests = []
    if settings.slack:
        content = {"text": (escape(text) + link)[:MAX_FALLBACK]}
        requests.append(_request(message, settings.slack, "slack", settings.slack, content))
    for address in settings.leaders:
        mail = {"to": address, "subject": subject, "text": f"{text}{link}\n", "attach": message.file}
        requests.append(_request(message, EMAIL_SINK, "email", address, mail))
    for address, of_team in sorted(message.teams.items()) if settings.managers else ():
        if is_email_address(address) and address not in settings.leaders:
            mail = {
                "to": address,
                "subject": f"{subject}, your team",
                "text": f"{of_team.text}{link}\n",
                "attach": of_team.file,
            }
            requests.append(_request(message, EMAIL_SINK, "email", address, mail))
    return Outbox(database, now=now).add(requests, [])


def _request(
    message: WeeklyMessage, sink: str, kind: str, recipient: str, payload: Mapping[str, Any]
) -> DeliveryRequest:
    moment = datetime.combine(message.week, time(), UTC)
    return DeliveryRequest(
        route=ROUTE,
        sink=sink,
        kind=kind,
        call_id=f"report of {message.week}",
        version=recipient,
        target="",
        call_started_at=moment,
        scored_at=moment,
        payload=payload,
    )
