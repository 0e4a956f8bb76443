"""Private calls, which the vendor's list omits and whose details it returns by id, on the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from copilot_pipeline.sandbox.call import PENDING
from copilot_pipeline.state.inbox import InboundWebhook
from copilot_pipeline_tests.defs.opened import Opened
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import KITS, Pipeline, resources_of
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

_TEXT_COLUMNS = """
    SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
    WHERE table_schema IN ('copilot', 'copilot_ops') AND table_type = 'BASE TABLE'"""


def _announce(opened: Opened, *ids: str) -> None:
    opened.inbox.put([InboundWebhook("call", ids, "test", datetime.now(UTC) + timedelta(hours=1))])


def _process(opened: Opened) -> None:
    with opened.incremental_run() as incremental:
        list(incremental.run())


def _tables_with(pipeline: Pipeline, text: str) -> set[str]:
    """Tables of both schemas with a row that contains a text."""
    names = [row["name"] for row in pipeline.query(_TEXT_COLUMNS)]
    found = "SELECT 1 FROM {} AS row WHERE row::text LIKE '%%' || %s || '%%' LIMIT 1"
    return {name for name in names if pipeline.query(found.format(name), text)}


def test_keeps_nothing_of_a_private_call_that_a_webhook_names(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its details are discarded, also if they cannot be parsed: only the inbox has its id. The public calls of the same
    batch are stored, and all of them cost one list request."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    private = next(call for call in pipeline.sandbox.truth() if call["is_private"])["call_id"]
    public = [call["call_id"] for call in pipeline.sandbox.truth() if is_transcribed(call)]
    with resources_of(pipeline, monkeypatch) as opened:
        _announce(opened, private, *public)
        with opened.webhook_processor() as processor:
            batch = processor.process_batch()
        assert (set(batch.calls), batch.hidden, batch.problems) == (set(public), 1, [])
        # Midnight and the last instant of the day are more than an hour from the other calls.
        assert pipeline.sandbox.stats()["clari_requests"]["rest /calls"] <= 8
        assert opened.inbox.backlog().count == 0
        assert _tables_with(pipeline, private) == {"copilot_ops.inbox"}
        pipeline.sandbox.set_faults(detail_bodies={private: "cut"})
        _announce(opened, private)
        with opened.webhook_processor() as processor:
            processor.process_batch()
        assert pipeline.query("SELECT 1 FROM copilot_ops.quarantine WHERE length(body) > 0") == []
        pipeline.sandbox.set_faults()
        _process(opened)
    assert private not in {row["call_id"] for row in pipeline.query("SELECT call_id FROM copilot.transcripts")}


def test_does_not_fetch_a_known_call_that_became_private(
    make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for a webhook, nor because it was not ready, nor because it was deferred after an error. It is marked as
    removed, in the tables too."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    scored, deferred = [call["call_id"] for call in pipeline.sandbox.truth() if is_transcribed(call)][:2]
    unready = next(call["call_id"] for call in pipeline.sandbox.truth() if call["item"]["status"] in PENDING)
    pipeline.sandbox.set_faults(detail_status={deferred: 500})
    pipeline.run("--assets", "raw_call_details,calls,participants,transcripts,utterances", expect=1)
    pipeline.sandbox.set_faults()
    for call_id in (scored, deferred, unready):
        pipeline.sandbox.edit(call_id, private=True, status="PROCESSED")
    before = pipeline.sandbox.stats()["details_by_call"]
    due = "next_attempt_at = now(), source = 'poll', seen_at = seen_at - interval '2 hours'"
    pipeline.query(f"UPDATE copilot_ops.calls SET {due} WHERE call_id = ANY(%s) RETURNING 1", [deferred, unready])
    with resources_of(pipeline, monkeypatch) as opened:
        _announce(opened, scored)
        _process(opened)
    assert pipeline.sandbox.stats()["details_by_call"] == before
    removed = pipeline.query("SELECT call_id FROM copilot_ops.calls WHERE removed_at IS NOT NULL")
    assert {row["call_id"] for row in removed} == {scored, deferred, unready}
    removed = pipeline.query("SELECT call_id FROM copilot.calls WHERE removed_at IS NOT NULL")
    assert {row["call_id"] for row in removed} >= {scored}


def test_reads_private_calls_on_request(make_pipeline: MakePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `include_private` a webhook about one costs one request, and the call is stored."""
    pipeline = make_pipeline(days=1, calls_per_day=20)
    pipeline.home.mkdir(parents=True, exist_ok=True)
    (pipeline.home / "pipeline.yaml").write_text(f"clari: {{include_private: true}}\n{KITS}")
    private = next(call["call_id"] for call in pipeline.sandbox.truth() if call["is_private"])
    with resources_of(pipeline, monkeypatch) as opened:
        _announce(opened, private)
        with opened.webhook_processor() as processor:
            assert set(processor.process_batch().calls) == {private}
    assert pipeline.sandbox.stats()["clari_total"] == 1
