"""Compute the next item of an iterator in a thread while the present one is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

_Item = TypeVar("_Item")
_END = object()


def read_ahead(items: Iterable[_Item]) -> Iterator[_Item]:
    """Yield the items, with one more in memory. Nothing is read before the first item is requested.

    PostgreSQL and this process work at the same time if one of them makes the items and the other uses them.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        following = thread.submit(next, iterator, _END)
        while (item := following.result()) is not _END:
            following = thread.submit(next, iterator, _END)
            yield cast(_Item, item)
