"""Sentences in which a topic or a competitor came up."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from copilot_pipeline.clients.clari.models import CallRecord
from copilot_pipeline.clients.clari.rest_record import build_record
from copilot_pipeline.transform.mentions import SpeechIndex, competitor_mentions, topic_mentions
from copilot_pipeline.transform.transcripts import assemble, resolve_people
from copilot_pipeline.transform.transcripts.people import UserDirectory

TURNS = (
    (1, 0.0, "Good morning. Shall we begin?"),
    (0, 5.2, "Sure. Let us talk about what it does."),
    (1, 60.0, "One thing first. What does it cost? We have a limit."),
    (0, 64.4, "The price depends on the tier. It is 40 a seat."),
    (1, 120.0, "Globex was slow to deploy. Globexia is another firm."),
    (0, 180.0, ""),
    (0, 190.0, "And I know GLOBEX well."),
)


def call(**fields: Any) -> tuple[CallRecord, SpeechIndex]:
    """A call with these fields of the vendor, and what was said on it."""
    body = {
        "status": "POST_PROCESSING_DONE",
        "transcript": [{"personId": who, "start": start, "end": start + 3, "text": text} for who, start, text in TURNS],
        **fields,
    }
    record = build_record(body, "call-1", datetime(2026, 6, 1, tzinfo=UTC), "$")
    return record, SpeechIndex(assemble(record, resolve_people(record, UserDirectory([]))).utterances)


def categories(*phrases: dict[str, Any], name: str = "Pricing") -> dict[str, Any]:
    """The metrics of a call with a topic and its matched phrases."""
    return {"categories": [{"name": name, "occurences": len(phrases), "phrases_matched": list(phrases)}]}


def section(start: object, end: object, name: str = "Pricing") -> dict[str, Any]:
    """The summary of a call with one section."""
    times = {"start_timestamp": start, "end_timestamp": end}
    return {"topics_discussed": [{"name": name, "summary": "Tiers compared.", **times}]}


def test_a_matched_phrase_leads_to_the_sentence_that_was_spoken_then() -> None:
    record, spoken = call(metrics=categories({"text": "what does it cost", "time": 60.2}))
    (mention,) = topic_mentions(record, spoken)
    assert (mention.name, mention.origin, mention.seq) == ("Pricing", "phrase", 2)
    assert mention.sentence == "What does it cost?"


def test_a_section_leads_to_the_sentences_that_name_its_topic_in_any_form() -> None:
    record, spoken = call(summary=section("50.0", "130.0"))
    (mention,) = topic_mentions(record, spoken)
    assert (mention.origin, mention.seq, mention.sentence) == ("section", 3, "The price depends on the tier.")
    assert mention.remark == "Tiers compared."


def test_a_section_without_the_name_of_its_topic_leads_to_its_first_sentence() -> None:
    record, spoken = call(summary=section("60.0", "64.0", name="Budget"))
    (mention,) = topic_mentions(record, spoken)
    assert (mention.seq, mention.sentence) == (2, "One thing first.")


@pytest.mark.parametrize(("start", "end"), [("NaN", "NaN"), (None, None), ("900", "950"), ("130", "50")])
def test_a_topic_without_a_usable_time_is_searched_for_by_its_name(start: object, end: object) -> None:
    record, spoken = call(summary=section(start, end))
    (mention,) = topic_mentions(record, spoken)
    assert (mention.origin, mention.seq) == ("name", 3)


def test_a_topic_that_no_sentence_names_is_still_listed() -> None:
    record, spoken = call(metrics=categories(name="Legal Review"))
    (mention,) = topic_mentions(record, spoken)
    assert (mention.name, mention.origin, mention.seq, mention.sentence) == ("Legal Review", "list", None, None)


def test_a_sentence_has_one_row_per_topic() -> None:
    price = {"text": "price", "time": 64.4}
    record, spoken = call(metrics=categories(price, price), summary=section("50.0", "130.0"))
    assert [(one.origin, one.seq) for one in topic_mentions(record, spoken)] == [("phrase", 3)]


def test_a_competitor_has_the_rated_turn_and_every_other_sentence_that_names_it() -> None:
    rated = {"competitor_name": "Globex", "sentiment": "NEGATIVE", "reasoning": "Slow.", "turn_start_time": "120.0"}
    record, spoken = call(competitor_sentiments=[rated])
    first, second = competitor_mentions(record, spoken)
    assert (first.origin, first.seq, first.sentence) == ("sentiment", 4, "Globex was slow to deploy.")
    assert (first.sentiment, first.remark) == ("NEGATIVE", "Slow.")
    assert (second.origin, second.seq, second.sentiment) == ("name", 6, None)


def test_a_competitor_without_a_sentence_keeps_its_sentiment() -> None:
    record, spoken = call(competitor_sentiments=[{"competitor_name": "Initech", "sentiment": "NEUTRAL"}])
    (mention,) = competitor_mentions(record, spoken)
    assert (mention.name, mention.seq, mention.sentiment) == ("Initech", None, "NEUTRAL")


@pytest.mark.parametrize("document", ['"text"', "[1, null]", '[{"name": 5}]', "{}"])
def test_unexpected_shapes_give_no_mentions(document: str) -> None:
    value = json.loads(document)
    record, spoken = call(competitor_sentiments=value, summary={"topics_discussed": value})
    assert competitor_mentions(record, spoken) == []
    assert [one for one in topic_mentions(record, spoken) if one.seq is not None] == []


def test_a_call_without_speech_lists_its_topics() -> None:
    record, spoken = call(transcript=[], metrics=categories({"text": "price", "time": 3}), summary=section("1", "2"))
    assert [(one.name, one.origin) for one in topic_mentions(record, spoken)] == [("Pricing", "list")]
