"""The resources, configured from environment variables.

A variable that is set appears in the UI by its name and never by its value; one that is not set, by its documented
default. Each resource can be reconfigured for a single run in the Launchpad.
"""

import os
from pathlib import Path
from typing import Any

import dagster as dg
import dotenv

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.defs.partitions import PARTITION_SETTINGS
from copilot_pipeline.defs.resources.second_process import SecondProcessResource
from copilot_pipeline.defs.resources.services import (
    ClariCopilotResource,
    DeliveriesResource,
    RateLimiterResource,
    SemarizeResource,
)
from copilot_pipeline.defs.resources.storage import LakeResource, PostgresResource, SettingsResource
from copilot_pipeline.progress import NoProgress


def configured_resources() -> dict[str, Any]:
    """All resources by their keys."""
    # Dagster resolves `EnvVar` from the process environment only. `dagster dev` loads `.env` itself, other entry points
    # (daemon, webserver, our commands with DAGSTER_HOME elsewhere) do not.
    dotenv.load_dotenv(Path(str(Environment.model_config["env_file"])))
    settings = SettingsResource.configure_at_launch(config_path=_variable("copilot_pipeline_config"))
    home = _variable("copilot_pipeline_home")
    postgres = PostgresResource.configure_at_launch(database_url=_variable("copilot_pipeline_database_url"), home=home)
    rate_limiter = _rate_limiter(postgres)
    semarize = SemarizeResource.configure_at_launch(
        settings=settings,
        postgres=postgres,
        api_key=_variable("semarize_api_key"),
        base_url=_variable("semarize_base_url"),
    )
    return {
        "settings": settings,
        "postgres": postgres,
        "lake": LakeResource.configure_at_launch(url=_variable("copilot_pipeline_lake_url"), home=home),
        "rate_limiter": rate_limiter,
        "clari_copilot": _clari_copilot(settings, postgres, rate_limiter),
        "semarize": semarize,
        "deliveries": DeliveriesResource.configure_at_launch(
            settings=settings,
            postgres=postgres,
            rate_limiter=rate_limiter,
            semarize=semarize,
            **{name: _variable(name) for name in _SINK_VARIABLES},
        ),
        "second_process": SecondProcessResource.configure_at_launch(),
        "progress": dg.ResourceDefinition.hardcoded_resource(
            NoProgress(),
            description="Shows the progress of a run: bars in the terminal of a command, nothing elsewhere.",
        ),
    }


def _rate_limiter(postgres: Any) -> Any:
    return RateLimiterResource.configure_at_launch(
        postgres=postgres,
        requests_per_second=_number("copilot_pipeline_requests_per_second"),
        requests_per_week=_whole_number("copilot_pipeline_requests_per_week"),
        reserve=PARTITION_SETTINGS.budget.backfill_reserve_share,
        unit=_variable("copilot_pipeline_pace_unit"),
    )


def _clari_copilot(settings: Any, postgres: Any, rate_limiter: Any) -> Any:
    return ClariCopilotResource.configure_at_launch(
        settings=settings,
        postgres=postgres,
        rate_limiter=rate_limiter,
        api_key=_variable("clari_copilot_api_key"),
        api_password=_variable("clari_copilot_api_password"),
        base_url=_variable("clari_copilot_base_url"),
        dialect=_variable("clari_copilot_dialect"),
    )


_SINK_VARIABLES = (
    "slack_webhook_url",
    "salesforce_base_url",
    "salesforce_client_id",
    "salesforce_client_secret",
    "hubspot_access_token",
    "hubspot_base_url",
    "webhook_url",
    "webhook_secret",
)


def _variable(name: str) -> Any:
    """The environment variable of a setting, or its default if the variable is not set or empty."""
    if os.environ.get(name.upper(), "").strip():
        return dg.EnvVar(name.upper())
    default = Environment.model_fields[name].default
    return str(default) if isinstance(default, Path) else default


def _whole_number(name: str) -> Any:
    return dg.EnvVar.int(name.upper()) if os.environ.get(name.upper(), "").strip().isdigit() else _default(name)


def _number(name: str) -> float:
    """The value itself: Dagster has no `EnvVar` for a float. A run refuses a variable that is not a number."""
    try:
        return float(os.environ[name.upper()])
    except (KeyError, ValueError):
        return float(_default(name))


def _default(name: str) -> Any:
    return Environment.model_fields[name].default
