"""What is erased is nowhere afterwards, whenever the command is killed, and does not come back."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from copilot_pipeline.sandbox.planted_person import EMAIL
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.kills import kill_repeatedly
from copilot_pipeline_tests.end_to_end.pipeline import KITS, Pipeline, resources_of
from copilot_pipeline_tests.end_to_end.planted_person import (
    NEEDLES,
    plant_in_places,
    planted_calls,
    trace_all,
    walk,
)

ROUTE = "routes:\n  - {name: All, send: slack, when: {brick: deal_signals.deal_confidence, at_least: 0}}\n"
ERASE = ("privacy", "erase", "--yes", "--no-refresh")
MIRRORED = "topics,scorecards,raw_deals,raw_accounts,deals,accounts"
KILLS, ROWS_BETWEEN_KILLS = 3, 20
# How many rows and files an unfinished erasure has changed, and 1 from its beginning.
_PROGRESS = """SELECT coalesce(sum(1 + changed), 0)::bigint FROM (
  SELECT (SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(removed)) AS changed
  FROM copilot_ops.erasures WHERE finished_at IS NULL) AS unfinished"""
PLACES = {
    *("copilot.calls.title", "copilot.evidence.speaker", "copilot.participants.email", "copilot.participants.name"),
    *("copilot.scorecards.remark", "copilot.semarize_scores.evidence", "copilot.topics.name"),
    *("copilot.transcripts.text", "copilot.utterances.speaker"),
    *("copilot.utterances.text", "copilot_ops.accounts.body", "copilot_ops.bodies.body"),
    *("copilot_ops.calls.last_problem", "copilot_ops.deals.body", "copilot_ops.inbox.endpoint"),
    *("copilot_ops.incidents.description", "copilot_ops.outbox.payload", "copilot_ops.quarantine.body"),
    *("copilot_ops.replaced_transcripts.text", "copilot_ops.semarize_runs.answer", "copilot_ops.unlinked_calls.reason"),
    *("dagster/storage/1.err", "lake/_drafts/.raw_call_details+part.parquet.00000000.1.0123abcd"),
    *("lake/_unreadable/calls+part.parquet", "lake/calls/part.parquet"),
    *("lake/evidence/part.parquet", "lake/participants/part.parquet", "lake/raw_call_details/part.parquet"),
    *("lake/reports/week-of-2026-03-02.html", "lake/semarize_scores/part.parquet", "lake/transcripts/part.parquet"),
    *(
        "lake/utterances/part.parquet",
        "old/log.gz",
        "public.asset_keys.last_materialization",
        "public.event_logs.event",
    ),
    *("pg_stats", "public.run_tags.value", "report.html", "calls.csv", "sent.csv"),
}


def _start_and_erase_a_call(pipeline: Pipeline) -> str:
    """Start a run, erase a call while the run fetches, and wait for the run; return the id."""
    erased: str = next(
        call["call_id"] for call in reversed(pipeline.sandbox.truth()) if call["details"].get("transcript")
    )
    first, last = pipeline.days()
    run = pipeline.start("run", "--from", first, "--to", last)
    while run.poll() is None and pipeline.sandbox.stats()["details_total"] < 2:
        time.sleep(0.01)
    pipeline.execute(*ERASE, "--call", erased)
    output = run.communicate()
    assert run.wait() == 4, output  # of the planted quarantine
    return erased


def _erase_and_kill(pipeline: Pipeline, *subject: str) -> None:
    """Start the command and kill it when it has changed something more, several times; then let it finish."""
    command = kill_repeatedly(
        pipeline.database_url,
        lambda: pipeline.start(*ERASE, *subject),
        tables=["copilot_ops.erasures"],
        progress=_PROGRESS,
        times=KILLS,
        step=ROWS_BETWEEN_KILLS,
    )
    output = command.communicate()
    assert command.wait() == 0, output


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_an_erased_person_is_nowhere_and_does_not_come_back(
    make_pipeline: MakePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`find` and a walk of all places find a person who is in each of them. After the erasure, killed again and again,
    no name, part of it, address, number or sentence of theirs is left in any place; after the next poll, run and report
    neither. A lake that is restored from a backup is refused until `restore` has erased them again. A call that is
    erased while a run fetches is not stored. A user is masked in the calls, which stay; nothing is scored again."""
    pipeline = make_pipeline(days=2, calls_per_day=5, segments=6, traps=False, has_person=True)
    pipeline.environment()
    (pipeline.home / "pipeline.yaml").write_text(KITS + ROUTE)
    (pipeline.home / ".env").write_text("COPILOT_PIPELINE_PRIVACY_KEY=0123456789abcdef\n")
    elsewhere, days = tmp_path / "elsewhere", pipeline.days()
    report = ("report", "--out", str(elsewhere / "report.html"), "--as-of", "2026-03-10")
    theirs, mentioning = planted_calls(pipeline)
    call = _start_and_erase_a_call(pipeline)
    assert trace_all(pipeline, {call}, elsewhere) == {}
    pipeline.execute("run", "--from", days[0], "--to", days[1], "--assets", MIRRORED, expect=4)
    pipeline.execute("marts", "--no-refresh")
    pipeline.execute(*report, "--no-refresh")
    pipeline.execute("deliveries", "export", "--from", days[0], "--to", days[1], "--csv", str(elsewhere / "calls.csv"))
    plant_in_places(pipeline, theirs, elsewhere)
    before = walk(pipeline, elsewhere)
    assert PLACES - set(before) == set()
    assert set().union(*before.values()) == set(NEEDLES)
    shutil.copytree(pipeline.home / "lake", tmp_path / "backup")
    found = json.loads(pipeline.execute("privacy", "find", "--person", EMAIL, "--parts", "--json").stdout)
    assert theirs in found["calls"]
    assert mentioning not in found["calls"]
    tables = {place.rpartition(".")[0] for place in before if place.startswith(("copilot", "public"))}
    assert tables - set(found["places"]) == set()
    assert {one["call_id"] for one in found["scored"]} == {theirs}

    _erase_and_kill(pipeline, "--person", EMAIL, "--parts")
    assert walk(pipeline, elsewhere) == {}
    pipeline.sandbox.set_faults()
    runs = pipeline.sandbox.stats()["runs_created"]
    with resources_of(pipeline, monkeypatch) as opened:
        opened.poll()
    assert pipeline.run()["complete"] is True
    pipeline.execute(*report)
    assert walk(pipeline, elsewhere) == {}
    assert trace_all(pipeline, {call, theirs}, elsewhere) == {}
    stored = {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")}
    assert mentioning in stored

    shutil.rmtree(pipeline.home / "lake")
    shutil.copytree(tmp_path / "backup", pipeline.home / "lake")
    pipeline.run(expect=3)
    assert "privacy restore" in pipeline.error_output
    pipeline.execute("privacy", "restore", "--no-refresh")
    assert walk(pipeline, elsewhere) == {}

    rep = pipeline.query("SELECT name, email FROM copilot.users JOIN copilot.calls ON rep_user_id = user_id LIMIT 1")[0]
    pipeline.execute(*ERASE, "--person", rep["email"], "--namesakes")
    assert pipeline.run()["complete"] is True
    assert trace_all(pipeline, set(rep.values()), elsewhere) == {}
    assert {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")} == stored
    assert pipeline.sandbox.stats()["runs_created"] == runs
    audit = pipeline.query("SELECT mode, calls, plan FROM copilot_ops.erasures ORDER BY id")
    assert [(row["mode"], row["calls"], row["plan"]) for row in audit] == [
        ("calls", 1, None),
        ("calls", 2, None),
        ("calls", 2, None),
        ("mask", 0, None),
    ]
