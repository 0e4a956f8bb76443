"""Polls, webhooks and concurrent runs, on the sandbox and a real database, without the daemon."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import httpx
import pyarrow.parquet as pq
import pytest

from copilot_pipeline.extract.factory import open_extraction
from copilot_pipeline.extract.polling import SOURCE
from copilot_pipeline.extract.webhook_calls import WEBHOOK
from copilot_pipeline.sandbox.call import PENDING
from copilot_pipeline.state.inbox import InboundWebhook
from copilot_pipeline_tests.defs.opened import Opened
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import resources_of
from copilot_pipeline_tests.end_to_end.truth import is_transcribed


def _fetch_pending(opened: Opened) -> set[date]:
    days = opened.calls.unfinished_days([SOURCE, WEBHOOK, "recheck"])
    limits = opened.rate_limiter.limits
    with (
        opened.clari_copilot.client(SOURCE) as client,
        open_extraction(
            opened.settings.load(),
            client,
            opened.postgres.database,
            opened.lake.open(opened.postgres.database),
            limits,
            source=SOURCE,
        ) as extraction,
    ):
        for report in extraction.run(days, calls=opened.calls.to_fetch(days)):
            assert not report.problems
    return set(days)


def test_a_poll_finds_calls_that_became_ready_and_repeats_no_request(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that started long before the last poll and became ready after it is found and fetched; a poll without
    changes adds nothing to fetch."""
    pipeline = make_pipeline(days=2, calls_per_day=20)
    late = next(call["call_id"] for call in pipeline.sandbox.truth() if call["item"]["status"] in PENDING)
    with resources_of(pipeline, monkeypatch) as opened:
        assert opened.poll() == 0  # the world's calls changed in March
        pipeline.sandbox.edit(late, status="POST_PROCESSING_DONE")
        assert opened.poll() == 1
        assert len(_fetch_pending(opened)) == 1
        opened.poll()  # the overlap shows it again
        assert _fetch_pending(opened) == set()
    assert pipeline.sandbox.stats()["details_by_call"] == {late: 1}


def test_a_failed_poll_continues_in_its_own_window(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cursor does not move before all calls are recorded; the next poll completes the window of the failed one, and
    then finds what changed later."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    first, second = [call["call_id"] for call in pipeline.sandbox.truth() if is_transcribed(call)][:2]
    with resources_of(pipeline, monkeypatch) as opened:
        pipeline.sandbox.edit(first, status="PROCESSED")
        pipeline.sandbox.set_faults(refuse_credentials=True)
        with pytest.raises(Exception, match="403"):
            opened.poll()
        pipeline.sandbox.set_faults()
        pipeline.sandbox.edit(second, status="PROCESSED")
        opened.poll()
        opened.poll()
        known = pipeline.query("SELECT call_id FROM copilot_ops.calls WHERE source = 'poll'")
    assert {row["call_id"] for row in known} == {first, second}


def test_processes_a_webhook_once_and_acks_unknown_ids(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call id from a webhook costs one request; its details are stored in the transaction that acks it. An unknown id
    is acked as well."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    call_id = next(call["call_id"] for call in pipeline.sandbox.truth() if is_transcribed(call))
    purge_at = datetime.now(UTC) + timedelta(hours=1)
    with resources_of(pipeline, monkeypatch) as opened:
        opened.inbox.put([InboundWebhook("call", (call_id, "unknown-id"), "test", purge_at)])
        with opened.webhook_processor() as processor:
            batch = processor.process_batch()
            assert (set(batch.calls), batch.unknown, batch.problems) == ({call_id}, 1, [])
            assert processor.process_batch().calls == {}
        assert opened.inbox.backlog().count == 0
        _fetch_pending(opened)
    assert pipeline.sandbox.stats()["details_by_call"] == {call_id: 1, "unknown-id": 1}
    rows = pipeline.query(
        "SELECT fetched_version = version AS fetched, stored_date IS NOT NULL AS stored FROM copilot_ops.calls"
    )
    assert rows == [{"fetched": True, "stored": True}]


def test_gives_up_a_call_that_never_becomes_ready_with_a_problem(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked up in the list a limited number of times, with a growing delay, and the last attempt reports it.

    Its details are not requested until the list shows it as ready.
    """
    pipeline = make_pipeline(days=1, calls_per_day=20)
    (pipeline.home).mkdir(parents=True, exist_ok=True)
    (pipeline.home / "pipeline.yaml").write_text("clari: {processing_looks: 2}\n")
    pipeline.run("--assets", "raw_call_details")
    with resources_of(pipeline, monkeypatch) as opened, opened.webhook_processor() as processor:
        problems: list[str] = []
        for _ in range(3):
            pipeline.query(
                "UPDATE copilot_ops.calls SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL RETURNING 1"
            )
            problems += processor.process_batch().problems
    pending = [call for call in pipeline.sandbox.truth() if call["item"]["status"] in PENDING]
    assert len(problems) == len(pending) > 0
    assert all("given up" in problem for problem in problems)
    assert not {call["call_id"] for call in pending} & pipeline.sandbox.stats()["details_by_call"].keys()


def test_a_call_that_was_not_ready_is_fetched_when_the_list_shows_it_as_ready(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a webhook and before the next poll."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    late = next(call["call_id"] for call in pipeline.sandbox.truth() if call["item"]["status"] in PENDING)
    pipeline.run("--assets", "raw_call_details")
    pipeline.sandbox.edit(late, status="POST_PROCESSING_DONE")
    with resources_of(pipeline, monkeypatch) as opened, opened.webhook_processor() as processor:
        pipeline.query("UPDATE copilot_ops.calls SET next_attempt_at = now() WHERE call_id = %s RETURNING 1", late)
        assert set(processor.process_batch().calls) == {late}
    assert pipeline.sandbox.stats()["details_by_call"][late] == 1


def test_concurrent_runs_share_the_work(make_pipeline: MakePipeline) -> None:
    """Two processes on the same days at the same time both succeed, and no details are fetched twice."""
    pipeline = make_pipeline(days=2, calls_per_day=20)
    first, last = pipeline.days()
    both = [pipeline.start("run", "--from", first, "--to", last) for _ in range(2)]
    for process in both:
        _, output = process.communicate()
        assert process.returncode == 0, output
    counted = pipeline.sandbox.stats()
    assert counted["details_most_for_one_call"] == 1
    assert counted["runs_most_for_one_input"] == 1
    ready = {call["call_id"] for call in pipeline.sandbox.truth() if is_transcribed(call)}
    assert {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")} == ready


def test_reports_another_client_on_the_same_key(make_pipeline: MakePipeline) -> None:
    """If the server reports a used-up quota but our own count is low, the command reports it, exit code 75."""
    pipeline = make_pipeline(days=1, requests_per_week=1000)
    pipeline.sandbox.set_faults(foreign_requests=995)
    pipeline.run(expect=75)
    assert "another client uses the same key" in pipeline.error_output
    assert httpx.get(f"{pipeline.sandbox.url}/_sandbox/stats").json()["refused_for_the_week"] <= 8


def test_a_call_that_moves_to_another_day_leaves_no_copy(make_pipeline: MakePipeline) -> None:
    """A call is moved to another day, and the two days are run one after the other: its rows and scores are in one
    partition, in the lake and in the warehouse, and nothing is paid for again."""
    pipeline = make_pipeline(days=2, calls_per_day=5)
    first, last = pipeline.days()
    pipeline.run()
    moved = next(
        call["call_id"]
        for call in pipeline.sandbox.truth()
        if call["day"] == first and is_transcribed(call) and call["details"]["transcript"]
    )
    pipeline.sandbox.edit(moved, time=f"{last}T12:00:00.000Z")
    for day in (first, last):
        pipeline.execute("run", "--from", day, "--to", day)
    for table in ("calls", "utterances", "semarize_runs", "semarize_scores"):
        files = (pipeline.home / "lake" / table).glob("*/*.parquet")
        days = {file.parent.name for file in files if moved in pq.read_table(file)["call_id"].to_pylist()}
        assert days == {f"call_date={last}"}, table
        rows = pipeline.query(f"SELECT DISTINCT call_date::text FROM copilot.{table} WHERE call_id = %s", moved)
        assert rows == [{"call_date": last}], table
    assert pipeline.sandbox.stats()["runs_most_for_one_input"] == 1
