"""Every setting: secrets and addresses from the environment (or `.env`), the rest from `pipeline.yaml`.

Both are read once and validated whole, so that a mistake is found at start and not at three in the morning. Secrets
are `SecretStr`: printing, logging or comparing settings never shows them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.selection import Selection
from copilot_pipeline.settings_answers import AnswerSettings, answer_mistakes
from copilot_pipeline.settings_routes import (
    ANNOUNCING,
    IncidentSettings,
    Mistake,
    RouteSettings,
    SinkSettings,
    all_sinks,
    mistakes_in,
)
from copilot_pipeline.settings_sources import YamlMapping, nearest, read_yaml_mapping, refuse_misspelled
from copilot_pipeline.settings_types import (
    HttpAddress,
    OptionalAddress,
    OptionalHttpAddress,
    OptionalText,
    Secret,
    Strict,
)

DEFAULT_FIRST_DAY = date(2026, 1, 1)
REST_BASE_URL = "https://rest-api.copilot.clari.com"
GUIDE_BASE_URL = "https://api.copilot.clari.com"
SEMARIZE_BASE_URL = "https://api.semarize.com"
HUBSPOT_BASE_URL = "https://api.hubapi.com"
_KIT_NAME = re.compile(r"^[a-z][a-z0-9_]{0,40}$")
_UUID = re.compile(r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")


class Environment(BaseSettings):
    """Secrets, addresses and limits. A variable that is set but empty counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    clari_copilot_api_key: Secret = Field(default=None, description="Clari Copilot API key (both dialects).")
    clari_copilot_api_password: Secret = Field(
        default=None, description="Clari Copilot API password, also labelled API secret (dialect `rest`)."
    )
    clari_copilot_base_url: OptionalHttpAddress = Field(
        default=None, description="Address of the Clari Copilot API. Default: the vendor's, by dialect."
    )
    clari_copilot_dialect: Literal["rest", "guide"] = Field(
        default="rest", description="`rest` is the vendor's API, `guide` the one-key `/call-details` by date range."
    )
    semarize_api_key: Secret = Field(default=None, description="Semarize API key (`smz_live_…` or `smz_test_…`).")
    semarize_base_url: HttpAddress = Field(default=SEMARIZE_BASE_URL, description="Address of Semarize, without `/v1`.")
    copilot_pipeline_first_day: date = Field(
        default=DEFAULT_FIRST_DAY, description="The first daily partition, YYYY-MM-DD."
    )
    copilot_pipeline_database_url: OptionalAddress = Field(
        default=None, description="PostgreSQL address. Default: an embedded PostgreSQL under COPILOT_PIPELINE_HOME."
    )
    copilot_pipeline_home: Path = Field(
        default=Path(".copilot_pipeline"), description="Folder of the embedded database, the lake and Dagster's files."
    )
    copilot_pipeline_lake_url: OptionalAddress = Field(
        default=None, description="Where Parquet goes: a folder or `s3://bucket/path`. Default: `lake` in the home."
    )
    copilot_pipeline_config: OptionalText = Field(
        default=None, description="Path of `pipeline.yaml`. Default: `pipeline.yaml` in the working folder, if there."
    )
    copilot_pipeline_requests_per_second: float = Field(
        default=9.0,
        ge=0,
        allow_inf_nan=False,
        description="Pace of all processes together; the vendor allows 10. 0 switches the pace off.",
    )
    copilot_pipeline_requests_per_week: int = Field(
        default=100_000, ge=1, description="Weekly budget, from Sunday 00:00 UTC; the vendor allows 100,000."
    )
    copilot_pipeline_pace_unit: Literal["requests", "records"] = Field(
        default="requests", description="What the pace counts: requests, or a page's records, as the guide words it."
    )
    copilot_pipeline_webhook_secret: Secret = Field(
        default=None, description="Secret of those who send webhooks; two parted by a blank while it is being replaced."
    )
    semarize_webhook_secret: Secret = Field(
        default=None, description="Secret of Semarize's webhooks. Default: COPILOT_PIPELINE_WEBHOOK_SECRET."
    )
    copilot_pipeline_webhook_requests_per_second: float = Field(
        default=500.0, gt=0, description="Webhooks a second that the receiver takes; ten seconds' worth at once."
    )
    slack_webhook_url: Secret = Field(default=None, description="Slack incoming webhook for alerts.")
    salesforce_base_url: OptionalHttpAddress = Field(
        default=None, description="My Domain of Salesforce, https://….my.salesforce.com."
    )
    salesforce_client_id: Secret = Field(
        default=None, description="Consumer key of the external client app (OAuth client credentials)."
    )
    salesforce_client_secret: Secret = Field(default=None, description="Its consumer secret.")
    hubspot_access_token: Secret = Field(
        default=None, description="Access token of a HubSpot private app that may write deals."
    )
    hubspot_base_url: HttpAddress = Field(default=HUBSPOT_BASE_URL, description="Address of HubSpot's API.")
    webhook_url: Secret = Field(default=None, description="Where results are posted to: Zapier, n8n, Make.")
    webhook_secret: Secret = Field(
        default=None, description="What they are signed with (Standard Webhooks, `whsec_` and base64)."
    )

    @cached_property
    def home(self) -> Path:
        """The home folder, absolute: Dagster starts processes in other working folders."""
        return self.copilot_pipeline_home.expanduser().absolute()

    @property
    def clari_base_url(self) -> str:
        """The address in use."""
        default = REST_BASE_URL if self.clari_copilot_dialect == "rest" else GUIDE_BASE_URL
        return self.clari_copilot_base_url or default

    @property
    def lake_url(self) -> str:
        """Where Parquet goes, absolute."""
        url = self.copilot_pipeline_lake_url
        if url is None:
            return str(self.home / "lake")
        return url if "://" in url else str(Path(url).expanduser().absolute())


class KitCallSettings(Strict):
    """The calls a kit is for; by default all on which somebody said something."""

    min_seconds: float = Field(default=0, ge=0, description="Shorter calls are not scored.")
    min_words: int = Field(default=1, ge=1, description="Calls with fewer words are not scored.")
    sides: tuple[Literal["rep", "prospect"], ...] = Field(default=(), description="Sides that must have spoken.")
    statuses: tuple[str, ...] = Field(default=(), description="The vendor's statuses that are scored. Default: all.")

    @property
    def selection(self) -> Selection:
        """The same for the step."""
        return Selection(self.min_seconds, self.min_words, self.sides, self.statuses)


class KitSettings(Strict):
    """One Semarize kit: by code (always its newest published version) or pinned to a version."""

    code: str | None = Field(default=None, description="The kit's code: its newest published version is used.")
    kit_version_id: str | None = Field(default=None, description="A pinned version; wins over `code`.")
    calls: KitCallSettings = Field(default_factory=KitCallSettings, description="Which calls it is for.")


class ClariSettings(Strict):
    """How calls are read."""

    include_private: bool = Field(default=False, description="Ask for private calls too.")
    requests_in_flight: int = Field(default=8, ge=1, le=32, description="Requests under way at once in one process.")
    processing_looks: int = Field(
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


class Settings(Strict):
    """All settings together."""

    environment: Environment
    pipeline: PipelineFile

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose days are the partitions."""
        return ZoneInfo(self.pipeline.timezone)


def load_settings(**overrides: Any) -> Settings:
    """Reads the environment, `.env` and `pipeline.yaml`; raises `ConfigurationError` that says what to mend.

    `overrides` stand in for environment variables, by their lower-case names.
    """
    refuse_misspelled(Environment.model_fields, Path(str(Environment.model_config["env_file"])))
    try:
        environment = Environment(**overrides)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, "the environment")) from None
    return Settings(environment=environment, pipeline=read_pipeline_file(environment.copilot_pipeline_config))


def read_pipeline_file(named: str | None) -> PipelineFile:
    """Reads `pipeline.yaml`. A file that was named must exist; the default one may be absent."""
    path = _pipeline_path(named)
    if not path.exists():
        if named is not None:
            raise ConfigurationError(f"COPILOT_PIPELINE_CONFIG names {path}, and there is no such file")
        return PipelineFile()
    file = read_yaml_mapping(path)
    try:
        pipeline = PipelineFile.model_validate(file.content)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, str(path), file)) from None
    announcing = frozenset(name for name, sink in all_sinks(pipeline.sinks).items() if sink.kind in ANNOUNCING)
    mistakes = [
        *mistakes_in(pipeline.routes, pipeline.sinks, pipeline.kits, pipeline.incidents),
        *answer_mistakes(pipeline.answers, pipeline.kits, announcing),
    ]
    if mistakes:
        raise ConfigurationError(explain_mistakes(mistakes, str(path), file))
    return pipeline


def explain_in_file(mistakes: Sequence[Mistake], named: str | None) -> str:
    """Mistakes found later, with the lines of the file they stand in."""
    path = _pipeline_path(named)
    return explain_mistakes(mistakes, str(path), read_yaml_mapping(path))


def _pipeline_path(named: str | None) -> Path:
    return Path(named or "pipeline.yaml").expanduser()


def explain_mistakes(mistakes: Sequence[Mistake], where: str, file: YamlMapping) -> str:
    """One line a mistake: where it stands and what is wrong."""
    lines = [f"  line {file.line_of(one.keys) or 1}: {'.'.join(map(str, one.keys))}: {one.what}" for one in mistakes]
    return f"{where} has settings that cannot be used:\n" + "\n".join(lines)


def _explain(error: ValidationError, where: str, file: YamlMapping | None = None) -> str:
    """One line a problem: the variable, or line and key, and never the value of a variable (it may be a secret)."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        keys = [part for part in problem["loc"] if part != "[key]"]
        name = ".".join(map(str, keys))
        line = file.line_of(keys) if file else None
        place = (f"line {line}: {name}" if line else name) if file else name.upper()
        lines.append(f"  {place}: {_wording(problem['type'], problem['msg'], keys)}")
    return f"{where} has settings that cannot be used:\n" + "\n".join(lines)


def _wording(kind: str, message: str, keys: Sequence[int | str]) -> str:
    if kind == "extra_forbidden":
        meant = nearest(str(keys[-1]), _KEYS)
        return "there is no such setting" + (f"; did you mean {meant}?" if meant else " (see the README's list)")
    if kind == "string_type":
        return "must be text: put it in quotes"
    return message.removeprefix("Value error, ")


_KEYS = frozenset(name for model in Strict.__subclasses__() for name in model.model_fields)
