"""Message adoption: use of a new message and the lag to its first use."""

from __future__ import annotations

from typing import Any

import pytest

from copilot_pipeline.config.marts import MessageSettings
from copilot_pipeline.marts.adoption import message_adoption, use_of
from copilot_pipeline.marts.model import Rep
from copilot_pipeline_tests.marts.examples import KIT, MONDAY, call


def message(**fields: Any) -> MessageSettings:
    """Return a change of messaging on the Monday."""
    given = {"name": "pricing", "changed_on": MONDAY, "new": ("per seat",), "old": ("per user",)}
    return MessageSettings(**{**given, **fields})


@pytest.mark.parametrize(
    ("text", "new", "old"),
    [
        ("We charge PER  SEAT, now.", True, False),
        ("We charge per-user.", False, True),
        ("It was per user; it is per seat.", True, True),
        ("The upper seats are superb.", False, False),
        ("", False, False),
    ],
)
def test_matches_whole_words_and_ignores_case(text: str, new: bool, old: bool) -> None:
    """Punctuation does not matter either."""
    assert use_of(message(), call("c"), text) == (use := use_of(message(), call("c"), text))
    assert (use.new, use.old) == (new, old)


def test_a_brick_decides_if_there_are_no_words() -> None:
    """Without a value the use is unknown."""
    by_brick = message(new=(), brick=f"{KIT}.uses_it")
    answers: list[Any] = [True, False, None]
    assert [use_of(by_brick, call("c", {"uses_it": value}), "").new for value in answers] == answers


@pytest.mark.parametrize(("value", "new"), [("yes", True), ("No", False), ("not used", False), ([], False)])
def test_a_text_that_negates_is_no_use(value: Any, new: bool) -> None:
    """Texts and lists are interpreted like yes and no."""
    assert use_of(message(new=(), brick=f"{KIT}.uses_it"), call("c", {"uses_it": value}), "").new is new


def test_use_is_unknown_without_words_of_a_rep() -> None:
    """A brick with a value decides then."""
    assert use_of(message(), call("c"), None).new is None
    assert use_of(message(brick=f"{KIT}.uses_it"), call("c", {"uses_it": True}), None).new is True
    assert use_of(message(brick=f"{KIT}.uses_it"), call("c", {"uses_it": None}), None).new is None


def test_the_lag_is_the_number_of_days_to_the_first_use() -> None:
    """Calls before the change do not count; a rep who never uses the message has no lag."""
    other = Rep("u-2", "Bo")
    text = [
        (call("c-0", day=-1), "per seat"),
        (call("c-1", day=0), "per user"),
        (call("c-2", day=4), "per seat"),
        (call("c-3", day=5, rep=other), "per user"),
        (call("c-4", day=6), "per seat"),
    ]
    rows = {
        row.rep_id: row
        for row in message_adoption(message(), [(one, use_of(message(), one, words)) for one, words in text])
    }
    total = rows["all"]
    assert (total.n, total.calls_using, total.lag_days, total.first_call_id) == (4, 2, 4.0, "c-2")
    assert (total.still_old, total.last_old_call_id) == (2, "c-3")
    assert (rows["u-1"].lag_days, rows["u-2"].lag_days) == (4.0, None)
    assert rows["u-2"].share == 0.0


def test_a_change_without_calls_has_a_row_without_a_share() -> None:
    """Its n is 0."""
    row = message_adoption(message(), [])[0]
    assert (row.rep_id, row.n, row.share, row.lag_days) == ("all", 0, None, None)
