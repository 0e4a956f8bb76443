"""Measure what a query of one old day reads of a table of a year, with different ways to find the day.

`python -m copilot_pipeline_tests.bench.old_days` loads a year of utterances day by day, as the pipeline does, measures,
rebuilds all days newest first, as after a change of code, and measures again. It prints blocks read of the table's
blocks, for ranges of blocks (BRIN), an exact index, and monthly partitions with ranges of blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import psycopg
from rich.console import Console

from copilot_pipeline_tests.database_server import start_server

FIRST = date(2026, 1, 1)
DAYS = 365
OLD_DAY = FIRST + timedelta(days=180)
ROWS_PER_DAY = 274 * 20
_CREATE = """CREATE TABLE {name} (call_id text, call_date date NOT NULL, utterance integer, text text,
  PRIMARY KEY (call_id, utterance{key})) {partitioned}"""
_INSERT = """INSERT INTO {name} SELECT md5(%(day)s::text || call), %(day)s, utterance, repeat('word ', 20)
FROM generate_series(1, 274) AS call, generate_series(1, 20) AS utterance"""


def main() -> None:
    """Load, rebuild, and print the figures."""
    with psycopg.connect(start_server(), autocommit=True) as connection:
        for name in ("ranges", "exact", "months"):
            _create(connection, name)
            days = [FIRST + timedelta(days=number) for number in range(DAYS)]
            _load(connection, name, days)
            loaded = _blocks(connection, name)
            for number, day in enumerate(reversed(days)):
                _load(connection, name, [day], replace=True)
                if number % 30 == 29:
                    connection.execute(f"VACUUM {name}".encode())  # in the place of autovacuum
            connection.execute(f"VACUUM ANALYZE {name}".encode())
            rebuilt = _share(_blocks(connection, name))
            Console().print(f"{name}: {_share(loaded)} after loading, {rebuilt} after a rebuild", highlight=False)


def _create(connection: psycopg.Connection[Any], name: str) -> None:
    is_partitioned = name == "months"
    partitioned = "PARTITION BY RANGE (call_date)" if is_partitioned else ""
    statement = _CREATE.format(name=name, key=", call_date" if is_partitioned else "", partitioned=partitioned)
    connection.execute(statement.encode())
    for first, end in _months() if is_partitioned else ():
        connection.execute(
            f"CREATE TABLE {name}_{first:%m} PARTITION OF {name} FOR VALUES FROM ('{first}') TO ('{end}')".encode()
        )
    method = "USING btree (call_date)" if name == "exact" else "USING brin (call_date) WITH (autosummarize)"
    connection.execute(f"CREATE INDEX ON {name} {method}".encode())


def _months() -> Iterator[tuple[date, date]]:
    firsts = [date(FIRST.year + month // 12, month % 12 + 1, 1) for month in range(13)]
    return pairwise(firsts)


def _load(connection: psycopg.Connection[Any], name: str, days: list[date], *, replace: bool = False) -> None:
    for day in days:
        with connection.transaction():
            if replace:
                connection.execute(f"DELETE FROM {name} WHERE call_date = %s".encode(), (day,))
            connection.execute(_INSERT.format(name=name).encode(), {"day": day})
    if not replace:
        connection.execute(f"VACUUM ANALYZE {name}".encode())


def _blocks(connection: psycopg.Connection[Any], name: str) -> tuple[int, int]:
    """Return the blocks that a query of an old day reads, of its index too, and the blocks of the whole table."""
    query = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM {name} WHERE call_date = %s"
    row = connection.execute(query.encode(), (OLD_DAY,)).fetchone()
    size = connection.execute(
        "SELECT sum(pg_relation_size(oid) / 8192)::int FROM pg_class WHERE relkind = 'r' AND relname ~ %s",
        (rf"^{name}(_\d+)?$",),
    ).fetchone()
    assert row is not None
    assert size is not None
    plan = row[0][0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], size[0]


def _share(blocks: tuple[int, int]) -> str:
    return f"{blocks[0]:,} of {blocks[1]:,} blocks ({blocks[0] / blocks[1]:.1%})"


if __name__ == "__main__":
    main()
