"""Reading ahead of what uses the items."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from copilot_pipeline.load.read_ahead import read_ahead


def test_the_next_item_is_made_while_the_present_one_is_used() -> None:
    """The first item is not used up before the second one is there."""
    second_is_made = Event()

    def items() -> Iterator[int]:
        yield 1
        second_is_made.set()
        yield 2

    found = []
    for item in read_ahead(items()):
        assert second_is_made.wait(timeout=60)
        found.append(item)
    assert found == [1, 2]


def test_nothing_is_read_before_the_first_item_is_requested() -> None:
    """Rows that depend on another table are computed when that table is complete."""
    begun = Event()

    def items() -> Iterator[int]:
        begun.set()
        yield 1

    ahead = read_ahead(items())
    assert not begun.is_set()
    assert list(ahead) == [1]


def test_raises_the_error_of_the_item() -> None:
    """Items before it are yielded."""

    def items() -> Iterator[int]:
        yield 1
        raise ValueError("refused")

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="refused"):
        next(ahead)
