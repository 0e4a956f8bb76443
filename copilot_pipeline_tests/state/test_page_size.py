"""The page size that the API accepts is stored, and grows again later."""

from __future__ import annotations

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline.state.page_size import PageSize


def age(database: Database, days: float) -> None:
    """Make the stored size so many days older."""
    with database.connection() as connection:
        connection.execute(
            """UPDATE copilot_ops.key_values SET value = split_part(value, ' ', 1) || ' '
              || (substring(value FROM ' (.*)')::timestamptz - make_interval(secs => %s))""",
            (days * 86_400,),
        )


def test_loads_the_size_that_was_saved_last(database: Database) -> None:
    """The maximum before any page was refused; else the last saved size, never more than the maximum."""
    sizes = PageSize(database)
    assert sizes.load(100) == 100
    sizes.save(50)
    sizes.save(25)
    assert PageSize(database).load(100) == 25
    assert sizes.load(9) == 9


@pytest.mark.parametrize(("days", "size"), [(6.9, 12), (7.1, 24), (14.1, 48), (21.1, 96), (28.1, 100), (9999, 100)])
def test_doubles_the_size_every_week(database: Database, days: float, size: int) -> None:
    """One error of a gateway does not make every later listing slower."""
    sizes = PageSize(database)
    sizes.save(12)
    age(database, days)
    assert sizes.load(100) == size
