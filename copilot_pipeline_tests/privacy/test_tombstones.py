"""What was erased is recognized by keyed hashes, and not stored again by any source."""

from __future__ import annotations

import json
import threading
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.clients.clari.models import User
from copilot_pipeline.delivery.model import DeliveryRequest
from copilot_pipeline.delivery.outbox import Outbox
from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.load.tables import PARTICIPANTS, USERS, rows_to_arrow
from copilot_pipeline.load.warehouse.erased_rows import without_erased
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.rows import fetch_values
from copilot_pipeline.privacy.identity import Identity
from copilot_pipeline.privacy.matching import Matcher
from copilot_pipeline.privacy.stored_tombstones import add_tombstones, current_tombstones, from_json, to_json
from copilot_pipeline.privacy.tombstones import Mode, Tombstones, tombstones_of
from copilot_pipeline.state import CallStore, RunIntent, SemarizeRunStore
from copilot_pipeline.state.bodies import unpack
from copilot_pipeline.state.erased import listed_without_erased
from copilot_pipeline_tests.state.examples import DAY, listed_call, record, store_details

KEY = b"0123456789abcdef"
NAME, EMAIL, PHONE = "Zoë O'Neil", "Zoe.ONeil@Kestrel.example", "+49 151 2345 6789"
PERSON = Identity(emails=frozenset({EMAIL}), phones=frozenset({PHONE}), names=frozenset({NAME}))


def tombstones(mode: Mode, *, calls: frozenset[str] = frozenset()) -> Tombstones:
    """Return the tombstones of the person, and of some calls."""
    identity = Identity(PERSON.emails, PERSON.phones, PERSON.names, calls=calls)
    return Tombstones(tombstones_of(identity, KEY, "1a2b", mode), KEY)


def body(**fields: object) -> bytes:
    """Return a list item."""
    return json.dumps({"id": "c", "externalParticipants": [], **fields}).encode()


@pytest.mark.parametrize(
    "person",
    [
        {"email": EMAIL.upper(), "name": "Z."},
        {"name": "zoë o'neil"},
        {"name": "Z. O.", "phone": "0151 / 2345 6789"},
    ],
)
def test_a_call_of_an_erased_person_is_not_stored(person: dict[str, str]) -> None:
    """The person is recognized by address, number, or a name without an address, in any list of people."""
    for name in ("users", "externalParticipants", "joinedParticipants", "participants"):
        assert tombstones("calls").filtered(body(**{name: [person]})) is None


def test_a_namesake_with_another_address_is_not_the_person() -> None:
    """Their call is stored; only the name is masked."""
    kept = tombstones("calls").filtered(body(externalParticipants=[{"name": NAME, "email": "other@example.com"}]))
    assert kept is not None
    assert json.loads(kept)["externalParticipants"] == [{"name": "Erased person 1a2b", "email": "other@example.com"}]


def test_a_masked_person_is_masked_with_all_that_their_entry_has() -> None:
    """Also by a name that only their entry connects with the address."""
    item = body(title="Zed & Mei", users=[{"userEmail": EMAIL, "name": "Zed O'Neil", "personId": 1}], note="ZED O'NEIL")
    kept = tombstones("mask").filtered(item)
    assert kept is not None
    assert json.loads(kept) == {
        **json.loads(item),
        "users": [{"userEmail": "erased-1a2b@erased.invalid", "name": "Erased person 1a2b", "personId": 1}],
        "note": "Erased person 1a2b",
    }


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ask Zoë O'Neil.", "ask Erased person 1a2b."),
        ("O'NEIL, ZOË", "Erased person 1a2b"),
        ("Zoe\u0308 O\u2019Neil\u2019s plan; zoe o`neil", "Erased person 1a2b plan; Erased person 1a2b"),
        ("ZOE ONEIL said", "ZOE ONEIL said"),
        ("or 0151\u20132345\u20136789", "or [erased]"),
        ("to zoe.oneil@kestrel.example!", "to erased-1a2b@erased.invalid!"),
        ("call (0151) 2345-6789 now", "call [erased] now"),
        ("030 123456 / 0049 (0)151 2345 6789 - 030 123457", "030 123456 / [erased] - 030 123457"),
        ("?by=zoe.oneil@kestrel.example.Then", "?by=erased-1a2b@erased.invalid.Then"),
        ("to ann.zoe.oneil@kestrel.example", "to ann.zoe.oneil@kestrel.example"),
        ("Zoë and O'Neil, zoe@kestrel.example, 1512", "Zoë and O'Neil, zoe@kestrel.example, 1512"),
    ],
)
def test_masks_mentions_by_hashes_alone(text: str, masked: str) -> None:
    """Without knowing the name: each address, number and run of words is hashed."""
    assert tombstones("calls").mask(text) == masked


@pytest.mark.parametrize("address", ["ana@bücher.example", "ANA@BU\u0308CHER.example", "ana@xn--bcher-kva.example"])
def test_an_address_is_the_same_in_each_notation_of_its_domain(address: str) -> None:
    """With composed and decomposed letters, and in the ASCII notation; stored and as it comes back."""
    person = Identity(emails=frozenset({"ana@bücher.example"}))
    assert Tombstones(tombstones_of(person, KEY, "1a2b", "mask"), KEY).mask(address) == "erased-1a2b@erased.invalid"
    assert Matcher(person, "1a2b").mask(address) == "erased-1a2b@erased.invalid"


@given(st.text())
def test_text_without_the_person_stays(text: str) -> None:
    """Masking changes nothing else, and a body without the person stays byte by byte."""
    assert tombstones("calls").mask(text) == text
    item = body(text=text)
    assert tombstones("calls").filtered(item) is item


def test_rows_of_any_origin_are_masked() -> None:
    """Of a row with the address the name is masked too, whatever it is; rows of erased calls are left out."""
    users = [User("u", EMAIL, "Zed", "REP", True, None), User("v", "v@example.com", "Mei", "REP", True, None)]
    masked = without_erased(USERS, rows_to_arrow(USERS, users), tombstones("mask")).to_pylist()
    assert [(row["email"], row["name"]) for row in masked] == [
        ("erased-1a2b@erased.invalid", "Erased person 1a2b"),
        ("v@example.com", "Mei"),
    ]
    rows = pa.Table.from_pylist(
        [{"call_id": call_id, "person_id": "1"} for call_id in ("a", "b")], schema=PARTICIPANTS.arrow_schema
    )
    left = without_erased(PARTICIPANTS, rows, tombstones("calls", calls=frozenset({"a"})))
    assert left.column("call_id").to_pylist() == ["b"]


def test_another_key_is_refused() -> None:
    """With it nothing would be recognized; a file of tombstones is read as it was written."""
    rows = tombstones_of(PERSON, KEY, "1a2b", "calls")
    assert from_json(to_json(rows)) == rows
    with pytest.raises(ConfigurationError, match="another key"):
        Tombstones(rows, b"another key of 16")
    with pytest.raises(ValueError, match="tombstones"):
        from_json(b'{"tombstones": [{"kind": 1}]}')


# --- sources -------------------------------------------------------------------------------------------------------


@pytest.fixture
def erased(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database in which the person and a call are erased."""
    monkeypatch.setenv("COPILOT_PIPELINE_PRIVACY_KEY", KEY.decode())
    identity = Identity(PERSON.emails, PERSON.phones, PERSON.names, calls=frozenset({"erased"}))
    with database.transaction() as connection:
        add_tombstones(connection, tombstones_of(identity, KEY, "1a2b", "calls"))
    return database


def test_no_source_stores_what_was_erased(erased: Database) -> None:
    """Listed calls, details, quarantined bytes, runs and deliveries of an erased call or person are left out."""
    calls = CallStore(erased, ZoneInfo("UTC"))
    of_person = body(users=[{"userEmail": EMAIL}]).decode()
    record(calls, listed_call("erased"), listed_call("theirs", content=of_person), listed_call("kept"))
    with erased.connection() as connection:
        assert fetch_values(connection, "SELECT call_id FROM copilot_ops.calls") == ["kept"]
    record(calls, listed_call("known"))
    calls.partitions.mark_stored(DAY, [], [], calls.now())
    store_details(calls, "known", body=of_person.encode())
    store_details(calls, "kept", body=body(text=f"by {NAME}"))
    with erased.connection() as connection:
        assert fetch_values(connection, "SELECT call_id FROM copilot_ops.calls") == ["kept"]
        (stored,) = fetch_values(connection, "SELECT body FROM copilot_ops.bodies WHERE part = 'details'")
        assert json.loads(unpack(stored))["text"] == "by Erased person 1a2b"
        assert fetch_values(connection, "SELECT is_stale FROM copilot_ops.partitions") == [True]
    for call_id, content in (("erased", b"x"), ("kept", of_person.encode()), ("kept", f"cut {NAME}".encode())):
        calls.quarantine(call_id, DAY, "call-details", "cut", content)
    with erased.connection() as connection:
        bodies = fetch_values(connection, "SELECT body FROM copilot_ops.quarantine")
    assert [bytes(one) for one in bodies] == [b"cut Erased person 1a2b"]
    intents = [RunIntent(call_id, "kit", "K1", "hash", date(2026, 11, 3), call_id) for call_id in ("erased", "kept")]
    assert [run.call_id for run in SemarizeRunStore(erased).register(intents)] == ["kept"]
    now = datetime(2026, 11, 3, tzinfo=UTC)
    requests = [
        DeliveryRequest("r", "s", "slack", call_id, "v", "", now, now, {"text": f"with {NAME}"})
        for call_id in ("erased", "kept")
    ]
    assert Outbox(erased).add(requests, []) == 1
    with erased.connection() as connection:
        assert fetch_values(connection, "SELECT payload FROM copilot_ops.outbox") == [
            {"text": "with Erased person 1a2b"}
        ]


def test_without_the_key_nothing_is_stored(erased: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was erased could not be recognized; the error names the variable."""
    monkeypatch.delenv("COPILOT_PIPELINE_PRIVACY_KEY")
    with pytest.raises(ConfigurationError, match="COPILOT_PIPELINE_PRIVACY_KEY"):
        record(CallStore(erased, ZoneInfo("UTC")), listed_call("kept"))


def test_tombstones_are_added_when_no_transaction_stores(erased: Database) -> None:
    """A transaction that has read the tombstones commits before others are added, so an erasure finds its rows."""
    added = threading.Event()

    def add() -> None:
        with erased.transaction() as connection:
            add_tombstones(connection, tombstones_of(Identity(calls=frozenset({"late"})), KEY, "3c4d", "calls"))
        added.set()

    with erased.transaction() as connection:
        assert [call.call_id for call in listed_without_erased(connection, [listed_call("late")])] == ["late"]
        adding = threading.Thread(target=add)
        adding.start()
        assert not added.wait(0.3)
    adding.join()
    with erased.transaction() as connection:
        assert current_tombstones(connection).is_erased("late")
