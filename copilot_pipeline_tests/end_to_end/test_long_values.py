"""Participants with values of thousands of characters: the day loads, and so do the neighbours."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest

from copilot_pipeline_tests.end_to_end.conftest import MakePipeline
from copilot_pipeline_tests.end_to_end.truth import is_listed, is_transcribed

LENGTH = 5_000


def _noise() -> str:
    return "".join(random.Random(1).choices(string.ascii_letters, k=LENGTH))


@pytest.mark.parametrize("field", ["name", "email", "personId"])
def test_one_long_participant_does_not_blank_its_day(make_pipeline: MakePipeline, field: str) -> None:
    """All calls are in both stores; the cut is recorded without the value, and nothing has to be done."""
    pipeline = make_pipeline(days=2)
    calls = pipeline.sandbox.truth()
    victim = next(call for call in calls if is_transcribed(call) and call["item"]["externalParticipants"])
    listed: dict[str, Any] = victim["item"]
    people = [dict(person) for person in listed["externalParticipants"]]
    former, people[0][field] = people[0]["personId"], f"{_noise()}@example.com" if field == "email" else _noise()
    turns = [
        {**turn, "personId": people[0]["personId"]} if turn["personId"] == former else turn
        for turn in victim["details"]["transcript"]
    ]
    pipeline.sandbox.edit(victim["call_id"], externalParticipants=people, transcript=turns)

    result = pipeline.run()
    expected = sum(is_listed(call) for call in calls)
    assert result["rows"]["calls"] == expected
    assert len(pipeline.parquet("calls")) == expected
    names = pipeline.query(
        "SELECT name, email, person_id FROM copilot.participants WHERE call_id = %s", victim["call_id"]
    )
    assert len(pipeline.parquet("participants")) == result["rows"]["participants"]
    assert names
    assert all(len(value or "") <= 2_000 for row in names for value in row.values())
    cuts = pipeline.query("SELECT column_name, original_chars, row_key::text FROM copilot_ops.truncated_values")
    column = {"name": "name", "email": "email", "personId": "person_id"}[field]
    assert column in {cut["column_name"] for cut in cuts if cut["original_chars"] >= LENGTH}
    assert _noise()[:1_000] not in str(cuts)
    assert _noise()[:1_000] not in pipeline.error_output
    orphans = """SELECT count(*) AS n FROM copilot.utterances LEFT JOIN copilot.participants USING (call_id, person_id)
    WHERE person_id IS NOT NULL AND participants.call_id IS NULL AND call_id = %s"""
    assert pipeline.query(orphans, victim["call_id"]) == [{"n": 0}]
