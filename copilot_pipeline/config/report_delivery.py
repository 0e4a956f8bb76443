"""Where the weekly report is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field, field_validator

from copilot_pipeline.config.route_checks import Mistake
from copilot_pipeline.config.routes import SinkSettings
from copilot_pipeline.config.types import Strict

_EMAIL = re.compile(r"[^@\s<>,;\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", re.ASCII)


class ReportSendSettings(Strict):
    """Recipients of the weekly report. Each gets one message per week."""

    slack: str | None = Field(default=None, description="Sink of kind slack that gets the headlines. Default: none.")
    leaders: tuple[str, ...] = Field(
        default=(), description="E-mail addresses that get the whole report as an attachment (`SMTP_URL`, `SMTP_FROM`)."
    )
    managers: bool = Field(
        default=False, description="Whether each manager gets the report on the own team by e-mail, as an attachment."
    )
    link: str | None = Field(
        default=None, description="Address at which the report is published, for the messages. Default: none."
    )

    @field_validator("leaders")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            if not is_email_address(address):
                raise ValueError(f"{address!r} is not an e-mail address such as ana@example.com")
        return tuple(dict.fromkeys(addresses))

    @field_validator("link")
    @classmethod
    def _is_a_link(cls, link: str | None) -> str | None:
        if link is not None and re.fullmatch(r"https://[!-~]+", link) is None:
            raise ValueError("must begin with https://")
        return link


def report_mistakes(send: ReportSendSettings, sinks: Mapping[str, SinkSettings]) -> list[Mistake]:
    """Find a sink that is not of kind slack."""
    if send.slack is None or (send.slack in sinks and sinks[send.slack].kind == "slack"):
        return []
    return [Mistake(("marts", "report", "send", "slack"), f"{send.slack!r} is not a sink of kind slack")]


def is_email_address(text: str | None) -> bool:
    """Whether a text is one plain e-mail address, which cannot add headers or recipients to a message."""
    return text is not None and text.isascii() and _EMAIL.fullmatch(text) is not None
