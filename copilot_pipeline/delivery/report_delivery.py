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
from copilot_pipeline.delivery.messages import MAX_FALLBACK, cut, escape
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
    headlines = "\n".join([subject, "", *(f"- {line}" for line in message.headlines)])
    link = settings.link_to(message.file)
    requests = []
    if settings.slack:
        requests.append(_request(message, settings.slack, "slack", settings.slack, _slack_text(headlines, link)))
    for address in settings.leaders:
        mail = _mail(address, subject, headlines, link, message.file)
        requests.append(_request(message, EMAIL_SINK, "email", address, mail))
    for address, of_team in sorted(message.teams.items()):
        heading, link = f"{subject}, your team", settings.link_to(of_team.file)
        if settings.managers and is_email_address(address) and address not in settings.leaders:
            mail = _mail(address, heading, of_team.text, link, of_team.file)
            requests.append(_request(message, EMAIL_SINK, "email", address, mail))
        if sink := settings.slack_of_managers.get(address.casefold()):
            text = _slack_text(f"{heading}\n\n{of_team.text}", link)
            requests.append(_request(message, sink, "slack", f"{sink}: {address}", text))
    return Outbox(database, now=now).add(requests, [])


def _slack_text(text: str, link: str | None) -> dict[str, str]:
    """Return a text for Slack; what is too long is cut before the link."""
    end = f"\n\n{link}" if link else ""
    return {"text": cut(escape(text), MAX_FALLBACK - len(end)) + end}


def _mail(address: str, subject: str, text: str, link: str | None, file: str) -> dict[str, str]:
    end = f"\n\n{link}" if link else ""
    return {"to": address, "subject": subject, "text": f"{text}{end}\n", "attach": file}


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
