"""What the check of the scores reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from copilot_pipeline.defs.scores.checks import SCORE_CHECKS
from copilot_pipeline.load.tables import SEMARIZE_RUNS, TRANSCRIPTS
from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.defs.opened import Opened, opened_resources
from copilot_pipeline_tests.load.warehouse.rows import load

TODAY = datetime.now(UTC).date()


@pytest.fixture
def scored(database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Two kits."""
    home.mkdir(parents=True)
    config = home / "pipeline.yaml"
    config.write_text("kits: {first: {code: AAAA1111}, second: {code: BBBB2222}}\n")
    monkeypatch.setenv("COPILOT_PIPELINE_DATABASE_URL", database.url)
    monkeypatch.setenv("COPILOT_PIPELINE_HOME", str(home))
    monkeypatch.setenv("COPILOT_PIPELINE_CONFIG", str(config))
    with opened_resources() as resources:
        yield resources


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


def offenders(opened: Opened) -> tuple[bool, int, int]:
    """Whether the check passes, the offending rows, and the rows checked."""
    (check,) = [one for one in SCORE_CHECKS if one.check_key.name == "transcripts_have_scores"]
    result = check(postgres=opened.postgres, settings=opened.settings)
    assert isinstance(result, dg.AssetCheckResult)
    return (
        result.passed,
        int(str(result.metadata["offending_rows"].value)),
        int(str(result.metadata["checked_rows"].value)),
    )


def test_counts_each_transcript_and_kit_without_a_score(scored: Opened, database: Database) -> None:
    """A run that was never requested is missing as much as one that failed."""
    load(database, {TRANSCRIPTS: [transcript("a"), transcript("b")]}, day=TODAY)
    assert offenders(scored) == (False, 4, 4)
    runs = [run("a", "first", "succeeded"), run("a", "second", "skipped", 0), run("b", "first", "failed", 0)]
    load(database, {SEMARIZE_RUNS: runs}, day=TODAY)
    assert offenders(scored) == (False, 2, 4)
    runs[2:] = [run("b", "first", "succeeded"), run("b", "second", "succeeded")]
    load(database, {SEMARIZE_RUNS: runs}, day=TODAY)
    assert offenders(scored) == (True, 0, 4)
