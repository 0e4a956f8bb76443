"""What the check of scores says, as the tables stand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from copilot_pipeline.config.loading import load_settings
from copilot_pipeline.defs.checks import ALL_CHECKS
from copilot_pipeline.load.tables import SEMARIZE_RUNS, TRANSCRIPTS
from copilot_pipeline.postgres import Database
from copilot_pipeline.runtime import Runtime
from copilot_pipeline_tests.load.warehouse.rows import load

TODAY = datetime.now(UTC).date()


@pytest.fixture
def scored(database: Database, home: Path) -> Iterator[Runtime]:
    """Two kits."""
    home.mkdir(parents=True)
    config = home / "pipeline.yaml"
    config.write_text("kits: {first: {code: AAAA1111}, second: {code: BBBB2222}}\n")
    settings = load_settings(
        copilot_pipeline_database_url=database.url, copilot_pipeline_home=home, copilot_pipeline_config=str(config)
    )
    runtime = Runtime(settings, source="test")
    yield runtime
    runtime.close()


def transcript(call_id: str) -> dict[str, Any]:
    return {
        "call_id": call_id,
        "call_date": TODAY,
        "text": "Dana: yes",
        "words": 1,
        "utterances": 1,
        "transcript_hash": f"hash of {call_id}",
    }


def run(call_id: str, kit: str, status: str, bricks: int = 1) -> dict[str, Any]:
    return {
        "call_id": call_id,
        "kit": kit,
        "call_date": TODAY,
        "kit_reference": kit,
        "status": status,
        "transcript_hash": f"hash of {call_id}",
        "bricks": bricks,
    }


def offenders(runtime: Runtime) -> tuple[bool, int, int]:
    """Whether the check passes, the offending rows, and the rows looked at."""
    (check,) = [one for one in ALL_CHECKS if one.check_key.name == "transcripts_have_scores"]
    result = check(runtime=runtime)
    assert isinstance(result, dg.AssetCheckResult)
    return (
        result.passed,
        int(str(result.metadata["offending_rows"].value)),
        int(str(result.metadata["rows_looked_at"].value)),
    )


def test_a_transcript_without_any_run_has_no_score(scored: Runtime, database: Database) -> None:
    """Each transcript is held against each kit: what was never asked for is missing, as much as what failed."""
    load(database, {TRANSCRIPTS: [transcript("a"), transcript("b")]}, day=TODAY)
    assert offenders(scored) == (False, 4, 4)
    runs = [run("a", "first", "succeeded"), run("a", "second", "skipped", 0), run("b", "first", "failed", 0)]
    load(database, {SEMARIZE_RUNS: runs}, day=TODAY)
    assert offenders(scored) == (False, 2, 4)
    runs[2:] = [run("b", "first", "succeeded"), run("b", "second", "succeeded")]
    load(database, {SEMARIZE_RUNS: runs}, day=TODAY)
    assert offenders(scored) == (True, 0, 4)
