"""Evidence is found where it was said, and what nobody said is not found."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from copilot_pipeline.transform.quotes import words_of
from copilot_pipeline.transform.transcripts import Match, QuoteFinder, SpokenUtterance

CALL = [
    SpokenUtterance(0, "Dana Ames", "rep", 0.0, "Hello, I'm Dana from Acme."),
    SpokenUtterance(1, "Bo Li", "prospect", 3.5, "We can\u2019t sign before finance approves the budget."),
    SpokenUtterance(2, "Bo Li", "prospect", 8.0, "And legal needs two weeks, roughly."),
    SpokenUtterance(3, "Dana Ames", "rep", 12.0, "   "),
    SpokenUtterance(4, "Dana Ames", "rep", 13.0, "Our uptime is 99.9% guaranteed, and the new API ships in March."),
    SpokenUtterance(5, "Bo Li", "prospect", 20.0, "Finance approves the budget in May."),
]


@pytest.mark.parametrize(
    ("quote", "match", "seq", "last_seq"),
    [
        ("Our uptime is 99.9% guaranteed", Match.EXACT, 4, 4),
        ("  \u201cAnd legal needs two weeks, roughly.\u201d ", Match.EXACT, 2, 2),
        ("we can't sign before FINANCE approves   the budget!", Match.NORMALIZED, 1, 1),
        ("We can't sign \u2026 the budget", Match.NORMALIZED, 1, 1),
        ("Hello ... legal needs two weeks", Match.NORMALIZED, 0, 2),
        ("approves the budget. And legal needs", Match.NORMALIZED, 1, 2),
        ("Bo Li: legal needs two weeks", Match.EXACT, 2, 2),
        ("Our uptime is 99.99 percent guaranteed and a new API ships in March", Match.FUZZY, 4, 4),
        ("inance approves", Match.FUZZY, 1, 1),
        ("We can not sign till finance has approved the budget", Match.FUZZY, 1, 1),
    ],
)
def test_where_a_quote_was_said(quote: str, match: Match, seq: int, last_seq: int) -> None:
    """Letter by letter, word by word or nearly: its utterance, time, speaker and side."""
    found = QuoteFinder(CALL).find(quote)
    assert (found.match, found.seq, found.last_seq) == (match, seq, last_seq)
    spoken = CALL[seq]
    assert (found.speaker, found.side, found.start_s) == (spoken.speaker, spoken.side, spoken.start_s)
    assert found.score == 1.0 if match is not Match.FUZZY else 0.75 <= found.score <= 1.0


@pytest.mark.parametrize(
    "quote",
    [
        "Globex was slow to deploy and never answered our tickets",
        "art",  # in no word of its own
        "",
        "\u201c \u201d",
        "...",
        "we sign in March with finance and Acme, roughly two weeks",  # words of the call in an order nobody said
    ],
)
def test_what_nobody_said(quote: str) -> None:
    """It is not found, and has no place."""
    found = QuoteFinder(CALL).find(quote)
    assert (found.match, found.score, found.seq, found.said) == (Match.NOT_FOUND, 0.0, None, None)


def test_the_named_speaker_is_preferred() -> None:
    """Two people said the same: a quote that names one is found where that one said it."""
    call = [
        SpokenUtterance(0, "Ann", "rep", 0.0, "Yes, in May."),
        SpokenUtterance(1, "Bob", "prospect", 2.0, "Yes, in May."),
    ]
    assert QuoteFinder(call).find("Bob: Yes, in May.").seq == 1
    assert QuoteFinder(call).find("bob: yes in may").seq == 1
    assert QuoteFinder(call).find("Yes, in May.").seq == 0


def test_lines_of_the_transcript_are_a_quote() -> None:
    """What was sent are lines with a speaker each: a quote of several lines is found, names that hold a colon too."""
    call = [
        SpokenUtterance(0, "Dana: Acme", "rep", 0.0, "Shall we say May?"),
        SpokenUtterance(1, "Bob", "prospect", 2.0, "May it is: gladly."),
        SpokenUtterance(2, "Dana: Acme", "rep", 4.0, "Good."),
    ]
    found = QuoteFinder(call).find("\u201cDana: Acme: Shall we say May?\nBob: May it is: gladly.\u201d")
    assert (found.match, found.seq, found.last_seq, found.speaker) == (Match.NORMALIZED, 0, 1, "Dana: Acme")


def test_a_long_quote_takes_no_longer_than_it_may() -> None:
    """Thousands of words given as evidence, changed or never said: found or not within a moment, in a long call and in
    one endless utterance."""
    words = [f"w{number * 7919 % 3001}" for number in range(6000)]
    call = [
        SpokenUtterance(seq, "Bo", "rep", float(seq), " ".join(words[20 * seq : 20 * seq + 20])) for seq in range(300)
    ]
    changed = ["x" if place % 15 == 0 else word for place, word in enumerate(words)]
    began = time.process_time()
    found = QuoteFinder(call).find(" ".join(changed[1000:1400]))
    assert (found.match, found.seq) == (Match.FUZZY, 50)
    assert QuoteFinder(call).find(" ".join(f"z{number}" for number in range(6000))).match is Match.NOT_FOUND
    assert QuoteFinder(call).find(" ".join(words[::-1])).match is Match.NOT_FOUND
    endless = QuoteFinder([SpokenUtterance(0, "Bo", "rep", 0.0, " ".join(words))])
    assert endless.find(" ".join(changed[1000:1400])).match is Match.FUZZY
    assert endless.find(" ".join(words[::-1])).match is Match.NOT_FOUND
    assert time.process_time() - began < 20


def test_the_words_of_the_transcript_stand_beside_the_quote() -> None:
    """What was said is given as the transcript has it, not as the quote has it."""
    found = QuoteFinder(CALL).find("Our uptime is 99.99 percent guaranteed and a new API ships in March")
    assert found.said == CALL[4].text


_SENTENCES = st.lists(st.text(alphabet=string.ascii_letters + " ,.'\u2019é?", min_size=1, max_size=60), min_size=1)


@given(_SENTENCES, st.data())
def test_whatever_is_cut_from_an_utterance_is_found(texts: list[str], data: st.DataObject) -> None:
    """Whole words cut out of any utterance are found, word by word at least, with those very words in it."""
    call = [SpokenUtterance(seq, f"S{seq % 2}", "rep", float(seq), text) for seq, text in enumerate(texts)]
    place = data.draw(st.integers(0, len(texts) - 1))
    words = texts[place].split()
    assume(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    quote = " ".join(words[first : last + 1])
    assume(words_of(quote))
    found = QuoteFinder(call).find(quote)
    assert found.match in (Match.EXACT, Match.NORMALIZED)
    assert found.said is not None
    said = f" {' '.join(words_of(found.said))} "
    assert f" {' '.join(words_of(quote))} " in said


@given(_SENTENCES, st.text(alphabet="0123456789 ", min_size=12, max_size=80))
def test_other_letters_are_never_found(texts: list[str], quote: str) -> None:
    """A quote of digits is in no call without digits."""
    call = [SpokenUtterance(seq, "S", "rep", float(seq), text) for seq, text in enumerate(texts)]
    assert QuoteFinder(call).find(quote).match is Match.NOT_FOUND


@given(st.lists(st.text(max_size=40), max_size=8), st.text(max_size=80))
def test_any_text_is_taken(texts: list[str], quote: str) -> None:
    """Whatever Unicode is said or quoted, the answer has a place if and only if it was found."""
    call = [SpokenUtterance(seq, "S", "rep", None, text) for seq, text in enumerate(texts)]
    found = QuoteFinder(call).find(quote)
    assert (found.match is Match.NOT_FOUND) is (found.seq is None)
    assert 0.0 <= found.score <= 1.0
