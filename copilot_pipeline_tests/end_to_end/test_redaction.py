"""Redaction on the sandbox: nothing personal reaches the scorer, nothing is paid twice, and evidence is located."""

from __future__ import annotations

import re
from typing import Any

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.pipeline import KITS, Pipeline
from copilot_pipeline_tests.end_to_end.truth import is_transcribed

PLANTED = "My direct line is 415-555-0132, and my address is {name}@park.example."


def _configure(pipeline: Pipeline, before: str, replace: str = "tag") -> None:
    pipeline.home.mkdir(parents=True, exist_ok=True)
    section = f"privacy:\n  redact: {{before: {before}, replace: {replace}}}\n"
    (pipeline.home / "pipeline.yaml").write_text(KITS + section)


def _plant(pipeline: Pipeline) -> list[str]:
    """Let the first speaker of each call say an address and a number; return the names of everybody on the calls."""
    names: set[str] = set()
    users = {user["id"]: user["name"] for user in pipeline.sandbox.reference()["users"]}
    for call in filter(is_transcribed, pipeline.sandbox.truth()):
        names |= {users[user["userId"]] for user in call["item"]["users"]}
        externals = [one["name"] for one in call["item"]["externalParticipants"] if one["name"]]
        names |= set(externals)
        turns = call["details"]["transcript"]
        if turns and externals and not call["trap"]:
            said = f"{PLANTED.format(name='lee')} I am {externals[0]}, and {externals[0].split()[0]} is fine."
            pipeline.sandbox.edit(call["call_id"], transcript=[{**turns[0], "text": said}, *turns[1:]])
    return sorted(part for name in names for part in name.split() if len(part) > 2)


def _paid(pipeline: Pipeline) -> int:
    return int(pipeline.sandbox.stats()["runs_created"])


def _received(pipeline: Pipeline) -> str:
    return "\n".join(run["transcript"] for run in pipeline.sandbox.outputs())


def _personal(text: str, names: list[str]) -> list[str]:
    found = re.findall(rf"(?i)\b(?:{'|'.join(map(re.escape, names))})\b", text)
    return [*found, *re.findall(r"\S+@\S+|555-0132", text)]


def test_nothing_personal_reaches_the_scorer(make_pipeline: MakePipeline) -> None:
    """Killed and run again: no name, address or number was received, and nothing was paid twice. Quotes have their
    utterance and time, beside the words as they were said."""
    pipeline = make_pipeline(days=2)
    names = _plant(pipeline)
    _configure(pipeline, "scoring", "pseudonym")
    pipeline.run_and_kill(12, "runs_created")
    assert pipeline.run()["complete"] is True
    assert pipeline.sandbox.stats()["runs_most_for_one_input"] == 1
    received = _received(pipeline)
    assert _personal(received, names) == []
    assert "[PHONE 1], and my address is [EMAIL 1]" in received
    assert re.search(r"^Prospect 1: ", received, re.MULTILINE)

    stored = "\n".join(row["text"] for row in pipeline.query("SELECT text FROM copilot.transcripts"))
    assert "415-555-0132" in stored
    rows = pipeline.query(
        """SELECT evidence.*, utterances.text, utterances.start_s AS starts FROM copilot.evidence
        LEFT JOIN copilot.utterances USING (call_id, seq)"""
    )
    assert rows
    assert all(row["match"] in ("exact", "normalized") and row["start_s"] == row["starts"] for row in rows)
    assert all(row["said"] in row["text"] or row["last_seq"] != row["seq"] for row in rows)
    assert "redaction" in pipeline.execute("doctor", expect=(0, 1)).stdout


def test_another_policy_is_priced_and_paid_on_request(make_pipeline: MakePipeline) -> None:
    """After a switch nothing is scored again until that is requested; the price is stated before, and paid once."""
    pipeline = make_pipeline(days=1, calls_per_day=8)
    names = _plant(pipeline)
    pipeline.run()
    paid = _paid(pipeline)
    first_texts = len(_received(pipeline))
    assert _personal(_received(pipeline), names)

    _configure(pipeline, "storing")
    pipeline.run()
    assert _paid(pipeline) == paid
    results = _results(pipeline)
    price = f"{results} Semarize runs are paid for again"
    assert f"{results} result(s) of these days are of a text with another redaction, or none" in pipeline.error_output
    assert price in pipeline.error_output
    tables = ("transcripts", "utterances")
    assert _personal(str([pipeline.query(f"SELECT * FROM copilot.{table}") for table in tables]), names) == []
    assert _personal(str([pipeline.parquet(table) for table in tables]), names) == []

    pipeline.run("--rescore", "--other-redaction", expect=2)
    assert price in pipeline.error_output
    assert _paid(pipeline) == paid
    pipeline.run("--rescore", "--other-redaction", "--yes")
    assert _paid(pipeline) == paid + results
    assert _personal(_received(pipeline)[first_texts:], names) == []
    pipeline.run("--rescore", "--other-redaction", "--yes")
    assert "nothing is paid for again" in pipeline.error_output
    assert _paid(pipeline) == paid + results


def _results(pipeline: Pipeline) -> int:
    rows: list[dict[str, Any]] = pipeline.query("SELECT * FROM copilot.semarize_runs WHERE status = 'succeeded'")
    return len(rows)
