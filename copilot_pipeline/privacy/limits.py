"""The guard against an erasure that is abnormally large, such as one by a name that many calls have."""

from __future__ import annotations

from copilot_pipeline.errors import ConfigurationError
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_value

NORMAL_CALLS = 20
NORMAL_SHARE = 0.01
_SQL = load_queries(__package__, "search.sql")


def check_number(database: Database, calls: int, more_than: int | None) -> None:
    """Raise `ConfigurationError` if so many calls would be removed that it must be confirmed with `--more-than`.

    More than 20 calls and more than 1 % of all are abnormal. The number that confirms them must be near: from half of
    theirs, so that a number in a script does not confirm everything.
    """
    with database.connection() as connection:
        normal = max(NORMAL_CALLS, round(NORMAL_SHARE * int(fetch_value(connection, _SQL["count_calls"]))))
    if calls <= normal or (more_than is not None and calls // 2 <= more_than < calls):
        return
    raise ConfigurationError(
        f"{calls:,} calls would be removed, which is more than the {normal:,} of a normal erasure: check who is meant. "
        f"To remove them, add --more-than {calls - 1}"
    )
