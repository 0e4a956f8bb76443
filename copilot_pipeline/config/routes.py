"""Sinks, routes and incidents of `pipeline.yaml`.

Shapes are validated here, names that refer to other settings in `route_checks`. Whether a brick exists in its kit is
checked against Semarize by `delivery.rule_checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from copilot_pipeline.config.bricks import Brick, BrickRef, FieldSource
from copilot_pipeline.config.conditions import ConditionSettings
from copilot_pipeline.config.types import Keys, Strict

SinkKind = Literal["slack", "salesforce", "hubspot", "webhook"]
SINK_KINDS: tuple[SinkKind, ...] = ("slack", "salesforce", "hubspot", "webhook")
# Sinks that announce events: repeated and old messages are unwanted. The other sinks hold a state.
ANNOUNCING: frozenset[str] = frozenset({"slack", "webhook", "email"})
DEFAULT_MAX_AGE = timedelta(days=3)

_DURATION = re.compile(r"([0-9]{1,5})\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,80}")


def _duration(value: object) -> object:
    if value is None or isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration such as 90m, 12h, 3d or 2w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class SinkSettings(Strict):
    """A destination of results.

    Addresses and keys are in the environment; the sink names their variables.
    """

    kind: SinkKind = Field(description="`slack`, `salesforce`, `hubspot` or `webhook`.")
    url_env: str | None = Field(
        default=None, description="Name of the variable that holds the address. Default: by kind."
    )
    key_env: str | None = Field(
        default=None,
        description="Name of the variable that holds the secret, token or client secret. Default: by kind.",
    )
    client_id_env: str | None = Field(
        default=None, description="Name of the variable that holds the client id (salesforce)."
    )
    deal_url: str | None = Field(
        default=None, description="Address of a deal's page, with `{deal_id}` as a placeholder (slack)."
    )
    deal_urls: dict[Literal["salesforce", "hubspot"], str] = Field(
        default_factory=dict,
        description="The same by CRM, such as `hubspot: https://app.hubspot.com/contacts/<portal>/record/0-3/{deal_id}`."
        " Default for salesforce: by `SALESFORCE_BASE_URL`. A deal of a CRM without an address has no link (slack).",
    )
    on_uncertain: Literal["hold", "resend"] = Field(
        default="hold",
        description="What happens to a message whose response was lost (slack): `hold` it for a decision, or `resend`.",
    )

    @field_validator("url_env", "key_env", "client_id_env")
    @classmethod
    def _names_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not _VARIABLE.fullmatch(name):
            # The message does not repeat the value, which may be the secret itself.
            raise ValueError("must be the name of an environment variable, such as SLACK_WEBHOOK_URL")
        return name

    @field_validator("deal_urls")
    @classmethod
    def _have_placeholders(cls, urls: dict[str, str]) -> dict[str, str]:
        return {crm: cls._has_a_placeholder(url) or "" for crm, url in urls.items()}

    @field_validator("deal_url")
    @classmethod
    def _has_a_placeholder(cls, url: str | None) -> str | None:
        before_id = (url or "").partition("{deal_id}")[0]
        if url is not None and (before_id == url or re.fullmatch(r"https?://[^/?#\s]+[/?#]\S*", before_id) is None):
            raise ValueError("must be an address with {deal_id} in it, after the host")
        return url


class RouteSettings(Strict):
    """One rule: which calls are sent, where, and with which fields."""

    name: str = Field(description="Unique name. Do not change it: what was sent under it is not sent again.")
    when: ConditionSettings | None = Field(default=None, description="Which calls. Default: every scored call.")
    send: str = Field(description="The sink: `slack`, `salesforce`, `hubspot`, `webhook`, or one of `sinks`.")
    map: dict[str, FieldSource] = Field(
        default_factory=dict,
        description="Field of the sink: `kit.brick`, `kit.brick.reason`, `call.title`, or `{value: …}`.",
    )
    score: Brick | None = Field(default=None, description="The brick shown as the score (slack).")
    max_age: Duration | Literal["none"] | None = Field(
        default=None, description="Older calls are not sent. Default: `3d` for slack and webhook, `none` for a CRM."
    )
    first_run: Literal["suppress", "send"] | None = Field(
        default=None,
        description="Calls scored before the route existed. Default: `suppress` (slack, webhook) or `send` (CRM).",
    )

    @field_validator("max_age", mode="before")
    @classmethod
    def _parse_duration(cls, value: object) -> object:
        return value if value == "none" else _duration(value)

    @field_validator("name")
    @classmethod
    def _is_printable(cls, name: str) -> str:
        if not _NAME.fullmatch(name) or name != name.strip():
            raise ValueError("must be 1 to 80 printable characters")
        return name

    def references(self) -> Iterator[tuple[Keys, BrickRef, ConditionSettings | None]]:
        """Yield the keys that lead to each brick, the brick, and its comparison."""
        for keys, brick, condition in self.when.comparisons(("when",)) if self.when else ():
            yield (*keys, "brick"), brick, condition
        for name, source in self.map.items():
            if isinstance(source, BrickRef):
                yield ("map", name), source, None
        if self.score is not None:
            yield ("score",), self.score, None

    @property
    def kits(self) -> tuple[str, ...]:
        """The kits the route refers to, each once."""
        return tuple(dict.fromkeys(brick.kit for _, brick, _ in self.references()))


class IncidentSettings(Strict):
    """Where failures are reported, and how often."""

    send: tuple[str, ...] = Field(default=(), description="Sinks of kind slack or webhook that receive incidents.")
    repeat_after: Duration = Field(
        default=timedelta(days=1), description="Time after which an incident that is still open is sent again."
    )


def all_sinks(sinks: Mapping[str, SinkSettings]) -> dict[str, SinkSettings]:
    """The named sinks, and one of each kind under the kind's own name."""
    return {**{kind: SinkSettings(kind=kind) for kind in SINK_KINDS}, **sinks}
