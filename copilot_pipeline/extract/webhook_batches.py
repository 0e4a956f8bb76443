"""What a batch of webhooks and rechecks holds and results in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from copilot_pipeline.clients.clari.models import ListedCall
from copilot_pipeline.errors import CredentialsRefused, QuotaExhausted
from copilot_pipeline.state import InboxItem

# While a backfill uses the rate limiter too, a single request at a time would get only a small share of the slots.
REQUESTS_IN_FLIGHT = 4

Item = TypeVar("Item")


@dataclass(slots=True)
class BatchResult:
    """The result of one batch. `fatal` concerns all items: refused credentials or a used-up quota."""

    calls: dict[str, date] = field(default_factory=dict)  # became pending calls: id and day
    runs: dict[str, tuple[date, str]] = field(default_factory=dict)  # reported as finished: run id, day and call id
    processed: int = 0  # webhooks and rechecks
    unknown: int = 0
    hidden: int = 0  # the list does not show them
    changed_days: set[date] = field(default_factory=set)  # of known calls that the list does not show any more
    given_up: int = 0
    problems: list[str] = field(default_factory=list)
    fatal: BaseException | None = None


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """The details of a call that is not known yet, until it has been looked up in the list."""

    item: InboxItem
    listed: ListedCall
    body: bytes


def for_each(
    items: Sequence[Item],
    work: Callable[[Item], None],
    result: BatchResult,
    release: Callable[[Sequence[Item]], None] = lambda _: None,
) -> None:
    """Process items in a few threads. After a fatal error the remaining ones are released."""

    def work_or_release(item: Item) -> None:
        if result.fatal is None:
            try:
                work(item)
                return
            except (CredentialsRefused, QuotaExhausted) as error:
                result.fatal = error
        release([item])

    if items:
        with ThreadPoolExecutor(REQUESTS_IN_FLIGHT, thread_name_prefix="webhooks") as pool:
            list(pool.map(work_or_release, items))
