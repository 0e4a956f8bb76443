"""A release that runs while a newer one migrates the schema, and a restore from a backup."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from copilot_pipeline.postgres.embedded_server.binaries import MAJOR_VERSION, PACKAGE
from copilot_pipeline.postgres.migrate import HEAD
from copilot_pipeline_tests.database_server import Server
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import KITS, Pipeline

pytestmark = pytest.mark.faults

NEWER = "9998"
ROUTE = """routes:
  - {name: All, send: slack, when: {brick: deal_signals.deal_confidence, at_least: 0}, max_age: none, first_run: send}
"""
EXPAND = b"""
DO $$ DECLARE changed regclass; BEGIN
  FOR changed IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relname NOT LIKE '%version'
    AND relnamespace IN ('copilot'::regnamespace, 'copilot_ops'::regnamespace) LOOP
    EXECUTE format('ALTER TABLE %s ADD COLUMN added text, ADD COLUMN filled int NOT NULL DEFAULT 1', changed);
  END LOOP;
END $$;
CREATE TABLE copilot_ops.added (x int PRIMARY KEY);
"""


def migrate_as_a_newer_release(pipeline: Pipeline, statements: bytes, *, oldest_supported: str) -> None:
    """Do what a migration of a newer release does, with short waits for locks."""
    with psycopg.connect(pipeline.database_url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '200ms'")
        while True:
            try:
                with connection.transaction():
                    connection.execute(statements)
                    connection.execute("UPDATE copilot_ops.alembic_version SET version_num = %s", (NEWER,))
                    connection.execute(
                        "UPDATE copilot_ops.schema_compatibility SET version = %s, oldest_supported = %s",
                        (NEWER, oldest_supported),
                    )
                return
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                time.sleep(0.05)


def test_a_release_works_while_and_after_a_newer_one_expands_the_schema(make_pipeline: MakePipeline) -> None:
    """In the middle of a run every table gets new columns: the run completes, and so do the commands after it. When
    the newer release ends the support, every command says which release to start, and changes nothing."""
    pipeline = make_pipeline(days=1, calls_per_day=5, segments=6, traps=False)
    pipeline.execute("migrate")
    first, last = pipeline.days()
    pipeline.sandbox.set_faults(semarize_stuck=True)  # the run cannot end before the schema is expanded
    run = pipeline.start("run", "--from", first, "--to", last)
    while run.poll() is None and pipeline.sandbox.stats()["details_total"] < 3:
        time.sleep(0.01)
    migrate_as_a_newer_release(pipeline, EXPAND, oldest_supported=HEAD)
    assert run.poll() is None
    pipeline.sandbox.set_faults()
    _, errors = run.communicate()
    assert run.wait() == 0, errors
    scored = pipeline.sandbox.stats()["runs_created"]
    assert scored > 0
    assert pipeline.run("--assets", "calls,participants,transcripts,utterances")["complete"] is True
    assert "supports this one" in pipeline.execute("migrate").stdout
    assert pipeline.sandbox.stats()["runs_created"] == scored

    migrate_as_a_newer_release(pipeline, b"DROP TABLE copilot_ops.added", oldest_supported=NEWER)
    assert pipeline.run(expect=3) == {}
    assert f"upgraded to {NEWER} by a newer release" in pipeline.error_output
    assert f"({HEAD}): restart this process with that release" in " ".join(pipeline.error_output.split())


def _restored(pipeline: Pipeline, backup: Path, home: Path, address: str) -> Pipeline:
    """A pipeline on a new database and in a new home, from a backup as docs/operations.md describes it."""
    home.mkdir()
    _postgres("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={address}", str(backup / "database"))
    shutil.copytree(backup / "lake", home / "lake")
    for name in (".env", "pipeline.yaml"):
        shutil.copy(pipeline.home / name, home)
    return replace(pipeline, database_url=address, home=home)


def _postgres(program: str, *arguments: str) -> None:
    spec = find_spec(PACKAGE)
    assert spec is not None
    programs = Path(str(spec.origin)).parent / f"pginstall{MAJOR_VERSION}" / "bin"
    done = subprocess.run([programs / program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _costs(pipeline: Pipeline) -> Mapping[str, int]:
    stats = pipeline.sandbox.stats()
    sent = len(pipeline.sandbox.deliveries()["slack"])
    return {"details": stats["details_total"], "paid": stats["runs_created"], "sent": sent}


@pytest.mark.timeout(240)
def test_a_restored_pipeline_fetches_pays_and_sends_nothing_again(
    make_pipeline: MakePipeline, server: Server, tmp_path: Path
) -> None:
    """A dump of the database and a copy of the lake, in a new database and a new folder. A call that was erased after
    the backup is erased again by the tombstones that were kept elsewhere, and stays away."""
    pipeline = make_pipeline(days=1, calls_per_day=5, segments=6, traps=False)
    pipeline.environment()
    (pipeline.home / "pipeline.yaml").write_text(KITS + ROUTE)
    (pipeline.home / ".env").write_text("COPILOT_PIPELINE_PRIVACY_KEY=0123456789abcdef\n")
    assert pipeline.run()["complete"] is True
    backup = tmp_path / "backup"
    backup.mkdir()
    _postgres("pg_dump", "--format=custom", f"--file={backup / 'database'}", pipeline.database_url)
    shutil.copytree(pipeline.home / "lake", backup / "lake")
    tables, costs = pipeline.tables(), _costs(pipeline)
    assert min(costs.values()) > 0
    erased = tables["transcripts"][0][0]
    pipeline.execute("privacy", "erase", "--yes", "--no-refresh", "--call", erased)
    kept = shutil.copy(pipeline.home / "lake" / "_erasures.json", tmp_path)

    with server.new_database() as address:
        restored = _restored(pipeline, backup, tmp_path / "restored", address)
        assert restored.tables() == tables
        restored.execute("privacy", "restore", "--no-refresh", "--tombstones", str(kept))
        lake = json.loads(restored.execute("lake", "status", "--json").stdout)
        assert lake["missing_calls"] == {}
        assert restored.run()["complete"] is True
        assert _costs(restored) == costs
        without = {name: [row for row in rows if row[0] != erased] for name, rows in tables.items()}
        assert restored.tables() == without
