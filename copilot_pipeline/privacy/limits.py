"""The guards against an erasure that is abnormally large: by a name of many calls, or after a fault of a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_all, fetch_value

NORMAL_CALLS = 20
NORMAL_SHARE = 0.01
FEW_CALLS = 5  # of a day, or of a small installation: may all be removed
_SQL = load_queries(__package__, "search.sql")


@dataclass(frozen=True, slots=True)
class RemovedCall:
    """A call that the vendor's list does not show any more."""

    call_id: str
    call_date: date


@dataclass(frozen=True, slots=True)
class _Day:
    call_date: date
    calls: int


def check_number(database: Database, calls: int, more_than: int | None) -> None:
    """Raise `ConfigurationError` if so many calls would be removed that it must be confirmed with `--more-than`.

    More than 20 calls and more than 1 % of all are abnormal. The number that confirms them must be near: from half of
    theirs, so that a number in a script does not confirm everything.
    """
    normal = _normal(_all_calls(database))
    if calls <= normal or is_confirmed(calls, more_than):
        return
    raise ConfigurationError(
        f"{calls:,} calls would be removed, which is more than the {normal:,} of a normal erasure: check who is meant. "
        f"To remove them, add --more-than {calls - 1}"
    )


def is_confirmed(calls: int, more_than: int | None) -> bool:
    """Return whether a number confirms that so many calls are removed."""
    return more_than is not None and calls // 2 <= more_than < calls


def abnormal_removals(database: Database, removed: Sequence[RemovedCall]) -> str | None:
    """Return why removed calls are not erased without confirmation, None if they are few.

    A fault of the vendor's list looks like many removed calls. Abnormal are more than 20 calls and 1 % of all, and more
    than 5 calls that are more than half of their day or of all calls.
    """
    count, known = len(removed), _all_calls(database)
    normal = _normal(known)
    if count > normal:
        return f"more than the {normal:,} of a normal night"
    by_day = Counter(one.call_date for one in removed)
    with database.connection() as connection:
        days = fetch_all(connection, _Day, _SQL["calls_of_days"], {"days": sorted(by_day)})
    for day in days:
        if by_day[day.call_date] > FEW_CALLS and 2 * by_day[day.call_date] > day.calls:
            return f"{by_day[day.call_date]:,} of the {day.calls:,} calls of {day.call_date}"
    if count > FEW_CALLS and 2 * count > known:
        return f"more than half of all {known:,} calls"
    return None


def _normal(known: int) -> int:
    """Return how many of the known calls an erasure may remove without a confirmation."""
    return max(NORMAL_CALLS, round(NORMAL_SHARE * known))


def _all_calls(database: Database) -> int:
    with database.connection() as connection:
        return int(fetch_value(connection, _SQL["count_calls"]))
