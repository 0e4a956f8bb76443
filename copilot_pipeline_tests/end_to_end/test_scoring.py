"""Scoring: each transcript is paid for once, and evidence is located in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from copilot_pipeline_tests.end_to_end.conftest import FinishRun, MakePipeline
from copilot_pipeline_tests.end_to_end.finished_run import FinishedRun
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

RESCORE = ("--rescore", "--yes")


@pytest.fixture(scope="module")
def finished(finished_run: FinishRun) -> FinishedRun:
    """A pipeline on two days of calls, after one run."""
    return finished_run(days=2)


@pytest.fixture
def scored(finished: FinishedRun) -> Iterator[Pipeline]:
    """A copy of the pipeline after its run."""
    with finished.copied() as pipeline:
        yield pipeline


def _paid(pipeline: Pipeline) -> int:
    return int(pipeline.sandbox.stats()["runs_created"])


def _statuses(pipeline: Pipeline) -> dict[str, int]:
    rows = pipeline.query("SELECT status, count(*) AS runs FROM copilot.semarize_runs GROUP BY status")
    return {row["status"]: row["runs"] for row in rows}


def test_finds_the_utterance_of_each_quote(scored: Pipeline) -> None:
    """The sandbox quotes utterances: each quote of a score has a row with the utterance that contains it. Parquet has
    the same rows."""
    quotes = {
        (row["call_id"], row["kit"], row["brick"], position): quote
        for row in scored.query("SELECT call_id, kit, brick, evidence FROM copilot.semarize_scores")
        for position, quote in enumerate(row["evidence"] or ())
    }
    rows = scored.query(
        """SELECT evidence.*, utterances.text FROM copilot.evidence
        LEFT JOIN copilot.utterances USING (call_id, seq)"""
    )
    assert {(row["call_id"], row["kit"], row["brick"], row["position"]): row["quote"] for row in rows} == quotes
    assert quotes
    for row in rows:
        assert row["match"] in ("exact", "normalized"), row
        assert row["match"] == "normalized" or row["quote"] in row["text"]
    assert len(scored.parquet("evidence")) == len(rows)


def test_rescore_states_the_cost_and_pays_once(scored: Pipeline) -> None:
    """Without confirmation nothing is paid. With it, every finished run of the chosen kit is paid for once again, the
    previous results are kept, and a later plain run pays nothing."""
    first = _paid(scored)
    of_kit = scored.query("SELECT * FROM copilot.semarize_runs WHERE kit = 'coaching' AND status = 'succeeded'")

    scored.run("--rescore", "--kit", "coaching", expect=2)
    assert f"{len(of_kit)} Semarize runs are paid for again: {len(of_kit)} with coaching" in scored.error_output
    assert _paid(scored) == first

    scored.run(*RESCORE, "--kit", "coaching")
    assert _paid(scored) == first + len(of_kit)
    again = scored.query("SELECT run_id FROM copilot.semarize_runs WHERE kit = 'coaching' AND status = 'succeeded'")
    assert not {row["run_id"] for row in again} & {row["run_id"] for row in of_kit}
    kept = scored.query("SELECT run_id FROM copilot_ops.replaced_runs WHERE answer IS NOT NULL")
    assert {row["run_id"] for row in kept} == {row["run_id"] for row in of_kit}
    scored.run()
    assert _paid(scored) == first + len(of_kit)


def test_rescore_in_the_launchpad_needs_pay(make_pipeline: MakePipeline) -> None:
    """`rescore` in the configuration of a run states the cost in metadata and succeeds, without materializing anything;
    with `pay`, exactly that is paid."""
    pipeline = make_pipeline(days=1, calls_per_day=6)
    pipeline.run()
    first = _paid(pipeline)

    output = _materialize(pipeline, {"rescore": True, "kits": ["coaching"]})
    price = next(line for line in output.splitlines() if "Not started" in line)
    runs = int(price.split("Not started: ")[1].split()[0])
    assert 0 < runs < first
    assert _paid(pipeline) == first
    prices = pipeline.query(
        """SELECT count(*) AS observed, count(DISTINCT asset_key) AS tables FROM event_logs
        WHERE dagster_event_type = 'ASSET_OBSERVATION' AND event LIKE '%paid_runs%'"""
    )
    assert prices == [{"observed": 1, "tables": 1}]

    _materialize(pipeline, {"rescore": True, "pay": True, "kits": ["coaching"]})
    assert _paid(pipeline) == first + runs


def _materialize(pipeline: Pipeline, config: dict[str, Any], *, expect: int = 0) -> str:
    """Materializes the scores of the first day with Dagster's own command; returns what it logs."""
    done = pipeline.commands.run(
        "asset", "materialize", "--module-name", "copilot_pipeline.definitions",
            "--select", "key:semarize_runs or key:semarize_scores or key:evidence",
            "--partition", pipeline.days()[0],
            "--config-json", json.dumps({"ops": {"semarize_runs": {"config": config}}}),
        module="dagster", environment=pipeline.environment(DAGSTER_HOME=str(pipeline.home / "dagster")),
        folder=pipeline.home,
    )  # fmt: skip
    assert done.returncode == expect, f"exit {done.returncode}, not {expect}:\n{done.stderr}\n{done.stdout}"
    return done.stdout + done.stderr


def test_score_tables_are_rebuilt_without_a_request_and_without_a_key(scored: Pipeline) -> None:
    """Whatever is missing, the tables after the runs pay for nothing. A run that ended between the two steps is
    continued by the same assets, and pays nothing twice."""
    rebuilt, no_key = ("--assets", "semarize_scores,evidence"), {"SEMARIZE_API_KEY": ""}
    before, requests = scored.tables(), scored.sandbox.stats()["semarize_requests"]
    scored.run(*rebuilt, "--force", changes=no_key)
    assert scored.tables() == before

    scored.query("DELETE FROM copilot_ops.semarize_runs WHERE kit = 'coaching' RETURNING 1")
    scored.run(*rebuilt, changes=no_key)
    assert {row["kit"] for row in scored.query("SELECT kit FROM copilot.semarize_scores")} == {"deal_signals"}
    assert scored.sandbox.stats()["semarize_requests"] == requests

    paid = _paid(scored)
    scored.run("--assets", "semarize_runs")
    assert scored.sandbox.stats()["semarize_requests"] != requests
    assert _paid(scored) == paid  # requested again with the same keys
    assert scored.tables() == before
    requests = scored.sandbox.stats()["semarize_requests"]
    scored.run("--assets", "semarize_runs,semarize_scores,evidence")
    assert scored.sandbox.stats()["semarize_requests"] == requests


def test_a_killed_rescore_continues_and_pays_nothing_twice(make_pipeline: MakePipeline) -> None:
    """If the command is killed and repeated, the request continues: each run is paid for once again, and not twice."""
    pipeline = make_pipeline(days=3)
    pipeline.run()
    first = _paid(pipeline)
    for part in (1.2, 1.7):
        pipeline.run_and_kill(int(part * first), "runs_created", *RESCORE)
    pipeline.run(*RESCORE)
    assert _paid(pipeline) == 2 * first
    assert _statuses(pipeline).keys() <= {"succeeded", "skipped"}


def test_two_processes_pay_once_for_a_transcript(make_pipeline: MakePipeline) -> None:
    """Two `run` commands on the same days, with a server that ignores idempotency keys: nothing is paid for twice."""
    pipeline = make_pipeline(days=2)
    pipeline.sandbox.set_faults(semarize_ignores_keys=True)
    pipeline.run("--assets", "users,raw_call_details,calls,participants,transcripts,utterances")
    first, last = pipeline.days()
    command = ("run", "--from", first, "--to", last, "--assets", "semarize_runs,semarize_scores")
    both = [pipeline.start(*command) for _ in range(2)]
    for process in both:
        _, output = process.communicate()
        assert process.returncode == 0, output
    assert pipeline.sandbox.stats()["runs_most_for_one_input"] == 1
    assert _statuses(pipeline).keys() <= {"succeeded", "skipped"}


def test_scores_only_the_calls_that_a_kit_applies_to(make_pipeline: MakePipeline) -> None:
    """Other calls are not paid for, and the tables have the reason."""
    pipeline = make_pipeline(days=2)
    pipeline.home.mkdir(parents=True, exist_ok=True)
    (pipeline.home / "pipeline.yaml").write_text(
        "kits:\n  deal_signals: {code: DEA15164, calls: {min_seconds: 1200, sides: [rep, prospect]}}\n"
    )
    assert pipeline.run()["complete"] is True
    rows = pipeline.query(
        """SELECT runs.status, why, duration_s FROM copilot.semarize_runs AS runs JOIN copilot.calls USING (call_id)
        LEFT JOIN copilot.calls_without_scores AS without USING (call_id)"""
    )
    short = [row for row in rows if row["duration_s"] is not None and row["duration_s"] < 1200]
    assert short
    assert {row["status"] for row in short} == {"skipped"}
    assert all("the kit requires 1200 s or more" in row["why"] or "nothing was said" in row["why"] for row in short)
    assert _paid(pipeline) == _statuses(pipeline)["succeeded"]


def test_a_changed_transcript_keeps_the_text_that_was_scored(scored: Pipeline) -> None:
    """After an edit the call is scored again, and the text of the first score can still be read by its hash."""
    call = next(call for call in scored.sandbox.truth() if is_transcribed(call) and call["details"]["transcript"])
    victim, transcript = call["call_id"], call["details"]["transcript"]
    before: dict[str, Any] = scored.query("SELECT * FROM copilot.transcripts WHERE call_id = %s", victim)[0]
    paid = _paid(scored)
    # The vendor processes the call again, which changes its modification time.
    scored.sandbox.edit(victim, transcript=transcript[:-1], status="PROCESSED")
    assert scored.run()["complete"] is True
    scored.sandbox.edit(victim, transcript=transcript)
    after = scored.query("SELECT * FROM copilot.transcripts WHERE call_id = %s", victim)[0]
    assert after["transcript_hash"] != before["transcript_hash"]
    assert _paid(scored) == paid + 2
    texts = scored.query(
        "SELECT transcript_hash, text, is_current FROM copilot.scored_transcripts WHERE call_id = %s", victim
    )
    assert {row["transcript_hash"]: (row["text"], row["is_current"]) for row in texts} == {
        before["transcript_hash"]: (before["text"], False),
        after["transcript_hash"]: (after["text"], True),
    }
