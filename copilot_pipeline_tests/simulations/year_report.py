"""The promises of a simulated year, with what was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import psycopg

from copilot_pipeline_tests.simulations.year_company import Options
from copilot_pipeline_tests.simulations.year_measures import KEPT, Meter, Statement

DETAILS = "rest /call-details"
AT_THE_END = "at the end: "
MAX_REQUESTS_PER_CALL = 1.03  # for details, with those of edited calls; lists and reference data are counted beside it
MAX_GROWTH = 1.3  # of the cost per call since the first week, and of tables since the first week with the history
MIN_ROWS = 500
_SOURCES = """
SELECT week_start::text, source, sum(requests)::int FROM copilot_ops.request_counts GROUP BY 1, 2 ORDER BY 1, 2
"""


def promises(options: Options, meter: Meter, url: str, final_ticks: int) -> dict[str, Any]:
    """Return the figures, and under `broken` the promises that they do not keep."""
    stats = meter.sandbox.stats()
    with psycopg.connect(url) as connection:
        counted = connection.execute(_SOURCES.encode()).fetchall()
    quota_used: defaultdict[str, int] = defaultdict(int)
    for week, _, requests in counted:
        quota_used[week] += requests
    figures = {
        "calls_fetched": len(stats["details_by_call"]),
        "requests_for_details_per_call": round(stats["details_total"] / max(1, len(stats["details_by_call"])), 4),
        "requests_by_week_and_source": [list(row) for row in counted],
        "requests_refused_for_the_week": stats["refused_for_the_week"],
        "slow_statements": _slow(meter.slow),
    }
    return {**figures, "broken": list(_broken(options, meter, figures, max(quota_used.values()), final_ticks))}


def _broken(
    options: Options, meter: Meter, figures: dict[str, Any], most_in_a_week: int, final_ticks: int
) -> Iterator[str]:
    if figures["requests_for_details_per_call"] > MAX_REQUESTS_PER_CALL:
        yield "requests for details per call"
    if most_in_a_week > options.quota or figures["requests_refused_for_the_week"]:
        yield f"the weekly quota: {most_in_a_week} of {options.quota}"
    first, last = meter.weeks[1 if len(meter.weeks) > 1 else 0], meter.weeks[-1]
    for table, rows in last.rows.items():
        if table != KEPT and rows > MAX_GROWTH * max(first.rows[table], MIN_ROWS):
            yield f"{table} grows: {first.rows[table]} rows after week {first.number}, {rows} after week {last.number}"
    # Most of a week's cost does not depend on its calls, so only weeks without calls of a backfill are compared.
    alike = [week for earlier, week in pairwise(meter.weeks) if not earlier.has_backfill]
    if alike and last.cpu_per_call > MAX_GROWTH * alike[0].cpu_per_call:
        yield f"the cost per call grows: {alike[0].cpu_per_call:.1f} ms, {last.cpu_per_call:.1f} ms"
    # A statement that is slow each time is slow; one that is slow once was delayed by the machine.
    for key, found in _by_statement(meter.slow).items():
        if key.startswith(AT_THE_END) and len(found) >= final_ticks:
            yield f"slow in a sensor: {key}"


def _slow(statements: Sequence[Statement]) -> dict[str, dict[str, int]]:
    """Return the slow statements by the step that executed them, with their number, the slowest first."""
    worst = sorted(_by_statement(statements).items(), key=lambda item: -max(item[1]))
    return {key: {"count": len(found), "worst_ms": round(max(found))} for key, found in worst[:50]}


def _by_statement(statements: Sequence[Statement]) -> dict[str, list[float]]:
    found: defaultdict[str, list[float]] = defaultdict(list)
    for statement in statements:
        found[f"{statement.step}: {statement.text[:160]}"].append(statement.milliseconds)
    return found
