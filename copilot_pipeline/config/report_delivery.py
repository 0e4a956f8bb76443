"""Where the weekly report is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import Field, field_validator

from copilot_pipeline.config.route_checks import Mistake
from copilot_pipeline.config.routes import SinkSettings
from copilot_pipeline.config.types import Strict

_EMAIL = re.compile(r"[^@\s<>,;\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", re.ASCII)

_SEND = ("marts", "report", "send")


class ReportSendSettings(Strict):
    """Recipients of the weekly report. Each gets one message per week."""

    slack: str | None = Field(default=None, description="Sink of kind slack that gets the headlines. Default: none.")
    leaders: tuple[str, ...] = Field(
        default=(), description="E-mail addresses that get the whole report as an attachment (`SMTP_URL`, `SMTP_FROM`)."
    )
    managers: bool = Field(
        default=False, description="Whether each manager gets the report on the own team by e-mail, as an attachment."
    )
    slack_of_managers: dict[str, str] = Field(
        default={},
        description="Sinks of kind slack, by the e-mail address of a manager: each gets the figures of the own team "
        "and the link to its report.",
    )
    link: str | None = Field(
        default=None,
        description="Address at which the report is published, for the messages. `{file}` stands for the name of the "
        "file in `reports` of the lake, which for a manager is that of the own team. Default: none.",
    )

    @property
    def has_team_reports(self) -> bool:
        """Whether managers get the report on their own team."""
        return self.managers or bool(self.slack_of_managers)

    @property
    def slack_sinks(self) -> tuple[str, ...]:
        """The sinks of kind slack, each once."""
        return tuple(dict.fromkeys((*((self.slack,) if self.slack else ()), *self.slack_of_managers.values())))

    def link_to(self, file: str) -> str | None:
        """Return the address of a report by its file in the lake; without `{file}`, of all of them."""
        return self.link.replace("{file}", file.rpartition("/")[2]) if self.link else None

    @field_validator("leaders")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            if not is_email_address(address):
                raise ValueError(f"{address!r} is not an e-mail address such as ana@example.com")
        return tuple(dict.fromkeys(addresses))

    @field_validator("slack_of_managers")
    @classmethod
    def _are_by_address(cls, sinks: dict[str, str]) -> dict[str, str]:
        cls._are_addresses(tuple(sinks))
        return {address.casefold(): sink for address, sink in sinks.items()}

    @field_validator("link")
    @classmethod
    def _is_a_link(cls, link: str | None) -> str | None:
        if link is not None and re.fullmatch(r"https://[!-~]+", link) is None:
            raise ValueError("must begin with https://")
        return link


def report_mistakes(send: ReportSendSettings, sinks: Mapping[str, SinkSettings]) -> list[Mistake]:
    """Find sinks that are not of kind slack."""
    named: dict[tuple[str, ...], str] = {
        (*_SEND, "slack_of_managers", address): sink for address, sink in send.slack_of_managers.items()
    }
    if send.slack is not None:
        named[*_SEND, "slack"] = send.slack
    return [
        Mistake(place, f"{sink!r} is not a sink of kind slack")
        for place, sink in named.items()
        if sink not in sinks or sinks[sink].kind != "slack"
    ]


def is_email_address(text: str | None) -> bool:
    """Whether a text is one plain e-mail address, which cannot add headers or recipients to a message."""
    return text is not None and text.isascii() and _EMAIL.fullmatch(text) is not None
