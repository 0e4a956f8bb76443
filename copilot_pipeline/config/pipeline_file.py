"""`pipeline.yaml`: all settings that are not secret."""

from __future__ import annotations

import re
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from copilot_pipeline.config.kit_filters import KitFilter
from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.config.privacy import PrivacySettings
from copilot_pipeline.config.routes import IncidentSettings, RouteSettings, SinkSettings
from copilot_pipeline.config.types import Strict
from copilot_pipeline.config.urls import LINK_HOSTS

_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_KIT_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


class KitCallSettings(Strict):
    """The calls that are scored with a kit.

    By default, all calls on which something was said.
    """

    min_seconds: float = Field(default=0, ge=0, description="Shorter calls are not scored.")
    min_words: int = Field(default=1, ge=1, description="Calls with fewer words are not scored.")
    sides: tuple[Literal["rep", "prospect"], ...] = Field(
        default=(), description="Sides that must have spoken: `rep`, `prospect`."
    )
    statuses: tuple[str, ...] = Field(default=(), description="The vendor's statuses that are scored. Default: all.")

    @property
    def kit_filter(self) -> KitFilter:
        """The same as a filter."""
        return KitFilter(self.min_seconds, self.min_words, self.sides, self.statuses)


class KitSettings(Strict):
    """A Semarize kit: by code (newest published version) or pinned version."""

    code: str | None = Field(default=None, description="Code of the kit; its newest published version is used.")
    kit_version_id: str | None = Field(default=None, description="A pinned version; takes precedence over `code`.")
    calls: KitCallSettings = Field(
        default_factory=KitCallSettings, description="Which calls are scored. Default: all on which something was said."
    )


class ClariSettings(Strict):
    """How calls are read."""

    include_private: bool = Field(default=False, description="Whether private calls are read too.")
    users_max_age_hours: float = Field(
        default=24,
        gt=0,
        description="Age from which fetching calls reads the users again, whose names the call tables show. "
        "Costs one request.",
    )


class SemarizeSettings(Strict):
    """How transcripts are scored."""

    mode: Literal["async", "sync"] = Field(
        default="async", description="`async`: create a run and poll for its result. `sync`: wait in the request."
    )
    run_type: Literal["api", "sandbox"] = Field(default="api", description="Semarize's run type.")


class PollingSettings(Strict):
    """How new and changed calls are found."""

    minutes: int = Field(default=15, ge=1, le=59, description="Interval between polls, in minutes.")
    recheck_days: int = Field(
        default=7, ge=1, le=60, description="Number of past days that are listed again every night, for edited calls."
    )


class BudgetSettings(Strict):
    """How the weekly request quota is divided."""

    backfill_reserve_share: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of the weekly quota that backfills leave to polling and webhooks.",
    )
    warn_at_share: float = Field(
        default=0.8, gt=0, le=1, description="Share of the weekly quota from which an asset check warns."
    )


class AdvancedClariSettings(Strict):
    """Concurrency and retries of Clari Copilot requests, and links to its pages."""

    requests_in_flight: int = Field(
        default=8, ge=1, le=32, description="Concurrent requests of one process; the rate limit is shared by all."
    )
    processing_attempts: int = Field(
        default=12, ge=1, description="How often a call that is not ready is fetched before it fails."
    )
    link_hosts: tuple[str, ...] = Field(
        default=LINK_HOSTS,
        description="Hosts of the pages of calls. The report, messages and CRM fields link to them and to hosts below "
        "them, over https only; other addresses of calls are not shown there.",
    )

    @field_validator("link_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_HOST.fullmatch(host) for host in hosts):
            raise ValueError("must be host names in lower case such as copilot.clari.com, without https:// or a path")
        return hosts


class AdvancedSemarizeSettings(Strict):
    """Concurrency and timeouts of Semarize runs."""

    requests_in_flight: int = Field(default=4, ge=1, le=32, description="Concurrent requests.")
    runs_in_flight: int = Field(default=200, ge=1, le=1000, description="Runs that are pending at the same time.")
    give_up_after_seconds: float = Field(
        default=900, gt=0, description="How long to wait for one run; after that, the next execution collects it."
    )


class AdvancedPollingSettings(Strict):
    """How far polls reach back."""

    overlap_minutes: int = Field(
        default=120, ge=1, description="How far each poll reaches back before the previous one, in minutes."
    )
    first_poll_hours: int = Field(default=24, ge=1, description="How far the first poll reaches back, in hours.")


class AdvancedHttpSettings(Strict):
    """The largest and the slowest response that Clari Copilot and Semarize may send."""

    max_response_bytes: int = Field(
        default=128 * 1024 * 1024,
        ge=1024 * 1024,
        description="Largest response as sent, in bytes. A larger one is quarantined with its first 64 KiB.",
    )
    max_decompressed_bytes: int = Field(
        default=128 * 1024 * 1024,
        ge=1024 * 1024,
        description="Largest response after decompression, in bytes; the default passes a transcript of 50 MB twice.",
    )
    attempt_seconds: float = Field(
        default=120,
        gt=0,
        le=180,
        description="How long one attempt of a request may take from connecting to the last byte, in seconds.",
    )


class AdvancedSnapshotSettings(Strict):
    """Answers that would replace most rows of a table by nothing."""

    min_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Smallest share of the stored users, topics, scorecards, deals or accounts that an answer must "
        "have to replace them. A smaller one is refused, and the stored rows stay. 0 accepts any.",
    )


class AdvancedRebuildSettings(Strict):
    """Processes that rebuild the call tables of many days, and marts."""

    processes: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Processes at the same time, with that of the run. 1 rebuilds in it alone. Default: one for each "
        "core that the run may use.",
    )
    megabytes_per_process: int = Field(
        default=400,
        ge=100,
        description="Memory that one process may need. There are no more processes than available memory for them.",
    )
    min_calls: int = Field(
        default=1000,
        ge=1,
        description="Fewer calls, or marts of fewer calls, are rebuilt in the process of the run: a process needs a "
        "second to start.",
    )


class AdvancedSettings(Strict):
    """Settings that few installations change."""

    clari: AdvancedClariSettings = Field(default_factory=AdvancedClariSettings, description="Clari Copilot requests.")
    semarize: AdvancedSemarizeSettings = Field(default_factory=AdvancedSemarizeSettings, description="Semarize runs.")
    polling: AdvancedPollingSettings = Field(default_factory=AdvancedPollingSettings, description="Polls.")
    http: AdvancedHttpSettings = Field(default_factory=AdvancedHttpSettings, description="Limits of responses.")
    rebuild: AdvancedRebuildSettings = Field(
        default_factory=AdvancedRebuildSettings, description="Parallel rebuilds of the call tables."
    )
    snapshots: AdvancedSnapshotSettings = Field(
        default_factory=AdvancedSnapshotSettings, description="Tables that are replaced as a whole."
    )


class PipelineFile(Strict):
    """`pipeline.yaml`: everything that is not secret."""

    timezone: str = Field(default="UTC", description="Time zone whose days are the partitions.")
    kits: dict[str, KitSettings] = Field(
        default_factory=dict,
        description="Semarize kits by our name, which names the view `scores_<name>`; a code alone is a short form.",
    )
    clari: ClariSettings = Field(default_factory=ClariSettings, description="How calls are read.")
    semarize: SemarizeSettings = Field(default_factory=SemarizeSettings, description="How transcripts are scored.")
    polling: PollingSettings = Field(
        default_factory=PollingSettings, description="How new and changed calls are found."
    )
    budget: BudgetSettings = Field(default_factory=BudgetSettings, description="How the weekly quota is divided.")
    sinks: dict[str, SinkSettings] = Field(
        default_factory=dict, description="Further destinations by our name; one of each kind exists by default."
    )
    routes: tuple[RouteSettings, ...] = Field(default=(), description="Which results are sent where.")
    incidents: IncidentSettings = Field(default_factory=IncidentSettings, description="Where failures are reported.")
    marts: MartSettings = Field(default_factory=MartSettings, description="Tables computed from scores.")
    privacy: PrivacySettings = Field(
        default_factory=PrivacySettings, description="What becomes of personal data, see [privacy.md](privacy.md)."
    )
    advanced: AdvancedSettings = Field(
        default_factory=AdvancedSettings, description="Settings that few installations change."
    )

    @property
    def sends_anything(self) -> bool:
        """Whether a route, the incidents or the regression alerts name a sink."""
        return bool(self.routes or self.incidents.send or self.marts.coaching.alert)

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
            if not _KIT_NAME.fullmatch(name):
                raise ValueError(f"kit name {name!r}: use lower-case letters, digits and _ (it names a view)")
            if not (kit.code or kit.kit_version_id):
                raise ValueError(f"kit {name!r} needs `code` or `kit_version_id`")
        return kits

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # the name of a folder of zones raises OSError
            raise ValueError(f"{name!r} is not a time zone; use a name such as UTC or Europe/Berlin") from None
        return name


def _kit_mapping(value: object) -> object:
    if isinstance(value, str):
        return {"kit_version_id": value} if _UUID.fullmatch(value) else {"code": value}
    if isinstance(value, int | float):  # YAML reads 0123 as 83: the original text is lost
        return {"code": value}
    return value
