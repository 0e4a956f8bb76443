"""What `pipeline.yaml` says of delivery: sinks, routes and who is told of failures.

Only shapes and names are looked at here. Whether a brick exists in its kit is known to Semarize alone: see
`delivery.checking`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from copilot_pipeline.config.types import Strict

SinkKind = Literal["slack", "salesforce", "hubspot", "webhook"]
SINK_KINDS: tuple[SinkKind, ...] = ("slack", "salesforce", "hubspot", "webhook")
# Sinks that announce: a repeat is a nuisance, and news is only news while it is new. The others hold a state.
ANNOUNCING: frozenset[str] = frozenset({"slack", "webhook"})
DEFAULT_MAX_AGE = timedelta(days=3)
OPERATORS = ("is", "is_not", "above", "below", "at_least", "at_most", "contains", "one_of")
CALL_FIELDS = frozenset(
    {
        "call_id", "call_date", "title", "started_at", "status", "call_type", "disposition", "duration_s", "review_url",
        "rep_name", "rep_email", "organizer_email", "rep_talk_share", "summary", "crm_system", "account_id",
        "account_name", "deal_id", "deal_name", "deal_value", "deal_stage_before_call", "deal_stage_live",
    }
)  # fmt: skip
BRICK_PARTS = ("value", "confidence", "reason", "evidence")

_DURATION = re.compile(r"^(\d{1,5})\s*(m|h|d|w)$")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_VARIABLE = re.compile(r"^[A-Z][A-Z0-9_]*$")
_CRM_FIELD = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,99}$")
_NAME = re.compile(r"^[^\x00-\x1f\x7f]{1,80}$")


def _duration(value: object) -> object:
    if value is None or isinstance(value, timedelta):
        return value
    found = _DURATION.match(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a length of time such as 90m, 12h, 3d or 2w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Scalar = bool | int | float | str


class ConditionSettings(Strict):
    """A brick compared with a value, or several conditions put together with `all`, `any` and `not`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=False)

    brick: str | None = Field(default=None, description="`kit.brick`.")
    is_: Scalar | None = Field(default=None, validation_alias="is", description="Equal.")
    is_not: Scalar | None = Field(default=None, description="Answered, and not equal.")
    above: float | None = Field(default=None, allow_inf_nan=False, description="A score greater than this.")
    below: float | None = Field(default=None, allow_inf_nan=False, description="A score less than this.")
    at_least: float | None = Field(default=None, allow_inf_nan=False, description="A score of this or more.")
    at_most: float | None = Field(default=None, allow_inf_nan=False, description="A score of this or less.")
    contains: str | None = Field(default=None, description="A list with this item, or a text with this in it.")
    one_of: list[Scalar] | None = Field(default=None, min_length=1, description="Equal to one of these.")
    all_: list[ConditionSettings] | None = Field(
        default=None, min_length=1, validation_alias=AliasChoices("all", "and"), description="Every one is true."
    )
    any_: list[ConditionSettings] | None = Field(
        default=None, min_length=1, validation_alias=AliasChoices("any", "or"), description="At least one is true."
    )
    not_: ConditionSettings | None = Field(default=None, validation_alias="not", description="It is known to be false.")

    @model_validator(mode="after")
    def _says_one_thing(self) -> ConditionSettings:
        joined = [name for name in ("all_", "any_", "not_") if getattr(self, name) is not None]
        compared = [name for name in OPERATORS if self.operand(name) is not None]
        empty = self.model_fields_set - {*joined, "brick"} - {_attribute(name) for name in compared}
        if empty:
            name = min(empty).rstrip("_")
            raise ValueError(f"`{name}` compares with nothing; a missing answer is never true, whatever is asked of it")
        if len(joined) > 1 or (joined and (compared or self.brick)):
            raise ValueError("is several conditions at once: put them under one `all` or `any`")
        if joined:
            return self
        if self.brick is None:
            raise ValueError("needs `brick`, or one of `all`, `any`, `not`")
        if len(compared) != 1:
            raise ValueError(f"needs one comparison of the brick: {', '.join(OPERATORS)}")
        return self

    def operand(self, operator: str) -> Any:
        """What an operator compares with; None where it is not used."""
        return getattr(self, _attribute(operator))

    @property
    def children(self) -> tuple[tuple[tuple[str | int, ...], ConditionSettings], ...]:
        """The conditions in this one, each with its place."""
        found: list[tuple[tuple[str | int, ...], ConditionSettings]] = []
        for name, inner in (("all", self.all_), ("any", self.any_)):
            found += [((name, index), one) for index, one in enumerate(inner or ())]
        return (*found, *((("not",), self.not_),)) if self.not_ else tuple(found)

    def compared(self, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], ConditionSettings]]:
        """Every comparison in it, with its place."""
        if self.brick is not None:
            yield place, self
        for keys, inner in self.children:
            yield from inner.compared((*place, *keys))


def _attribute(operator: str) -> str:
    return "is_" if operator == "is" else operator


class ConstantSettings(Strict):
    """A value that is always the same."""

    value: Scalar = Field(description="The value.")


class SinkSettings(Strict):
    """Somewhere results go. Addresses and keys stand in the environment; here stand the variables' names."""

    kind: SinkKind = Field(description="slack, salesforce, hubspot or webhook.")
    url_env: str | None = Field(default=None, description="Variable with the address. Default: by kind.")
    key_env: str | None = Field(
        default=None, description="Variable with the secret, token or client secret. Default: by kind."
    )
    client_id_env: str | None = Field(default=None, description="Variable with the client id (salesforce).")
    deal_url: str | None = Field(default=None, description="Page of a deal, with `{deal_id}` in it (slack).")
    when_unsure: Literal["hold", "resend"] = Field(
        default="hold",
        description="What becomes of a message of which nobody knows whether it arrived (slack): shown, or sent again.",
    )

    @field_validator("url_env", "key_env", "client_id_env")
    @classmethod
    def _names_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not _VARIABLE.match(name):
            # The value is not repeated: somebody may have put the secret itself here.
            raise ValueError("must be the name of an environment variable, such as SLACK_WEBHOOK_URL")
        return name

    @field_validator("deal_url")
    @classmethod
    def _has_a_place_for_the_deal(cls, url: str | None) -> str | None:
        if url is not None and ("{deal_id}" not in url or not url.startswith(("https://", "http://"))):
            raise ValueError("must be an address with {deal_id} in it")
        return url


class RouteSettings(Strict):
    """One rule: when, where to, and what."""

    name: str = Field(description="Names the rule for ever: what went out under it does not go out again.")
    when: ConditionSettings | None = Field(default=None, description="Which calls. Without: every scored call.")
    send: str = Field(description="A sink: slack, salesforce, hubspot, webhook, or one of `sinks`.")
    map: dict[str, str | ConstantSettings] = Field(
        default_factory=dict, description="The sink's field: `kit.brick`, `kit.brick.reason`, `call.title`, or a value."
    )
    score: str | None = Field(default=None, description="The brick shown as the score (slack).")
    max_age: Duration | Literal["none"] | None = Field(
        default=None, description="Older calls are not sent. Default: 3d for slack and webhook, none for a CRM."
    )
    first_run: Literal["silent", "send"] | None = Field(
        default=None, description="Calls scored before the rule was there. Default: silent for slack and webhook."
    )

    @field_validator("max_age", mode="before")
    @classmethod
    def _length(cls, value: object) -> object:
        return value if value == "none" else _duration(value)

    @field_validator("name")
    @classmethod
    def _is_printable(cls, name: str) -> str:
        if not _NAME.match(name) or name != name.strip():
            raise ValueError("must be 1 to 80 printable characters")
        return name


class IncidentSettings(Strict):
    """Who is told of failures, and how often."""

    send: tuple[str, ...] = Field(default=(), description="Sinks of kind slack or webhook that are told of failures.")
    repeat_after: Duration = Field(default=timedelta(days=1), description="How long until it is said again.")


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake, and the keys that lead to it."""

    keys: tuple[str | int, ...]
    what: str


def all_sinks(sinks: Mapping[str, SinkSettings]) -> dict[str, SinkSettings]:
    """The named sinks, and one of each kind under the kind's own name."""
    return {**{kind: SinkSettings(kind=kind) for kind in SINK_KINDS}, **sinks}


def kit_and_brick(reference: str) -> tuple[str, str, str] | None:
    """`kit.brick` or `kit.brick.part` in its parts; None where it is neither. Keys of bricks hold no dots."""
    parts = reference.split(".")
    if len(parts) == 3 and parts[2] in BRICK_PARTS and all(parts):
        return parts[0], parts[1], parts[2]
    return (parts[0], parts[1], "value") if len(parts) == 2 and all(parts) else None


def mistakes_in(
    routes: Sequence[RouteSettings],
    sinks: Mapping[str, SinkSettings],
    kits: Collection[str],
    incidents: IncidentSettings,
) -> list[Mistake]:
    """What pipeline.yaml alone shows to be wrong: names that lead nowhere, and two rules at one field."""
    known = all_sinks(sinks)
    found = [
        Mistake(("routes", index, "name"), f"two rules are called {route.name!r}; the name is what keeps them apart")
        for index, route in enumerate(routes)
        if Counter(one.name for one in routes)[route.name] > 1
    ]
    for index, route in enumerate(routes):
        found += [Mistake(("routes", index, *one.keys), one.what) for one in _of_route(route, known, kits)]
    found += _fields_written_twice(routes, known)
    for index, name in enumerate(incidents.send):
        sink = known.get(name)
        if sink is None or sink.kind not in ANNOUNCING:
            found.append(Mistake(("incidents", "send", index), f"{name!r} is no sink of kind slack or webhook"))
    return found


def _of_route(route: RouteSettings, known: Mapping[str, SinkSettings], kits: Collection[str]) -> Iterator[Mistake]:
    sink = known.get(route.send)
    if sink is None:
        yield Mistake(("send",), f"there is no sink {route.send!r}; there are {', '.join(known)}")
    elif sink.kind in ("salesforce", "hubspot") and not route.map:
        yield Mistake(("send",), f"a rule for {sink.kind} needs `map`: which field gets which brick")
    elif route.score is not None and sink.kind != "slack":
        yield Mistake(("score",), "only messages to Slack show a score; map the brick to a field instead")
    if not kits:
        yield Mistake(("name",), "there are no `kits`, so nothing is ever scored and nothing sent")
        return
    for place, condition in route.when.compared(("when",)) if route.when else ():
        yield from _reference((*place, "brick"), condition.brick or "", kits, may_be_part=False)
    if route.score is not None:
        yield from _reference(("score",), route.score, kits, may_be_part=False)
    for name, source in route.map.items():
        if isinstance(source, str):
            yield from _reference(("map", name), source, kits, may_be_part=True)
        if sink is None or sink.kind in ANNOUNCING:
            continue
        if name.lower() in ("id", "attributes"):
            yield Mistake(
                ("map", name), "is not a field that can be written: the record comes from the call's CRM link"
            )
        elif not _CRM_FIELD.match(name):
            yield Mistake(("map", name), "is no field's API name: letters, digits and `_`, such as Deal_Confidence__c")


def _reference(
    keys: tuple[str | int, ...], reference: str, kits: Collection[str], *, may_be_part: bool
) -> Iterator[Mistake]:
    if may_be_part and reference.startswith("call."):
        if reference.removeprefix("call.") not in CALL_FIELDS:
            yield Mistake(keys, f"{reference!r}: a call has {', '.join(sorted(CALL_FIELDS))}")
        return
    parts = kit_and_brick(reference)
    if parts is None or (parts[2] != "value" and not may_be_part):
        yield Mistake(keys, f"{reference!r} must look like kit.brick" + (" or call.title" if may_be_part else ""))
    elif parts[0] not in kits:
        yield Mistake(keys, f"{reference!r}: there is no kit {parts[0]!r}; there are {', '.join(kits)}")


def _fields_written_twice(routes: Sequence[RouteSettings], known: Mapping[str, SinkSettings]) -> Iterator[Mistake]:
    """A field of a CRM belongs to one rule: of two, nobody could say whose score is the latest."""
    first: dict[tuple[str, str], str] = {}
    for index, route in enumerate(routes):
        sink = known.get(route.send)
        if sink is None or sink.kind in ANNOUNCING:
            continue
        for name in route.map:
            owner = first.setdefault((route.send, name.lower()), route.name)
            if owner != route.name:
                yield Mistake(
                    ("routes", index, "map", name), f"the rule {owner!r} writes this field of {route.send} too"
                )
