"""A person is found and masked however a text writes their name, address or number."""

from __future__ import annotations

import html
import json
import unicodedata
import urllib.parse
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.rows import fetch_values
from copilot_pipeline.privacy.cells import Form, masked
from copilot_pipeline.privacy.identity import Identity, kind_of, normalized_phone
from copilot_pipeline.privacy.matching import ERASED, Matcher

NAME, EMAIL, PHONE = "Zoë O'Neil-Ångström", "zoe.o'neil+x@kestrel.example", "+49 151 2345 6789"
IDENTITY = Identity(emails=frozenset({EMAIL}), phones=frozenset({PHONE}), names=frozenset({NAME}))
NOTATIONS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "decomposed in JSON": lambda text: json.dumps(unicodedata.normalize("NFD", text)),
    "HTML": html.escape,
    "numeric HTML": lambda text: "".join(letter if letter in " aeforbt" else f"&#{ord(letter)};" for letter in text),
    "URL": urllib.parse.quote,
}
TEXTS = [
    *(NAME, "O'Neil-Ångström, Zoë", "Ångström, Zoë O’Neil", "Zoë\u00a0O'Neil Ångström", "<b>Zoë</b> O'Neil Ångström"),  # noqa: RUF001
    *(EMAIL, PHONE, "0151 2345 6789", "(0151) 2345-6789", "004915123456789", "49/151/23456789"),
]


@pytest.mark.parametrize("notation", NOTATIONS)
@pytest.mark.parametrize("text", [NAME, EMAIL])
def test_finds_and_masks_in_every_notation(text: str, notation: str) -> None:
    """Whatever surrounds it, nothing of the name or address is left, and JSON stays JSON."""
    written = NOTATIONS[notation](f"before {text} after")
    masked = Matcher(IDENTITY, "1a2b").mask(written)
    assert "1a2b" in masked
    assert "before" in masked.lower()
    assert "after" in masked.lower()
    for part in ("neil", "ngstr", "kestrel"):
        assert part not in masked.lower()
    if "JSON" in notation:
        json.loads(masked)


def test_the_stores_find_what_python_finds(database: Database) -> None:
    """The patterns by which PostgreSQL and Arrow select rows find each notation of a text that Python finds."""
    matcher = Matcher(IDENTITY)
    assert [text for text in TEXTS if not any(matcher.person_in(text))] == []
    written = [notation(text) for text in TEXTS for notation in NOTATIONS.values()]
    found = [text for text in written if any(matcher.person_in(text))]
    statement = "SELECT t FROM unnest(%(texts)s::text[]) AS t WHERE t ~* %(pattern)s"
    with database.connection() as connection:
        selected = fetch_values(connection, statement, {"texts": found, "pattern": matcher.coarse_pattern()})
    assert selected == found
    assert pc.match_substring_regex(pa.array(found), matcher.re2_pattern()).to_pylist() == [True] * len(found)


@pytest.mark.parametrize(
    "text",
    [
        "Zoë and O'Neil-Ångström's team"[:9],
        "aZoë O'Neil-Ångström",
        "Zoë O'Neil-Ångströmsen",
        "1512345678",
        "15123456789012",
        "other.zoe@kestrel.example",
        "ann.zoe.o'neil+x@kestrel.example",
        "annzoe.o'neil+x@kestrel.example",
        "zoe.o'neil+x@kestrel.example.com",
        "zoe.o'neil+x@kestrel.example-corp.com",
    ],
)
def test_does_not_find_parts_of_other_words(text: str) -> None:
    """A part of a name, a longer name, a shorter or longer number and another address are those of others."""
    assert list(Matcher(IDENTITY).person_in(text)) == []


def test_single_words_are_found_only_as_parts() -> None:
    """Words of the name are masked where the identity says so, as whole words."""
    masked = Matcher(Identity(parts=frozenset({"Ångström"})), "1a2b").mask("Ask ÅNGSTRÖM, not Ångströmsen")
    assert masked == f"Ask {ERASED}, not Ångströmsen"


def test_a_text_that_names_an_erased_call_is_replaced() -> None:
    """In a document the single text is, and a text that quotes five words in a row of what was said."""
    matcher = Matcher(Identity(calls=frozenset({"call-0001"}), sentences=frozenset({"We sign the paper on Thursday"})))
    document = {"of": "see call-0001.", "quote": "“we sign, the PAPER on Thursday”", "other": ["call-00011", 7]}
    assert matcher.mask_value(document) == {"of": ERASED, "quote": ERASED, "other": ["call-00011", 7]}


@pytest.mark.parametrize("blank", ["\u00a0", "\u2013", "\uff11", " "])
def test_a_masked_document_stays_one(blank: str) -> None:
    """Digits of an escape before a number are not of the number, and a number of the document is replaced by a text."""
    form, document = Form.BYTES, {"said": f"call{blank}{PHONE.lstrip('+')}", "phone": 15123456789}
    written = json.dumps(document).encode()
    masked_document = json.loads(masked(form, written, Matcher(IDENTITY, "1a2b")))
    assert masked_document["phone"] == ERASED
    assert "6789" not in masked_document["said"]


def test_a_name_of_one_word_is_found_where_it_stands_alone() -> None:
    """As a whole text and as the speaker of a line, but not in a sentence, where it may be another word."""
    matcher = Matcher(Identity(names=frozenset({"Björk"})), "1a2b")
    name = "Erased person 1a2b"
    assert matcher.mask("BJÖRK") == name
    assert matcher.mask("Mei: hi\nBjörk: ask Björk\nBjörk Lee: no") == f"Mei: hi\n{name}: ask Björk\nBjörk Lee: no"
    body = json.dumps({"users": [{"name": "Björk"}], "title": "Björk x Acme"})
    assert json.loads(matcher.mask(body)) == {"users": [{"name": name}], "title": "Björk x Acme"}


def test_a_name_is_found_without_its_accents() -> None:
    """Transcripts often leave them out. Addresses without an accent are others."""
    assert Matcher(IDENTITY, "1a2b").mask("Zoe O'Neil-Angstrom") == "Erased person 1a2b"
    assert Matcher(Identity(emails=frozenset({"zoë@kestrel.example"}))).kinds_in("zoe@kestrel.example") == []


@given(st.text(max_size=40), st.text(max_size=40))
def test_masking_leaves_nothing_to_find(before: str, after: str) -> None:
    """After masking, the matcher finds nothing, and masking again changes nothing."""
    matcher = Matcher(IDENTITY, "1a2b")
    masked = matcher.mask(f"{before} {NAME} {EMAIL} {PHONE} {after}")
    assert list(matcher.person_in(masked)) == []
    assert matcher.mask(masked) == masked


@pytest.mark.parametrize(
    ("value", "kind"),
    [(EMAIL, "email"), (PHONE, "phone"), ("0151/23456789", "phone"), (NAME, "name"), ("Agent 0070070", "name")],
)
def test_recognizes_what_a_person_is_named_by(value: str, kind: str) -> None:
    """An address has an @, a number only digits and punctuation, anything else is a name."""
    assert kind_of(value) == kind


def test_a_number_is_the_same_with_and_without_the_code_of_its_country() -> None:
    """They are compared by their last nine digits; a number with too few is none."""
    written = (PHONE, "0151 23456789", "0049 (151) 2345-6789", f"{PHONE} ext. 12", f"tel:{PHONE}")
    assert len(set(map(normalized_phone, written))) == 1
    assert kind_of(f"{PHONE} x12") == kind_of(f"tel:{PHONE}") == "phone"
    assert normalized_phone("12345") is None
