"""`pipeline.yaml`: everything that is set and is not secret."""

from __future__ import annotations

import re
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from copilot_pipeline.config.kit_filters import KitFilter
from copilot_pipeline.config.marts import AnswerSettings
from copilot_pipeline.config.routes import IncidentSettings, RouteSettings, SinkSettings
from copilot_pipeline.config.types import Strict

_KIT_NAME = re.compile(r"^[a-z][a-z0-9_]{0,40}$")
_UUID = re.compile(r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")


class KitCallSettings(Strict):
    """The calls a kit is for; by default all on which somebody said something."""

    min_seconds: float = Field(default=0, ge=0, description="Shorter calls are not scored.")
    min_words: int = Field(default=1, ge=1, description="Calls with fewer words are not scored.")
    sides: tuple[Literal["rep", "prospect"], ...] = Field(default=(), description="Sides that must have spoken.")
    statuses: tuple[str, ...] = Field(default=(), description="The vendor's statuses that are scored. Default: all.")

    @property
    def selection(self) -> KitFilter:
        """The same for the step."""
        return KitFilter(self.min_seconds, self.min_words, self.sides, self.statuses)


class KitSettings(Strict):
    """One Semarize kit: by code (always its newest published version) or pinned to a version."""

    code: str | None = Field(default=None, description="The kit's code: its newest published version is used.")
    kit_version_id: str | None = Field(default=None, description="A pinned version; wins over `code`.")
    calls: KitCallSettings = Field(default_factory=KitCallSettings, description="Which calls it is for.")


class ClariSettings(Strict):
    """How calls are read."""

    include_private: bool = Field(default=False, description="Ask for private calls too.")
    requests_in_flight: int = Field(default=8, ge=1, le=32, description="Requests under way at once in one process.")
    processing_attempts: int = Field(
        default=12, ge=1, description="How often a call that is not ready is looked at again before giving up loudly."
    )


class SemarizeSettings(Strict):
    """How transcripts are scored."""

    mode: Literal["async", "sync"] = Field(default="async", description="How runs are created.")
    run_type: Literal["api", "sandbox"] = Field(default="api", description="Semarize's run type.")
    requests_in_flight: int = Field(default=4, ge=1, le=32, description="Requests under way at once.")
    runs_in_flight: int = Field(default=200, ge=1, le=1000, description="Runs waited for at once.")
    give_up_after_seconds: float = Field(
        default=900, gt=0, description="How long one run is waited for; it is collected by the next run then."
    )


class PollingSettings(Strict):
    """How changes are noticed."""

    minutes: int = Field(default=15, ge=1, le=59, description="A poll every so many minutes.")
    overlap_minutes: int = Field(default=120, ge=1, description="How far each poll reaches back before the last one.")
    first_hours: int = Field(default=24, ge=1, description="How far the very first poll reaches back.")
    reread_days: int = Field(default=7, ge=1, le=60, description="Days listed again every night, for edited calls.")


class BudgetSettings(Strict):
    """How the week's requests are shared out."""

    backfill_reserve_share: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of the week that backfills leave to polling and webhooks.",
    )
    warn_at_share: float = Field(default=0.8, gt=0, le=1, description="A check warns once so much of the week is used.")


class PipelineFile(Strict):
    """`pipeline.yaml`: everything that is not secret."""

    timezone: str = Field(default="UTC", description="The zone whose days are the partitions.")
    kits: dict[str, KitSettings] = Field(default_factory=dict, description="Our name for a kit, and which kit it is.")
    clari: ClariSettings = Field(default_factory=ClariSettings, description="How calls are read.")
    semarize: SemarizeSettings = Field(default_factory=SemarizeSettings, description="How transcripts are scored.")
    polling: PollingSettings = Field(default_factory=PollingSettings, description="How changes are noticed.")
    budget: BudgetSettings = Field(default_factory=BudgetSettings, description="How the week is shared out.")
    sinks: dict[str, SinkSettings] = Field(default_factory=dict, description="Where results go, by our name.")
    routes: tuple[RouteSettings, ...] = Field(default=(), description="What is sent where, and when.")
    incidents: IncidentSettings = Field(default_factory=IncidentSettings, description="Who is told of failures.")
    answers: AnswerSettings = Field(default_factory=AnswerSettings, description="What is made of the scores.")

    @field_validator("kits", mode="before")
    @classmethod
    def _short_form(cls, kits: object) -> object:
        """`deal: A1B2C3D4` is short for `deal: {code: A1B2C3D4}`; a UUID pins a version."""
        if kits is None:
            return {}
        if not isinstance(kits, dict):
            return kits
        return {name: _kit_mapping(value) for name, value in kits.items()}

    @field_validator("kits")
    @classmethod
    def _kits_are_usable(cls, kits: dict[str, KitSettings]) -> dict[str, KitSettings]:
        for name, kit in kits.items():
            if not _KIT_NAME.match(name):
                raise ValueError(f"kit name {name!r}: use lower-case letters, digits and _ (it names a view)")
            if not (kit.code or kit.kit_version_id):
                raise ValueError(f"kit {name!r} needs `code` or `kit_version_id`")
        return kits

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is an OSError
            raise ValueError(f"{name!r} is not a time zone; use a name such as UTC or Europe/Berlin") from None
        return name


def _kit_mapping(value: object) -> object:
    if isinstance(value, str):
        return {"kit_version_id": value} if _UUID.match(value) else {"code": value}
    if isinstance(value, int | float):  # YAML reads 0123 as 83: what stood there is lost
        return {"code": value}
    return value
