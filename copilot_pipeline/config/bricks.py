"""References to bricks and call fields, parsed when `pipeline.yaml` is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, GetCoreSchemaHandler, Tag
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from copilot_pipeline.config.types import Strict

BRICK_PARTS = ("value", "confidence", "reason", "evidence")
CALL_FIELDS = frozenset(
    {
        "call_id", "call_date", "title", "started_at", "status", "call_type", "disposition", "duration_s", "review_url",
        "rep_name", "rep_email", "organizer_email", "rep_talk_share", "summary", "crm_system", "account_id",
        "account_name", "deal_id", "deal_name", "deal_value", "deal_currency", "deal_stage_before_call",
        "deal_stage_live",
    }
)  # fmt: skip
CALL_PREFIX = "call."

Scalar = bool | int | float | str


@dataclass(frozen=True, slots=True, order=True)
class BrickRef:
    """A brick's value (`kit.brick`) or another part of it (`kit.brick.reason`)."""

    kit: str
    brick: str
    part: str = "value"

    @classmethod
    def parse(cls, text: str) -> BrickRef:
        """Parse `kit.brick` or `kit.brick.part`; keys of bricks contain no dots.

        Raises `ValueError`.
        """
        names = text.split(".")
        if all(names) and (len(names) == 2 or (len(names) == 3 and names[2] in BRICK_PARTS)):
            return cls(*names)
        raise ValueError(f"{text!r} must look like kit.brick")

    @property
    def key(self) -> tuple[str, str]:
        """Kit and brick: the key under which calls hold their answers."""
        return self.kit, self.brick

    def __str__(self) -> str:
        suffix = "" if self.part == "value" else f".{self.part}"
        return f"{self.kit}.{self.brick}{suffix}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls.parse(_text(value)),
            serialization=core_schema.to_string_ser_schema(),
        )


@dataclass(frozen=True, slots=True)
class CallField:
    """A field of the call itself: `call.title`."""

    name: str

    def __str__(self) -> str:
        return CALL_PREFIX + self.name


class ConstantSettings(Strict):
    """A value that is the same for every call."""

    value: Scalar = Field(description="The value.")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "must be text: put it in quotes")
    return value


def _refers_to_value(reference: BrickRef) -> BrickRef:
    if reference.part != "value":
        raise ValueError(f"'{reference}' must look like kit.brick")
    return reference


def parse_reference(value: object) -> BrickRef | CallField:
    """Parse `kit.brick`, `kit.brick.part` or `call.field`.

    Raises `ValueError` for anything else.
    """
    if isinstance(value, BrickRef | CallField):
        return value
    text = _text(value)
    if text.startswith(CALL_PREFIX):
        name = text.removeprefix(CALL_PREFIX)
        if name not in CALL_FIELDS:
            raise ValueError(f"{text!r}: a call has {', '.join(sorted(CALL_FIELDS))}")
        return CallField(name)
    try:
        return BrickRef.parse(text)
    except ValueError as error:
        raise ValueError(f"{error} or call.title") from None


class _Reference:
    """Makes pydantic report one error, instead of one for each alternative."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            parse_reference, serialization=core_schema.to_string_ser_schema()
        )


def _kind_of_source(value: object) -> str:
    return CONSTANT if isinstance(value, dict | ConstantSettings) else REFERENCE


# Tags of the alternatives of a mapped field. Pydantic puts them into the location of an error: `loading` removes them.
REFERENCE, CONSTANT = "<reference>", "<constant>"

# A brick whose value is meant; `kit.brick.reason` is refused.
Brick = Annotated[BrickRef, AfterValidator(_refers_to_value)]
# What fills a field of a sink.
FieldSource = Annotated[
    Annotated[BrickRef | CallField, _Reference, Tag(REFERENCE)] | Annotated[ConstantSettings, Tag(CONSTANT)],
    Discriminator(_kind_of_source),
]
