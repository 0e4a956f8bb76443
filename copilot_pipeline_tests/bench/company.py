"""Fill the warehouse with the calls of a company of some size, by SQL: 100,000 calls with scores in a few minutes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries

NOW = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
DAYS = 366
DAYS_PER_INSERT = 31  # of utterances, 1.7 million rows at 200 for each of 100,000 calls
_SQL = load_queries(__package__, "company.sql")
_STATEMENTS = (
    "seed", "users", "user_history", "deals", "deal_history", "calls", "participants", "runs", "scores", "evidence",
)  # fmt: skip


def fill(
    database: Database,
    *,
    calls: int,
    deals: int,
    utterances: int,
    on_table: Callable[[str], None] = lambda name: None,
) -> None:
    """Add a year of calls. `utterances` is the number of each call."""
    sizes = {"now": NOW, "calls": calls, "deals": deals, "utterances": utterances}
    with database.connection() as connection:
        for name in _STATEMENTS:
            on_table(name)
            connection.execute(_SQL[name], sizes)
        first = (NOW - timedelta(days=DAYS)).date()
        for offset in range(0, DAYS if utterances else 0, DAYS_PER_INSERT):
            on_table("utterances")
            begin = first + timedelta(days=offset)
            end = begin + timedelta(days=DAYS_PER_INSERT - 1)
            connection.execute(_SQL["utterances"], {**sizes, "first": begin, "last": end})
        on_table("ANALYZE")
        connection.execute("ANALYZE")


def record_versions(database: Database) -> None:
    """Record a version of each day that has none, as a load does."""
    with database.connection() as connection:
        connection.execute(_SQL["versions"])
