"""Marts that are up to date are not built again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from copilot_pipeline.config.environment import Environment
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.config.marts import MartSettings
from copilot_pipeline.config.pipeline_file import PipelineFile
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.marts.build import MartBuilder
from copilot_pipeline.marts.versions import MARTS, Mart, MartVersions
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.bench.company import fill

NOW = datetime(2026, 10, 5, 9, 10, tzinfo=UTC)
LATER = NOW + timedelta(minutes=40)
_BUILDS: dict[str, Callable[[MartBuilder], object]] = {
    "meddicc": MartBuilder.build_meddicc,
    "coaching": MartBuilder.build_coaching,
    "claim_verification": MartBuilder.build_claims,
    "reps_on_calls": MartBuilder.build_rep_calls,
    "win_loss": MartBuilder.build_win_loss,
    "open_deals": MartBuilder.build_open_deals,
    "conversations_against_outcomes": MartBuilder.build_conversation_outcomes,
    "pipeline": MartBuilder.build_pipeline,
    "forecast": MartBuilder.build_forecast,
}


@pytest.fixture
def company(database: Database) -> Database:
    """A small company."""
    fill(database, calls=60, deals=20, utterances=10)
    return database


class Marts:
    """Builds the marts of a database that are not up to date."""

    def __init__(self, database: Database, home: Path, settings: Settings) -> None:
        self.database, self.settings = database, settings
        self._lake = Lake(str(home / "lake"))

    def build(self, now: datetime = NOW, *, force: bool = False) -> set[str]:
        """Return the marts that were built."""
        built = set()
        versions = MartVersions(self._lake, self.database, self.settings, now=now, force=force)
        for mart in MARTS:
            with versions.build(mart) as state:
                if state.current is None:
                    _rows_of(mart, MartBuilder(self._lake, self.database, MartSettings(), now=lambda: now))
                    state.record(dict.fromkeys([table.name for table in mart.tables], 1))
                    built.add(mart.name)
        return built

    def execute(self, statement: str) -> None:
        """Change rows."""
        with self.database.connection() as connection:
            connection.execute(statement)


def _rows_of(mart: Mart, builder: MartBuilder) -> None:
    _BUILDS[mart.name](builder)


@pytest.fixture
def marts(company: Database, home: Path) -> Marts:
    """The marts of a small company, built."""
    environment = Environment(copilot_pipeline_home=home, _env_file=None)  # type: ignore[call-arg]
    settings = Settings(environment=environment, pipeline=PipelineFile())
    built = Marts(company, home, settings)
    assert built.build() == set(_BUILDS)
    return built


def test_a_mart_is_built_again_only_if_something_has_changed_that_it_is_made_from(marts: Marts) -> None:
    """Rows that it reads, its own rows, the hour, or by force."""
    assert marts.build(LATER) == set()
    assert marts.build(NOW + timedelta(hours=1)) == {"open_deals", "pipeline", "forecast"}
    marts.build()
    for statement, built in (
        ("UPDATE copilot.utterances SET text = 'x' WHERE seq = 1", {"claim_verification"}),
        (
            "UPDATE copilot.deals SET amount = 7 WHERE deal_id = 'd-1'",
            set(_BUILDS) - {"coaching", "claim_verification", "reps_on_calls"},
        ),
        ("DELETE FROM copilot.rep_calls WHERE call_id = 'call-00000001'", {"reps_on_calls"}),
    ):
        marts.execute(statement)
        assert marts.build(LATER) == built, statement
        assert marts.build(LATER) == set(), statement
    marts.execute(
        "UPDATE copilot.calls SET started_at = now() + interval '1 hour', call_date = current_date"
        " WHERE call_id = 'call-00000001'"
    )
    assert "reps_on_calls" in marts.build(LATER)
    assert marts.build(LATER) == set()
    assert marts.build(LATER, force=True) == set(_BUILDS)


def test_a_mart_reads_no_other_tables_than_its_inputs(marts: Marts, home: Path) -> None:
    """A role that may read nothing else can build it, because a change of another table would not be noticed."""
    for mart in MARTS:
        role = f"builder_of_{mart.name}"
        own = ", ".join(f"copilot.{table.name}" for table in mart.tables)
        inputs = ", ".join(f"copilot.{table.name}" for table in mart.inputs)
        marts.execute(
            f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA copilot, copilot_ops TO {role};"
            f"GRANT ALL ON ALL TABLES IN SCHEMA copilot_ops TO {role};"
            f"GRANT ALL ON {own} TO {role}; GRANT SELECT ON {inputs} TO {role}"
        )
        joined = "&" if "?" in marts.database.url else "?"
        restricted = Database(f"{marts.database.url}{joined}options={quote(f'-c role={role}')}")
        try:
            _rows_of(mart, MartBuilder(Lake(str(home / "other")), restricted, MartSettings(), now=lambda: NOW))
        finally:
            restricted.close()
            marts.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
