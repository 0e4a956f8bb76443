"""Message adoption: the lag from a change to its use, told from what reps say."""

from __future__ import annotations

from typing import Any

import pytest

from copilot_pipeline.config.marts import MessageSettings
from copilot_pipeline.marts.adoption import message_adoption, use_of
from copilot_pipeline.marts.model import Rep
from copilot_pipeline_tests.marts.examples import KIT, MONDAY, call


def message(**fields: Any) -> MessageSettings:
    """A change of messaging on the Monday."""
    given = {"name": "pricing", "changed_on": MONDAY, "new": ("per seat",), "old": ("per user",)}
    return MessageSettings(**{**given, **fields})


@pytest.mark.parametrize(
    ("said", "new", "old"),
    [
        ("We charge PER  SEAT, now.", True, False),
        ("We charge per-user.", False, True),
        ("It was per user; it is per seat.", True, True),
        ("The upper seats are superb.", False, False),
        ("", False, False),
    ],
)
def test_words_are_found_whole_whatever_their_case(said: str, new: bool, old: bool) -> None:
    """Whole words in their order; punctuation and case do not matter."""
    assert use_of(message(), call("c"), said) == (use := use_of(message(), call("c"), said))
    assert (use.new, use.old) == (new, old)


def test_a_brick_can_tell_it_instead() -> None:
    """Yes, no, or unknown where the brick has no answer and there are no words to go by."""
    by_brick = message(new=(), brick=f"{KIT}.uses_it")
    answers: list[Any] = [True, False, None]
    assert [use_of(by_brick, call("c", {"uses_it": value}), "").new for value in answers] == answers


@pytest.mark.parametrize(("value", "new"), [("yes", True), ("No", False), ("not used", False), ([], False)])
def test_a_brick_may_answer_in_words(value: Any, new: bool) -> None:
    """A text that says no is no use, though it is a text."""
    assert use_of(message(new=(), brick=f"{KIT}.uses_it"), call("c", {"uses_it": value}), "").new is new


def test_a_call_on_which_no_rep_is_known_to_speak_is_told_by_its_brick() -> None:
    """Without words of a rep nothing is known of the words; a brick may know all the same."""
    assert use_of(message(), call("c"), None).new is None
    assert use_of(message(brick=f"{KIT}.uses_it"), call("c", {"uses_it": True}), None).new is True
    assert use_of(message(brick=f"{KIT}.uses_it"), call("c", {"uses_it": None}), None).new is None


def test_the_lag_is_the_days_to_the_first_use() -> None:
    """By rep and in all; calls before the change do not count; who never uses it has no lag."""
    other = Rep("u-2", "Bo")
    said = [
        (call("c-0", day=-1), "per seat"),
        (call("c-1", day=0), "per user"),
        (call("c-2", day=4), "per seat"),
        (call("c-3", day=5, rep=other), "per user"),
        (call("c-4", day=6), "per seat"),
    ]
    rows = {
        row.rep_id: row
        for row in message_adoption(message(), [(one, use_of(message(), one, words)) for one, words in said])
    }
    everybody = rows["all"]
    assert (everybody.n, everybody.calls_using, everybody.lag_days, everybody.first_call_id) == (4, 2, 4.0, "c-2")
    assert (everybody.still_old, everybody.last_old_call_id) == (2, "c-3")
    assert (rows["u-1"].lag_days, rows["u-2"].lag_days) == (4.0, None)
    assert rows["u-2"].share == 0.0


def test_without_calls_there_is_a_row_without_a_share() -> None:
    """A change that nobody has had a call since is there, with n 0."""
    row = message_adoption(message(), [])[0]
    assert (row.rep_id, row.n, row.share, row.lag_days) == ("all", 0, None, None)
