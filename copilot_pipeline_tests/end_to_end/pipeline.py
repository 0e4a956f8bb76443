"""The pipeline as a user runs it: a process of its own, against a sandbox and a real database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from copilot_pipeline.sandbox import Sandbox
from copilot_pipeline_tests.defs.opened import Opened, opened_resources
from copilot_pipeline_tests.processes import Command, CommandServer

KITS = "kits:\n  deal_signals: {code: DEA15164}\n  coaching: {code: C0AC4123}\n"
_TIMEOUT_SECONDS = 120
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH")


@dataclass
class Pipeline:
    """One home, one database, one sandbox."""

    sandbox: Sandbox
    database_url: str
    home: Path
    commands: CommandServer
    requests_per_second: float = 0
    counts: dict[str, int] = field(default_factory=dict)

    def environment(self, **changes: str) -> dict[str, str]:
        """Environment of the process, without the settings of this machine."""
        self.home.mkdir(parents=True, exist_ok=True)
        config = self.home / "pipeline.yaml"
        if not config.exists():
            config.write_text(KITS)
        kept = {name: value for name, value in os.environ.items() if name in _KEPT}
        return {
            **kept,
            **self.sandbox.environment(),
            "COPILOT_PIPELINE_HOME": str(self.home),
            "COPILOT_PIPELINE_DATABASE_URL": self.database_url,
            "COPILOT_PIPELINE_CONFIG": str(config),
            "COPILOT_PIPELINE_REQUESTS_PER_SECOND": str(self.requests_per_second),
            **changes,
        }

    def command(self, *arguments: str) -> list[str]:
        """The command line of a new interpreter, for commands that run for long; `start` is faster."""
        return [sys.executable, "-m", "copilot_pipeline", *arguments]

    def start(self, *arguments: str, folder: Path | None = None, **changes: str) -> Command:
        """Start a command in its home (or another folder); `changes` are environment variables."""
        environment = self.environment(**changes)
        return self.commands.start(*arguments, environment=environment, folder=folder or self.home)

    def execute(
        self, *arguments: str, expect: int | Collection[int] = 0, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in its home and check its exit code; `changes` are environment variables."""
        done = self.commands.run(*arguments, environment=self.environment(**changes), folder=self.home)
        expected = [expect] if isinstance(expect, int) else expect
        assert done.returncode in expected, f"exit {done.returncode}, not {expect}:\n{done.stderr}\n{done.stdout}"
        return done

    def days(self) -> tuple[str, str]:
        """The sandbox's first and last day."""
        return self.sandbox.options.first_day.isoformat(), self.sandbox.options.last_day.isoformat()

    def run(
        self, *more: str, expect: int | Collection[int] = 0, changes: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """`run` over all days of the sandbox; returns what `--json` prints (empty if it fails before)."""
        first, last = self.days()
        done = self.execute("run", "--from", first, "--to", last, "--json", *more, expect=expect, **(changes or {}))
        self.error_output = done.stderr
        outcome: dict[str, Any] = json.loads(done.stdout) if done.stdout.strip() else {}
        return outcome

    def run_and_kill(
        self, enough: int, count: str, *more: str, ending: signal.Signals = signal.SIGKILL
    ) -> tuple[int, str]:
        """Start `run` and kill it when a counter of the sandbox has grown, and is at least `enough`.

        Return its exit code and output.
        """
        first, last = self.days()
        enough = max(enough, self.sandbox.stats()[count] + 1)  # an earlier run may have counted more
        process = self.start("run", "--from", first, "--to", last, *more)
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while process.poll() is None and self.sandbox.stats()[count] < enough:
            assert time.monotonic() < deadline, f"{count} never reached {enough}"
            time.sleep(0.01)
        process.send_signal(ending)
        _, output = process.communicate()
        return process.wait(), output

    def query(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Rows from Postgres, by column name."""
        with psycopg.connect(self.database_url) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def wait_for(self, query: str, *values: object) -> None:
        """Wait until the column `is_so` of a query is true; fail if that takes too long."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while not self.query(query, *values)[0]["is_so"]:
            assert time.monotonic() < deadline, f"never so: {query}"
            time.sleep(0.2)

    def parquet(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table of the lake."""
        rows: list[dict[str, Any]] = []
        for file in sorted((self.home / "lake" / table).glob("call_date=*/*.parquet")):
            day = file.parent.name.removeprefix("call_date=")
            rows += [{**row, "call_date": day} for row in pq.ParquetFile(file).read().to_pylist()]
        return rows

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """All tables for analysts, in a form that can be compared: without the times of fetching and scoring."""
        result: dict[str, list[tuple[Any, ...]]] = {}
        for table, columns in {
            "calls": "call_id, call_date, title, status_raw, deal_id, deal_value, has_transcript, rep_name",
            "participants": "*",
            "transcripts": "*",
            "utterances": "*",
            "semarize_scores": "call_id, kit, brick, value_kind, value_bool, value_num, value_text, value_json::text",
        }.items():
            rows = self.query(f"SELECT {columns} FROM copilot.{table}")
            result[table] = sorted(tuple(map(str, row.values())) for row in rows)
        return result


@contextmanager
def resources_of(pipeline: Pipeline, patch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """The pipeline's resources in this process, configured by its environment."""
    for name, value in pipeline.environment().items():
        patch.setenv(name, value)
    patch.chdir(pipeline.home)
    with opened_resources() as opened:
        yield opened
