"""The lake, or a part of it, is moved, lost or replaced between two runs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from copilot_pipeline.cli import main
from copilot_pipeline_tests.end_to_end.conftest import FIRST_DAY, FinishRun
from copilot_pipeline_tests.end_to_end.finished_run import FinishedRun
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline

pytestmark = pytest.mark.faults


@dataclass
class Local(Pipeline):
    """A pipeline whose commands run in this process, which is faster than a process for each."""

    call: Callable[..., tuple[int, str, str]] = field(default=lambda *_: (0, "", ""))

    def command_output(self, *arguments: str, expect: int | Collection[int] = 0, **changes: str) -> str:
        """Run a command; return its standard output."""
        code, out, self.error_output = self.call(self.environment(**changes), *arguments)
        assert code in ([expect] if isinstance(expect, int) else expect), (
            f"exit {code}, not {expect}:\n{self.error_output}\n{out}"
        )
        return out

    def run(
        self, *more: str, expect: int | Collection[int] = 0, changes: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """`run` over all days of the sandbox; returns what `--json` prints (empty if it fails before)."""
        first, last = self.days()
        out = self.command_output(
            "run", "--from", first, "--to", last, "--json", *more, expect=expect, **(changes or {})
        )
        result: dict[str, Any] = json.loads(out) if out.strip() else {}
        return result


@pytest.fixture(scope="module")
def finished(finished_run: FinishRun) -> FinishedRun:
    """A pipeline on a small sandbox, after one run."""
    return finished_run(days=2, calls_per_day=5)


@pytest.fixture
def pipeline(
    finished: FinishedRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Local]:
    """A copy of the pipeline after its run."""

    home = finished.pipeline.home

    def call(environment: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name in (name for name in os.environ if name.startswith(("CLARI_", "COPILOT_", "SEMARIZE_"))):
                patch.delenv(name)
            for name, value in {**environment, "DAGSTER_HOME": str(home / "dagster"), "COLUMNS": "500"}.items():
                patch.setenv(name, value)
            patch.chdir(home)
            patch.setattr("sys.argv", ["copilot-pipeline", *arguments])
            capsys.readouterr()
            with pytest.raises(SystemExit) as exited:
                main()
            captured = capsys.readouterr()
            return int(exited.value.code or 0), captured.out, captured.err

    with finished.copied() as copy:
        yield Local(copy.sandbox, copy.database_url, copy.home, copy.commands, call=call)


def lake_of(pipeline: Pipeline) -> Path:
    """The folder of the lake."""
    return pipeline.home / "lake"


def remove_raw_file(pipeline: Pipeline) -> Path:
    """Delete one raw file; return its path."""
    raw = sorted((lake_of(pipeline) / "raw_call_details").glob("call_date=*/part.parquet"))[0]
    raw.unlink()
    return raw


@contextmanager
def removed_at_the_vendor(pipeline: Pipeline, call_id: str) -> Iterator[None]:
    """Remove a call, and undo it for the tests that follow."""
    pipeline.sandbox.edit(call_id, removed=True)
    try:
        yield
    finally:
        pipeline.sandbox.edit(call_id, removed=False)


def paid_runs(pipeline: Pipeline) -> int:
    """The runs that Semarize has created so far."""
    return int(pipeline.sandbox.stats()["runs_created"])


def damage(file: Path, kind: str, older: bytes) -> None:
    """Delete a file, or replace its content by none of it, the first half or an older file."""
    match kind:
        case "missing":
            file.unlink()
        case "empty":
            file.write_bytes(b"")
        case "truncated":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        case "older":
            file.write_bytes(older)


@pytest.mark.parametrize("kinds", [("missing", "truncated"), ("older", "empty")], ids="-".join)
def test_calls_of_damaged_raw_files_are_fetched_again(pipeline: Local, kinds: tuple[str, str]) -> None:
    """The tables are the same afterwards, nothing is paid again, and the run reports why it fetched."""
    before, paid = pipeline.tables(), paid_runs(pipeline)
    files = sorted((lake_of(pipeline) / "raw_call_details").glob("call_date=*/part.parquet"))
    other_day = files[1].read_bytes()  # none of the first day's calls is in it
    for file, kind in zip(files, kinds, strict=True):
        damage(file, kind, other_day)
    missing = json.loads(pipeline.command_output("lake", "status", "--json", expect=1))["missing_calls"]
    assert set(missing) == {str(FIRST_DAY), str(FIRST_DAY + timedelta(days=1))}
    assert "bytes of" in pipeline.command_output("doctor", expect=1)
    outcome = pipeline.run()
    assert outcome["complete"] is True
    assert "are missing from the lake; they are fetched again" in pipeline.error_output
    assert pipeline.tables() == before
    assert paid_runs(pipeline) == paid
    assert len(pipeline.parquet("utterances")) == len(before["utterances"])
    assert json.loads(pipeline.command_output("lake", "status", "--json"))["missing_calls"] == {}
    pipeline.sandbox.reset_stats()
    pipeline.run()
    assert pipeline.sandbox.stats()["details_total"] == 0


def test_rows_stay_while_lost_calls_cannot_be_fetched(pipeline: Local) -> None:
    """Rebuilding a table without raw file keeps its rows, in both stores, and exits with 1."""
    before = pipeline.tables()
    remove_raw_file(pipeline)
    for assets in ("calls", "calls,participants,transcripts,utterances,semarize_runs,semarize_scores,evidence"):
        outcome = pipeline.run("--assets", assets, expect=1)
        assert ["are missing from the lake" in problem for problem in outcome["problems"]] == [True]
        assert pipeline.tables() == before
        assert len(pipeline.parquet("utterances")) == len(before["utterances"])
    unreachable = {"CLARI_COPILOT_BASE_URL": "http://127.0.0.1:1"}
    pipeline.run(expect=1, changes=unreachable)
    assert pipeline.tables() == before
    assert pipeline.run()["complete"] is True
    assert pipeline.tables() == before


def test_a_lost_call_that_the_vendor_removed_keeps_its_rows(pipeline: Local) -> None:
    """It cannot be fetched; its rows show the removal, and the run is complete."""
    day = remove_raw_file(pipeline).parent.name.removeprefix("call_date=")
    (first, *_) = pipeline.query("SELECT call_id FROM copilot.transcripts WHERE call_date = %s", day)
    before = pipeline.tables()
    with removed_at_the_vendor(pipeline, first["call_id"]):
        assert pipeline.run()["complete"] is True
        assert pipeline.tables() == before
        assert pipeline.query("SELECT removed_at IS NOT NULL AS removed FROM copilot.calls WHERE call_id = %s",
                              first["call_id"]) == [{"removed": True}]  # fmt: skip
        assert pipeline.run()["complete"] is True
    assert pipeline.tables() == before


def test_scores_stay_while_the_files_of_their_transcripts_are_missing(pipeline: Local) -> None:
    """Without the transcripts' files scores are not rebuilt; the next whole run writes the files again."""
    before, paid = pipeline.tables(), paid_runs(pipeline)
    shutil.rmtree(lake_of(pipeline) / "users")
    pipeline.run("--assets", "calls,participants,transcripts,utterances")
    assert pipeline.tables() == before
    shutil.rmtree(lake_of(pipeline) / "transcripts")
    pipeline.run("--assets", "semarize_runs,semarize_scores,evidence", expect=1)
    assert pipeline.tables() == before
    assert pipeline.run()["complete"] is True
    assert pipeline.tables() == before
    assert paid_runs(pipeline) == paid


def test_a_lake_that_was_moved_away_is_refused(pipeline: Local) -> None:
    """Nothing is changed, the error explains what to do, and the run succeeds after the lake is moved back."""
    before = pipeline.tables()
    lake_of(pipeline).rename(pipeline.home / "elsewhere")
    pipeline.sandbox.reset_stats()
    for _ in range(2):
        pipeline.run(expect=3)
        assert "lake copy" in pipeline.error_output
        assert "lake reset" in pipeline.error_output
        assert "Traceback" not in pipeline.error_output
        assert pipeline.tables() == before
    pipeline.run("--assets", "calls", expect=3)
    assert pipeline.sandbox.stats()["details_total"] == 0
    assert "has no data" in pipeline.command_output("doctor", expect=1)
    pipeline.run(changes={"COPILOT_PIPELINE_LAKE_URL": str(pipeline.home / "elsewhere")})
    assert pipeline.tables() == before
    shutil.rmtree(lake_of(pipeline), ignore_errors=True)
    (pipeline.home / "elsewhere").rename(lake_of(pipeline))
    pipeline.run()
    assert pipeline.tables() == before


def test_another_lake_is_refused_and_can_be_adopted(pipeline: Local) -> None:
    """A lake with another id is refused; one that has the days is adopted on request."""
    before = pipeline.tables()
    file = lake_of(pipeline) / "_copilot_pipeline_lake.json"
    file.write_text(json.dumps({"lake_id": "another"}))
    pipeline.run(expect=3)
    assert "another" in pipeline.error_output
    pipeline.command_output("lake", "adopt", "--yes")
    pipeline.run()
    file.write_text("{")
    pipeline.run(expect=3)
    file.unlink()  # the data are there, so that only the file is written again
    pipeline.run()
    assert json.loads(file.read_text())["lake_id"] == "another"
    assert pipeline.tables() == before


def test_a_lake_of_an_earlier_version_is_adopted(pipeline: Local) -> None:
    """Without an id, in the lake and in the database, the data decide; drafts beside the files are removed."""
    (lake_of(pipeline) / "_copilot_pipeline_lake.json").unlink()
    pipeline.query("DELETE FROM copilot_ops.key_values WHERE name LIKE '%lake%' OR name = 'timezone' RETURNING 1")
    draft = lake_of(pipeline) / "users" / ".part.parquet.0a1b2c3d.1.abcdef01"
    draft.write_bytes(b"half")
    moment = draft.stat().st_mtime - 3 * 86_400
    os.utime(draft, (moment, moment))
    pipeline.run("--assets", "calls")
    assert not draft.exists()
    pipeline.query("DELETE FROM copilot_ops.key_values WHERE name LIKE '%lake%' RETURNING 1")
    lake_of(pipeline).rename(pipeline.home / "elsewhere")
    pipeline.run(expect=3)


def test_a_copied_lake_replaces_the_old_one(pipeline: Local) -> None:
    """Interrupted and repeated, the copy is complete; afterwards the old lake is refused."""
    before, target = pipeline.tables(), pipeline.home / "copied"
    partly = target / "users" / "part.parquet"
    partly.parent.mkdir(parents=True)
    partly.write_bytes(b"half")
    output = pipeline.command_output("lake", "copy", "--from", "lake", "--to", str(target))
    assert f"COPILOT_PIPELINE_LAKE_URL={target}" in output
    pipeline.run(expect=3)
    assert str(target) in pipeline.error_output
    changes = {"COPILOT_PIPELINE_LAKE_URL": str(target)}
    pipeline.run(changes=changes)
    assert pipeline.tables() == before
    pipeline.command_output("lake", "copy", "--from", "lake", "--to", str(pipeline.home / "third"), expect=3)


def test_reset_prints_the_cost_and_fetches_again(pipeline: Local) -> None:
    """Rows stay until their calls are fetched, each once, and nothing is paid again."""
    before, paid = pipeline.tables(), paid_runs(pipeline)
    shutil.rmtree(lake_of(pipeline))
    pipeline.command_output("lake", "reset", expect=2)
    pipeline.command_output("lake", "reset", "--yes")
    assert "requests for" in pipeline.error_output
    assert pipeline.tables() == before
    pipeline.sandbox.reset_stats()
    assert pipeline.run()["complete"] is True
    assert pipeline.tables() == before
    assert pipeline.sandbox.stats()["details_most_for_one_call"] == 1
    assert paid_runs(pipeline) == paid
