"""Quotes are found in the utterances of a call; invented quotes are not."""

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
def test_finds_exact_normalized_and_fuzzy_quotes(quote: str, match: Match, seq: int, last_seq: int) -> None:
    """The passage has the utterance, time, speaker and side."""
    result = QuoteFinder(CALL).find(quote)
    assert (result.match, result.seq, result.last_seq) == (match, seq, last_seq)
    spoken = CALL[seq]
    assert (result.speaker, result.side, result.start_s) == (spoken.speaker, spoken.side, spoken.start_s)
    assert result.score == 1.0 if match is not Match.FUZZY else 0.75 <= result.score <= 1.0


@pytest.mark.parametrize(
    "quote",
    [
        "Globex was slow to deploy and never answered our tickets",
        "art",  # not a whole word
        "",
        "\u201c \u201d",
        "...",
        "we sign in March with finance and Acme, roughly two weeks",  # words of the call in another order
    ],
)
def test_does_not_find_invented_quotes(quote: str) -> None:
    """A quote that was not found has no place."""
    result = QuoteFinder(CALL).find(quote)
    assert (result.match, result.score, result.seq, result.said) == (Match.NOT_FOUND, 0.0, None, None)


def test_prefers_the_named_speaker() -> None:
    """If two people said the same, the name in the quote decides."""
    call = [
        SpokenUtterance(0, "Ann", "rep", 0.0, "Yes, in May."),
        SpokenUtterance(1, "Bob", "prospect", 2.0, "Yes, in May."),
    ]
    assert QuoteFinder(call).find("Bob: Yes, in May.").seq == 1
    assert QuoteFinder(call).find("bob: yes in may").seq == 1
    assert QuoteFinder(call).find("Yes, in May.").seq == 0


def test_finds_a_quote_of_several_transcript_lines() -> None:
    """Speaker names are removed from each line, also names with a colon."""
    call = [
        SpokenUtterance(0, "Dana: Acme", "rep", 0.0, "Shall we say May?"),
        SpokenUtterance(1, "Bob", "prospect", 2.0, "May it is: gladly."),
        SpokenUtterance(2, "Dana: Acme", "rep", 4.0, "Good."),
    ]
    result = QuoteFinder(call).find("\u201cDana: Acme: Shall we say May?\nBob: May it is: gladly.\u201d")
    assert (result.match, result.seq, result.last_seq, result.speaker) == (Match.NORMALIZED, 0, 1, "Dana: Acme")


def test_long_quotes_are_matched_in_bounded_time() -> None:
    """Evidence of thousands of words, in a long call and in one very long utterance."""
    words = [f"w{number * 7919 % 3001}" for number in range(6000)]
    call = [
        SpokenUtterance(seq, "Bo", "rep", float(seq), " ".join(words[20 * seq : 20 * seq + 20])) for seq in range(300)
    ]
    changed = ["x" if place % 15 == 0 else word for place, word in enumerate(words)]
    began = time.process_time()
    result = QuoteFinder(call).find(" ".join(changed[1000:1400]))
    assert (result.match, result.seq) == (Match.FUZZY, 50)
    assert QuoteFinder(call).find(" ".join(f"z{number}" for number in range(6000))).match is Match.NOT_FOUND
    assert QuoteFinder(call).find(" ".join(words[::-1])).match is Match.NOT_FOUND
    single_utterance = QuoteFinder([SpokenUtterance(0, "Bo", "rep", 0.0, " ".join(words))])
    assert single_utterance.find(" ".join(changed[1000:1400])).match is Match.FUZZY
    assert single_utterance.find(" ".join(words[::-1])).match is Match.NOT_FOUND
    assert time.process_time() - began < 20


def test_passage_has_the_words_of_the_transcript() -> None:
    """`said` is the text of the transcript, not of the quote."""
    result = QuoteFinder(CALL).find("Our uptime is 99.99 percent guaranteed and a new API ships in March")
    assert result.said == CALL[4].text


_SENTENCES = st.lists(st.text(alphabet=string.ascii_letters + " ,.'\u2019é?", min_size=1, max_size=60), min_size=1)


@given(_SENTENCES, st.data())
def test_finds_every_run_of_whole_words(texts: list[str], data: st.DataObject) -> None:
    """The passage of any run of words of an utterance contains that run."""
    call = [SpokenUtterance(seq, f"S{seq % 2}", "rep", float(seq), text) for seq, text in enumerate(texts)]
    index = data.draw(st.integers(0, len(texts) - 1))
    words = texts[index].split()
    assume(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    quote = " ".join(words[first : last + 1])
    assume(words_of(quote))
    result = QuoteFinder(call).find(quote)
    assert result.match in (Match.EXACT, Match.NORMALIZED)
    assert result.said is not None
    said = f" {' '.join(words_of(result.said))} "
    assert f" {' '.join(words_of(quote))} " in said


@given(_SENTENCES, st.text(alphabet="0123456789 ", min_size=12, max_size=80))
def test_does_not_find_digits_in_calls_without_digits(texts: list[str], quote: str) -> None:
    call = [SpokenUtterance(seq, "S", "rep", float(seq), text) for seq, text in enumerate(texts)]
    assert QuoteFinder(call).find(quote).match is Match.NOT_FOUND


@given(st.lists(st.text(max_size=40), max_size=8), st.text(max_size=80))
def test_accepts_any_unicode_text(texts: list[str], quote: str) -> None:
    """The passage has a place if and only if the quote was found."""
    call = [SpokenUtterance(seq, "S", "rep", None, text) for seq, text in enumerate(texts)]
    result = QuoteFinder(call).find(quote)
    assert (result.match is Match.NOT_FOUND) is (result.seq is None)
    assert 0.0 <= result.score <= 1.0
