"""What the UI shows of the resources, and that a mistake in a setting leaves the code location loaded."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from copilot_pipeline.definitions import build_definitions
from copilot_pipeline.defs.resources.configured import configured_resources
from copilot_pipeline.defs.scores.assets import score_tables
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.defs.opened import opened_resources

KEYS = {
    "settings",
    "postgres",
    "lake",
    "rate_limiter",
    "clari_copilot",
    "semarize",
    "deliveries",
    "second_process",
    "progress",
}
ASSETS_WITH_REQUESTS = {
    "raw_call_details",
    "users",
    "user_history",
    "topics",
    "scorecards",
    "raw_deals",
    "raw_accounts",
}


def default_of(key: str) -> dict[str, Any]:
    """The configuration of a resource as the UI receives it."""
    definition = build_definitions().get_repository_def().get_top_level_resources()[key]
    values: dict[str, Any] = definition.config_schema.default_value
    return values


def test_all_resources_are_top_level() -> None:
    """Each resource is in the UI's list under its own key."""
    assert set(build_definitions().get_repository_def().get_top_level_resources()) == KEYS


@pytest.mark.parametrize("key", sorted(KEYS - {"progress"}))
def test_describes_each_resource_and_each_field(key: str) -> None:
    """The class docstring and the descriptions of the fields are what the UI shows."""
    resource = configured_resources()[key]
    assert resource.resource_cls.__doc__
    for name, field in resource.resource_cls.model_fields.items():
        assert name in KEYS or field.description, name


def test_shows_the_limits_of_the_rate_limiter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests per second and per week, the reserve and the unit: a value, or the variable that sets it."""
    monkeypatch.delenv("COPILOT_PIPELINE_REQUESTS_PER_WEEK", raising=False)
    monkeypatch.setenv("COPILOT_PIPELINE_REQUESTS_PER_SECOND", "7.5")
    limits = {"requests_per_second": 7.5, "requests_per_week": 100_000, "reserve": 0.1, "unit": "requests"}
    assert default_of("rate_limiter") == limits
    monkeypatch.setenv("COPILOT_PIPELINE_REQUESTS_PER_WEEK", "5000")
    assert default_of("rate_limiter")["requests_per_week"] == {"env": "COPILOT_PIPELINE_REQUESTS_PER_WEEK"}


def test_assets_that_cost_requests_use_the_rate_limiter() -> None:
    """The UI lists them as its users."""
    definitions = build_definitions()
    users = {
        key.to_user_string()
        for assets in definitions.resolve_asset_graph().assets_defs
        if "rate_limiter" in assets.required_resource_keys and not assets.check_keys
        for key in assets.keys
    }
    assert users == ASSETS_WITH_REQUESTS


def test_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set appears by its name."""
    for name in ("CLARI_COPILOT_API_KEY", "CLARI_COPILOT_API_PASSWORD", "SEMARIZE_API_KEY", "SLACK_WEBHOOK_URL"):
        monkeypatch.setenv(name, "s3cret")
    shown = [default_of(key) for key in ("clari_copilot", "semarize", "deliveries")]
    assert "s3cret" not in str(shown)
    assert shown[0]["api_key"] == {"env": "CLARI_COPILOT_API_KEY"}


def test_reads_variables_from_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` in the working directory counts, wherever DAGSTER_HOME is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "set, so that it is removed after the test")
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    Path(".env").write_text("HUBSPOT_ACCESS_TOKEN=from-the-file\n")
    assert default_of("deliveries")["hubspot_access_token"] == {"env": "HUBSPOT_ACCESS_TOKEN"}


def test_a_run_may_lower_the_limit_in_the_launchpad(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of a single run can be configured; nested resources see the same."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    seen: list[float] = []

    @dg.op(required_resource_keys={"rate_limiter", "clari_copilot"})
    def read_limits(context: dg.OpExecutionContext) -> None:
        seen.append(context.resources.rate_limiter.limits.requests_per_second)
        seen.append(context.resources.clari_copilot.rate_limiter.limits.requests_per_second)

    @dg.job(resource_defs=configured_resources())
    def reading() -> None:
        read_limits()

    reading.execute_in_process(
        run_config={"resources": {"rate_limiter": {"config": {"requests_per_second": 0.5}}}},
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert seen == [0.5, 0.5]


def test_a_mistake_in_a_route_fails_the_run_and_not_the_code_location(
    database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Definitions load; a run that needs the settings fails with the line of the mistake."""
    home.mkdir()
    config = home / "pipeline.yaml"
    config.write_text("kits: {deal: A1B2C3D4}\nroutes:\n  - name: Risk\n    when: {brick: deal.risk, iss: true}\n")
    monkeypatch.setenv("COPILOT_PIPELINE_CONFIG", str(config))
    monkeypatch.setenv("COPILOT_PIPELINE_HOME", str(home))
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    dg.Definitions.validate_loadable(build_definitions())
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [score_tables],
            resources=configured_resources(),
            partition_key="2026-03-02",
            instance=instance,
            raise_on_error=False,
        )
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    assert error is not None
    assert "line 4: routes.0" in str(error.cause or error)


def test_opens_the_database_once_per_run(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All resources of a run share one connection pool, which is closed at its end."""
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    monkeypatch.setenv("COPILOT_PIPELINE_HOME", str(home))
    with opened_resources() as opened:
        pool = opened.postgres.database
        assert opened.clari_copilot.postgres.database is pool
        assert opened.deliveries.rate_limiter.postgres.database is pool
    with pytest.raises(Exception, match="closed"), pool.connection():
        pass
