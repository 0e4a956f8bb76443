"""From the API to the tables, as processes on real HTTP and a real PostgreSQL."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

import pytest

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import Pipeline
from copilot_pipeline_tests.end_to_end.truth import is_listed, is_transcribed, utterances

_DAY_LINE = re.compile(r" INFO \d{4}-\d\d-\d\d[:, ]")  # of each finished day and kit

OF_CALLS = ("--assets", "users,raw_call_details,calls,participants,transcripts,utterances")  # without scores


def _check_calls(pipeline: Pipeline, truth: list[dict[str, Any]]) -> None:
    result = {row["call_id"]: row for row in pipeline.query("SELECT * FROM copilot.calls")}
    assert set(result) == {call["call_id"] for call in truth if is_listed(call)}
    for call in filter(is_listed, truth):
        row, item = result[call["call_id"]], call["item"]
        assert row["call_date"].isoformat() == call["day"]
        assert (row["title"], row["status_raw"]) == (item["title"], item["status"])
        assert row["has_transcript"] is is_transcribed(call)
        assert row["deal_id"] == item.get("crm_info", {}).get("deal_id")
        assert row["has_crm_link"] is ("crm_info" in item)
        if "deal_value" in item:
            assert row["deal_value"] == float(item["deal_value"].strip("$").replace(",", ""))
        assert row["duration_s"] == item.get("metrics", {}).get("call_duration")


def _check_utterances(pipeline: Pipeline, truth: list[dict[str, Any]]) -> None:
    users = {user["id"]: user["name"] for user in pipeline.sandbox.reference()["users"]}
    expected = {call["call_id"]: utterances(call, users) for call in filter(is_transcribed, truth)}
    result: dict[str, list[tuple[Any, ...]]] = {call_id: [] for call_id in expected}
    columns = "seq, person_id, speaker, side, start_s, end_s, text"
    for row in pipeline.query(f"SELECT call_id, {columns} FROM copilot.utterances ORDER BY call_id, seq"):
        result[row.pop("call_id")].append(tuple(row.values()))
    assert result == expected
    for row in pipeline.query("SELECT * FROM copilot.transcripts"):
        spoken_lines = [
            (line[2], " ".join(filter(None, line[6].splitlines()))) for line in expected.pop(row["call_id"])
        ]
        assert row["text"] == "\n".join(f"{speaker}: {text}" for speaker, text in spoken_lines if text.strip())
    assert not expected, "a ready call has no transcript"


def _check_scores(pipeline: Pipeline) -> None:
    computed = {run["run_id"]: run["bricks"] for run in pipeline.sandbox.outputs()}
    result: dict[str, dict[str, Any]] = {}
    for row in pipeline.query("SELECT * FROM copilot.semarize_scores"):
        kinds = {"bool": "value_bool", "num": "value_num", "text": "value_text"}
        value = row[kinds.get(row["value_kind"], "value_json")]
        result.setdefault(row["run_id"], {})[row["brick"]] = (value, row["confidence"], row["evidence"])
    assert set(result) == set(computed)
    for run_id, bricks in computed.items():
        for name, brick in bricks.items():
            evidence = brick.get("evidence", [])
            quotes = [evidence] if isinstance(evidence, str) and evidence else list(evidence)
            assert result[run_id][name] == (brick["value"], brick.get("confidence"), quotes), (run_id, name)


@pytest.mark.usefixtures("empty_database")
def test_tables_equal_the_truth_within_the_limits(make_pipeline: MakePipeline) -> None:
    """At the real rate limit, every call, utterance and brick is in Postgres as the servers have it, the Parquet files
    have the same rows, the server never refuses a request, and a call costs at most 1.05 requests. A second run fetches
    no details and scores nothing."""
    pipeline = make_pipeline(requests_per_second=9)
    truth = pipeline.sandbox.truth()
    outcome = pipeline.run()
    assert outcome["complete"] is True
    _check_calls(pipeline, truth)
    _check_utterances(pipeline, truth)
    _check_scores(pipeline)
    for table in ("calls", "participants", "transcripts", "utterances", "semarize_scores"):
        in_postgres = pipeline.query(f"SELECT count(*) AS rows FROM copilot.{table}")[0]["rows"]
        assert len(pipeline.parquet(table)) == in_postgres, table
    counted = pipeline.sandbox.stats()
    assert counted["answered_429"] == 0
    assert counted["details_most_for_one_call"] == 1
    listed = sum(map(is_listed, truth))
    snapshots = 3  # users, topics, scorecards: one request each
    assert counted["clari_total"] - snapshots <= 1.05 * listed
    ready = sum(map(is_transcribed, truth))
    silent = sum(is_transcribed(call) and not call["details"]["transcript"] for call in truth)
    assert counted["runs_created"] == 2 * (ready - silent)

    pipeline.sandbox.reset_stats()
    before = pipeline.tables()
    pipeline.run()
    again = pipeline.sandbox.stats()
    assert (again["details_total"], again["clari_requests"]["rest /calls"]) == (0, 1)
    assert again["semarize_requests"] == {}
    assert pipeline.tables() == before


def test_a_killed_run_ends_in_the_same_tables(make_pipeline: MakePipeline) -> None:
    """Killed again and again while it fetches and while it scores, it ends in the tables of an undisturbed run. No
    details are fetched twice but those in flight, and no transcript is scored twice by a kit."""
    pipeline = make_pipeline()
    ready = sum(map(is_transcribed, pipeline.sandbox.truth()))
    kills = 0
    for part in (0.1, 0.4, 0.8):
        pipeline.run_and_kill(int(part * ready), "details_total")
        kills += 1
    for part in (0.1, 1.0):
        pipeline.run_and_kill(int(part * ready), "runs_created")
        kills += 1
    assert pipeline.run()["complete"] is True
    _check_calls(pipeline, pipeline.sandbox.truth())
    _check_utterances(pipeline, pipeline.sandbox.truth())
    _check_scores(pipeline)
    counted = pipeline.sandbox.stats()
    in_flight = 16  # ordered and not yet durable at a kill
    assert ready <= counted["details_total"] <= ready + kills * in_flight
    assert counted["runs_most_for_one_input"] == 1


@pytest.mark.skipif(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="Ctrl-C is switched off for this process")
@pytest.mark.parametrize("counter", ["details_total", "runs_created"])
def test_ctrl_c_exits_with_130_and_no_traceback(make_pipeline: MakePipeline, counter: str) -> None:
    """After a line for each finished day it prints how to continue, at any stage, and no message of a library."""
    pipeline = make_pipeline()
    code, output = pipeline.run_and_kill(5, counter, ending=signal.SIGINT)
    assert code == 130
    *finished, last = output.strip().splitlines()
    assert last == "Interrupted. Run the same command again to continue."
    assert all(_DAY_LINE.search(line) for line in finished), finished


def test_quarantines_only_the_unreadable_body(make_pipeline: MakePipeline) -> None:
    """A body cut in half is in the quarantine with its reason and its bytes; the other calls are in the tables, the
    call itself is in `calls` without a transcript, and the exit code is that of quarantined calls."""
    pipeline = make_pipeline(days=2)
    truth = pipeline.sandbox.truth()
    victim = next(call["call_id"] for call in truth if is_transcribed(call) and call["details"]["transcript"])
    pipeline.sandbox.set_faults(malformed=[victim])
    outcome = pipeline.run(*OF_CALLS, expect=4)
    assert (outcome["complete"], outcome["quarantined"], outcome["problems"]) == (False, 1, [])
    rows = pipeline.query("SELECT call_id, origin, reason, body FROM copilot_ops.quarantine")
    assert [(row["call_id"], row["origin"]) for row in rows] == [(victim, "call-details")]
    assert "not JSON" in rows[0]["reason"]
    assert bytes(rows[0]["body"]).startswith(b'{"call":{"id":')
    transcribed = {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")}
    assert transcribed == {call["call_id"] for call in truth if is_transcribed(call)} - {victim}
    listed = pipeline.query("SELECT has_transcript FROM copilot.calls WHERE call_id = %s", victim)
    assert listed == [{"has_transcript": False}]
    pipeline.sandbox.set_faults()
    outcome = pipeline.run(*OF_CALLS)  # of a person: not after the hour of backoff
    assert (outcome["complete"], outcome["quarantined"]) == (True, 0)
    _check_utterances(pipeline, truth)


def test_a_failing_call_does_not_affect_the_others(make_pipeline: MakePipeline) -> None:
    """A call whose details the server never returns leaves its day incomplete and the exit code 1, also while its retry
    is deferred; all other calls are in the tables. Once the server returns them, the same command completes the day."""
    pipeline = make_pipeline(days=2)
    truth = pipeline.sandbox.truth()
    victim = next(call["call_id"] for call in truth if is_transcribed(call) and call["details"]["transcript"])
    pipeline.sandbox.set_faults(detail_status={victim: 404})
    outcome = pipeline.run(*OF_CALLS, expect=1)
    assert any(victim in problem for problem in outcome["problems"])
    others = {call["call_id"] for call in truth if is_transcribed(call)} - {victim}
    assert {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")} == others
    requests_before = pipeline.sandbox.stats()["details_total"]
    again = pipeline.run("--assets", "raw_call_details", expect=1)
    assert [problem for problem in again["problems"] if victim in problem and "tried again after" in problem]
    assert pipeline.sandbox.stats()["details_total"] == requests_before
    pipeline.sandbox.set_faults()
    pipeline.query("UPDATE copilot_ops.calls SET next_attempt_at = now() RETURNING call_id")
    assert pipeline.run(*OF_CALLS)["complete"] is True
    _check_utterances(pipeline, truth)


def test_a_day_that_cannot_be_written_does_not_affect_the_others(make_pipeline: MakePipeline) -> None:
    """If the lake refuses one day, the others are stored; once it accepts it, nothing of the day is fetched again."""
    pipeline = make_pipeline(days=2)
    first, last = pipeline.days()
    obstacle = pipeline.home / "lake" / "raw_call_details" / f"call_date={first}"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("a file where the folder should be")
    outcome = pipeline.run(*OF_CALLS, expect=1)
    assert [problem for problem in outcome["problems"] if first in problem and "could not be written" in problem]
    stored = pipeline.query("SELECT call_date::text AS day FROM copilot_ops.partitions WHERE stored_at IS NOT NULL")
    assert stored == [{"day": last}]
    fetched = pipeline.sandbox.stats()["details_total"]
    obstacle.unlink()
    assert pipeline.run(*OF_CALLS)["complete"] is True
    assert pipeline.sandbox.stats()["details_total"] == fetched


def test_the_guide_dialect_fills_the_same_tables(make_pipeline: MakePipeline) -> None:
    """With names for speakers, and sides by role."""
    pipeline = make_pipeline(days=2, dialect="guide")
    truth = [call for call in pipeline.sandbox.truth() if is_listed(call)]
    assert pipeline.run(*OF_CALLS)["complete"] is True
    result = {row["call_id"]: row for row in pipeline.query("SELECT * FROM copilot.calls")}
    assert set(result) == {call["call_id"] for call in truth}
    spoken = [call for call in truth if call["details"]["transcript"]]
    texts = pipeline.query("SELECT call_id, count(*) AS turns FROM copilot.utterances GROUP BY 1")
    assert {row["call_id"]: row["turns"] for row in texts} == {
        call["call_id"]: len(call["details"]["transcript"]) for call in spoken
    }
    sides = pipeline.query("SELECT DISTINCT side FROM copilot.utterances WHERE person_id IS NOT NULL")
    assert {"rep", "prospect"} <= {row["side"] for row in sides}


def test_a_moved_call_is_in_one_partition(make_pipeline: MakePipeline) -> None:
    """A rescheduled call leaves no copy in its old day, neither in Postgres nor in Parquet; a call that is removed from
    the list stays, with the time at which the removal was detected."""
    pipeline = make_pipeline(days=2, calls_per_day=8)
    calls = [call for call in pipeline.sandbox.truth() if is_transcribed(call) and call["details"]["transcript"]]
    moved, removed = calls[0], calls[-1]
    pipeline.run()
    new_day = calls[-1]["day"]
    assert moved["day"] != new_day
    pipeline.sandbox.edit(moved["call_id"], time=f"{new_day}T10:00:00.000Z")
    pipeline.sandbox.edit(removed["call_id"], removed=True)
    pipeline.sandbox.reset_stats()
    pipeline.run()
    # Its status did not change, so the stored details are still current.
    assert pipeline.sandbox.stats()["details_total"] == 0
    for table in ("calls", "participants", "transcripts", "utterances", "semarize_scores"):
        query = f"SELECT DISTINCT call_date::text AS day FROM copilot.{table} WHERE call_id = %s"
        assert pipeline.query(query, moved["call_id"]) == [{"day": new_day}], table
        days = {row["call_date"] for row in pipeline.parquet(table) if row["call_id"] == moved["call_id"]}
        assert days == {new_day}, table
    marked = pipeline.query("SELECT call_id FROM copilot.calls WHERE removed_at IS NOT NULL")
    assert marked == [{"call_id": removed["call_id"]}]
    assert pipeline.query("SELECT 1 FROM copilot.transcripts WHERE call_id = %s", removed["call_id"])


def test_logs_contain_no_quote_and_no_secret(make_pipeline: MakePipeline) -> None:
    """Whatever fails, neither the terminal nor Dagster's events contain a key or a word of a transcript."""
    pipeline = make_pipeline(days=1)
    truth = pipeline.sandbox.truth()
    victim = next(call["call_id"] for call in truth if is_transcribed(call) and call["details"]["transcript"])
    pipeline.sandbox.set_faults(malformed=[victim], error_status=502, error_share=0.05)
    pipeline.run(expect=(1, 4))  # 1 if a call met 502 at each of its attempts
    pipeline.sandbox.set_faults(refuse_credentials=True)
    pipeline.run(expect=3)
    assert "403" in pipeline.error_output
    events = json.dumps([row["event"] for row in pipeline.query("SELECT event FROM event_logs")])
    spoken = {turn["text"] for call in truth for turn in call["details"]["transcript"] if len(turn["text"]) > 20}
    for text in (pipeline.error_output, events):
        for secret in ("sandbox-password", "smz_test_sandbox"):
            assert secret not in text
        assert not [line for line in spoken if line in text]
