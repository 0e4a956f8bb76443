"""A longer history than there is time to simulate: copies of the fetched calls, on earlier days."""

from __future__ import annotations

import psycopg

DAYS_BEFORE = 364  # of the copies, before the fetched history
_KEYS = ("call_id", "run_id", "idempotency_key", "transcript_hash")
_DATES = ("call_date", "stored_date")
# What is unfinished has no copies.
_NOT_COPIED = ("pending_calls", "unlinked_calls", "bodies", "quarantine", "replaced_runs", "stored_search_days")
_TABLES = """
SELECT table_schema, table_name, array_agg(column_name::text ORDER BY ordinal_position)
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema IN ('copilot', 'copilot_ops') AND table_type = 'BASE TABLE' AND is_generated = 'NEVER'
  AND is_identity = 'NO' AND table_name <> ALL(%s)
GROUP BY 1, 2 HAVING bool_or(column_name = 'call_date') ORDER BY 1, 2
"""
_COMPLETE = """
CREATE TEMPORARY TABLE complete ON COMMIT DROP AS
SELECT call_date FROM copilot_ops.partitions AS days
WHERE call_date BETWEEN %s AND %s AND loaded_at >= stored_at AND scored_at >= loaded_at
  AND NOT EXISTS (
    SELECT FROM copilot_ops.calls WHERE calls.call_date = days.call_date
      AND (is_dirty OR removed_at IS NOT NULL OR readiness = 'ready' AND fetched_version IS DISTINCT FROM version))
  AND NOT EXISTS (SELECT FROM copilot_ops.open_semarize_runs AS runs WHERE runs.call_date = days.call_date)
"""
_COUNTS = """
SELECT %s - count(*), count(*) FILTER (WHERE call_date IN (SELECT call_date FROM complete)) FROM copilot_ops.calls
"""


def copy_history(url: str, first: str, last: str, known_calls: int) -> int:
    """Copy everything about the complete days from `first` to `last`, again and again, to ranges of the year before.

    Stop at a number of known calls, and return it. Files in the lake are not copied: no step reads those of other days.
    """
    with psycopg.connect(url) as connection:
        connection.execute("SELECT set_config('copilot.is_loading', 'true', true)")
        connection.execute(_COMPLETE.encode(), (first, last))
        missing, available = connection.execute(_COUNTS.encode(), (known_calls,)).fetchall()[0]
        copies = max(0, missing // max(1, available))
        for schema, table, columns in connection.execute(_TABLES, (list(_NOT_COPIED),)).fetchall():
            chosen = ", ".join(_copied(column) for column in columns)
            connection.execute(
                f"""INSERT INTO {schema}.{table} ({", ".join(columns)}) SELECT {chosen}
                FROM {schema}.{table}, generate_series(1, {copies}) AS copy,
                  LATERAL (SELECT '{last}'::date - '{first}'::date + 1 AS length) AS range,
                  LATERAL (SELECT (1 + (copy - 1) % greatest(1, {DAYS_BEFORE} / length)) * length AS days) AS earlier
                WHERE call_date IN (SELECT call_date FROM complete) ON CONFLICT DO NOTHING""".encode()
            )
        row = connection.execute("SELECT count(*) FROM copilot_ops.calls").fetchone()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    assert row is not None
    return int(row[0])


def _copied(column: str) -> str:
    if column in _KEYS:
        return f"copy || ':' || {column}"
    if column == "next_attempt_at":  # of a call that is not ready: the vendor does not list its copies
        return "NULL"
    return f"{column} - days" if column in _DATES else column
