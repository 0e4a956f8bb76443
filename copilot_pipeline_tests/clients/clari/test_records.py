"""Records of stored bodies, and the traps of real bodies."""

from __future__ import annotations

import time
from typing import Any

import pytest

from copilot_pipeline.clients.clari.dialects import dialect_named
from copilot_pipeline.clients.clari.models import CallRecord, Readiness, Side
from copilot_pipeline.clients.text import clean_text
from copilot_pipeline.errors import UnreadableBody
from copilot_pipeline_tests.clients.clari.servers import body_of

REST, GUIDE = dialect_named("rest"), dialect_named("guide")
CALL: dict[str, Any] = {"id": "c-1", "time": "2026-03-01T15:00:00.000Z", "status": "PROCESSED"}


def details(**fields: Any) -> CallRecord:
    """The record of a details body with these fields."""
    return REST.parse_call(None, body_of({"call": {**CALL, **fields}}))


def test_person_id_zero_is_valid() -> None:
    """personId 0 is a person (trap 7), and 1, 1.0 and "1" are one person (trap 8)."""
    turns = [{"text": "a", "personId": person} for person in (0, 1, 1.0, "1", None, True)]
    assert [turn.person_id for turn in details(transcript=turns).segments] == ["0", "1", "1", "1", None, None]


def test_merges_the_three_lists_of_people() -> None:
    """Each person once: users are reps, externals prospects, others unknown; people who did not join are marked."""
    record = details(
        users=[{"userId": "u-1", "userEmail": "dana@acme.example", "isOrganizer": True, "personId": 0}],
        externalParticipants=[
            {"name": "Lee Park", "email": "lee@northwind.example", "phone": None, "personId": 1},
            {"name": "Kim Roe", "email": "Kim@northwind.example"},
            {"phone": "555"},
        ],
        joinedParticipants=[{"name": "LEE PARK"}, {"email": "kim@northwind.example", "personId": 4}, {"name": "Guest"}],
    )
    assert [(p.person_id, p.side, p.joined) for p in record.people] == [
        ("0", Side.REP, False),
        ("1", Side.PROSPECT, True),
        ("4", Side.PROSPECT, True),
        ("name:Guest", Side.UNKNOWN, True),
    ]
    assert record.people[0].email == "dana@acme.example"
    assert record.people[2].name == "Kim Roe"


def test_joined_is_unknown_without_its_list() -> None:
    """Without a list of people who joined, `joined` is None."""
    absent: tuple[dict[str, Any], ...] = ({}, {"joinedParticipants": []}, {"joinedParticipants": None})
    for joined in absent:
        record = details(users=[{"personId": 0}], **joined)
        assert [person.joined for person in record.people] == [None]


def test_entries_with_one_person_id_are_one_person() -> None:
    """The person keeps the side of the first list."""
    record = details(users=[{"personId": 3}], externalParticipants=[{"personId": 3, "name": "Dana"}])
    assert [(p.person_id, p.name, p.side) for p in record.people] == [("3", "Dana", Side.REP)]


def test_a_person_with_two_person_ids_is_kept_twice() -> None:
    """A person who joined under a new personId is a second entry of the same side, so that all turns have a person."""
    record = details(
        externalParticipants=[{"personId": 1, "name": "Lee Park"}],
        joinedParticipants=[{"personId": 9, "name": "lee park"}],
    )
    assert [(p.person_id, p.side, p.joined) for p in record.people] == [
        ("1", Side.PROSPECT, True),
        ("9", Side.PROSPECT, True),
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("PROCESSED", Readiness.READY),
        ("POST_PROCESSING_DONE", Readiness.READY),
        ("PROCESSING", Readiness.PENDING),
        ("NO_DATA_INCALL", Readiness.NO_CONTENT),
        ("ERROR_IN_TRANSCRIBE", Readiness.FAILED),
        ("A_NEW_ONE", Readiness.UNKNOWN),
        (None, Readiness.UNKNOWN),
        (7, Readiness.UNKNOWN),
    ],
)
def test_groups_statuses_and_accepts_unknown_ones(status: Any, expected: Readiness) -> None:
    """The statuses are grouped as in the contract; others are unknown, never an error."""
    assert details(status=status).readiness is expected


@pytest.mark.parametrize(
    "field",
    [
        "users",
        "externalParticipants",
        "joinedParticipants",
        "metrics",
        "summary",
        "crm_info",
        "deal_close_date",
        "deal_value",
        "title",
        "type",
        "disposition",
        "last_modified_time",
        "source_id",
        "competitor_sentiments",
        "contact_names",
        "status",
    ],
)
@pytest.mark.parametrize("value", [[], {}, [1], [[]], 3, -1.5, "?", True, None, {"a": []}, 10**40, ""])
def test_a_malformed_optional_field_does_not_lose_the_call(field: str, value: Any) -> None:
    """Only a missing id or time is an error."""
    assert details(**{field: value}).call_id == "c-1"


def test_parses_varying_types() -> None:
    """Times as text or "NaN", takeaways and contact ids as text or list, amounts as text or number."""
    record = details(
        transcript=[{"text": None, "start": "5.4", "end": "NaN"}, {}],
        summary={"key_takeaways": "One", "topics_discussed": [{"name": "Price", "start_timestamp": "NaN"}]},
        metrics={"categories": [{"name": "Terms"}, {"name": "Price"}], "talk_listen_ratio": 3},
        crm_info={"contact_ids": "003"},
        deal_value=48000,
    )
    assert [tuple(turn) for turn in record.segments] == [(None, "", 5.4, None), (None, "", None, None)]
    assert record.summary.takeaways == ("One",)
    assert details(summary={"key_takeaways": ["One", "Two"]}).summary.takeaways == ("One", "Two")
    assert record.analytics.topics == ("Terms", "Price")
    assert record.analytics.rep_talk_share is None
    assert (record.crm.contact_ids, record.crm.deal_value) == (("003",), "48000")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "$: empty"),
        (b"secret", "$: not JSON (character 0)"),
        (b"[]", "$: expected an object"),
        (b"{}", "$.call: expected an object"),
        (body_of({"call": {"time": "2026-03-01T15:00:00Z"}}), "$.call.id: expected an id"),
        (body_of({"call": {"id": "c-1", "time": "soon"}}), "$.call.time: expected a date-time"),
        (body_of({"call": {**CALL, "transcript": {}}}), "$.call.transcript: expected an array"),
        (body_of({"call": {**CALL, "transcript": [{}, 3]}}), "$.call.transcript[1]: expected an object"),
        (body_of({"call": {**CALL, "transcript": [{"text": 3}]}}), "$.call.transcript[0].text: expected text"),
        (b"[" * 100_000, "$: nested too deeply"),
        (b"9" * 5000, "$: a number is too long"),
    ],
)
def test_errors_name_the_path_and_the_expected_type(body: bytes, message: str) -> None:
    """The message contains no content of the body."""
    with pytest.raises(UnreadableBody) as caught:
        REST.parse_call(None, body)
    assert str(caught.value) == message


def test_a_newer_list_item_overrides_older_details() -> None:
    """List fields come from the newer item, a removed deal included; fields of the details stay."""
    listed = {**CALL, "title": "New", "users": [{"personId": 5}], "transcript": "never from here"}
    older = {
        **CALL,
        "title": "Old",
        "deal_name": "Northwind",
        "crm_info": {"deal_id": "006"},
        "deal_stage_live": "Evaluation",
        "transcript": [{"text": "Hello", "personId": 5}],
        "summary": {"full_summary": "Short."},
        "competitor_sentiments": [{"competitor_name": "Globex"}],
    }
    record = REST.parse_call(body_of(listed), body_of({"call": older}), listed_is_newer=True)
    assert (record.title, record.crm.deal_name, record.crm.deal_id) == ("New", None, None)
    assert (record.crm.deal_stage_live, record.summary.text, len(record.segments)) == ("Evaluation", "Short.", 1)
    assert record.competitor_sentiments_json == '[{"competitor_name":"Globex"}]'
    assert [person.person_id for person in record.people] == ["5"]


def test_details_override_an_older_list_item() -> None:
    """A field that the details omit comes from the item, except for a deal, whose absence counts (trap 12)."""
    listed = {**CALL, "title": "Old", "type": "ZOOM", "deal_name": "Northwind", "crm_info": {"deal_id": "006"}}
    record = REST.parse_call(body_of(listed), body_of({"call": {**CALL, "title": "New"}}))
    assert (record.title, record.call_type, record.crm.deal_name, record.crm.deal_id) == ("New", "ZOOM", None, None)


def test_a_list_item_alone_gives_a_record_without_transcript() -> None:
    """Metadata of calls without a transcript is kept."""
    record = REST.parse_call(body_of({**CALL, "status": "NO_DATA_INCALL"}), None)
    assert (record.segments, record.readiness) == ((), Readiness.NO_CONTENT)


@pytest.mark.parametrize("wrap", [lambda c: {"calls": [c]}, lambda c: {"call": c}, lambda c: [c], lambda c: c])
@pytest.mark.parametrize("field", ["started_at", "start_time", "date", "timestamp", "time", "call_date"])
def test_parses_every_shape_that_the_guide_allows(wrap: Any, field: str) -> None:
    """The guide names neither the wrapper nor the date field: all likely ones are parsed."""
    call = {"call_id": "c-1", field: "2026-03-01", "transcript": [{"speaker": "dana ortiz", "text": "Hi"}]}
    call["participants"] = [{"name": "Dana Ortiz", "role": "SELLER"}, {"name": "Lee", "role": "Customer"}, {}]
    record = GUIDE.parse_call(None, body_of(wrap(call)))
    assert [(p.person_id, p.side) for p in record.people] == [("Dana Ortiz", Side.REP), ("Lee", Side.PROSPECT)]
    assert record.segments[0].person_id == "Dana Ortiz"


def test_a_speaker_who_is_no_participant_keeps_the_name_of_the_turn() -> None:
    """In the guide dialect such a speaker is a person of unknown side."""
    turns = [{"speaker": "Dana", "text": "Hi"}, {"speaker": "Walk In", "text": "Hello"}, {"text": "(unclear)"}]
    call = {"call_id": "c-1", "date": "2026-03-01", "participants": [{"name": "Dana", "role": "rep"}]}
    record = GUIDE.parse_call(None, body_of({**call, "transcript": turns}))
    assert [(person.name, person.side) for person in record.people] == [("Dana", Side.REP), ("Walk In", Side.UNKNOWN)]
    assert [segment.person_id for segment in record.segments] == ["Dana", "Walk In", None]


def test_selects_the_requested_call_from_a_list() -> None:
    """A server that ignores the id and returns several calls is parsed correctly."""
    calls = [{"call_id": f"c-{n}", "date": "2026-03-01"} for n in range(3)]
    assert GUIDE.parse_call(None, body_of(calls), call_id="c-2").call_id == "c-2"


@pytest.mark.parametrize("dialect", ["rest", "guide"])
def test_parses_hundreds_of_calls_within_seconds(dialect: str) -> None:
    """200 bodies of 30 KB take about 0.1 s of processor time; the bound is loose because machines differ."""
    turns = [
        {
            "text": "Before anything else, what does it cost? " * 2,
            "start": n * 5.4,
            "personId": n % 3,
            "speaker": "Dana",
        }
        for n in range(200)
    ]
    call = {**CALL, "call_id": "c-1", "transcript": turns}
    body = body_of({"call": call})
    spoken = dialect_named(dialect)
    began = time.process_time()
    for _ in range(200):
        spoken.parse_call(None, body)
    assert time.process_time() - began < 2.0


def test_clean_text_replaces_nul_and_lone_surrogates() -> None:
    """They become U+FFFD; all other characters stay."""
    assert clean_text("a\x00b\ud800c😀") == "a\ufffdb\ufffdc😀"
