"""Repeated problems are one line with a count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from copilot_pipeline.defs.partitions import shown
from copilot_pipeline.defs.problems import grouped

KIT = "kit_not_found ({}): publish WRONG1 in Semarize, or fix `kits.meddicc.code` in pipeline.yaml, line 12"


def test_sums_the_calls_of_a_kit_over_days() -> None:
    """924 calls of 14 days are one line with the place of the setting."""
    lines = [f"2026-11-{day:02}: kit meddicc: {KIT.format('66 calls')}" for day in range(1, 15)]
    assert grouped(lines) == [f"kit meddicc: {KIT.format('924 calls of 14 days, 2026-11-01 to 2026-11-14')}"]


def test_counts_the_calls_with_the_same_problem() -> None:
    """The first line of each problem determines the order; a problem that occurs once is unchanged."""
    lines = [
        "2026-11-02: call a: HTTP 503",
        "2026-11-01: call b, kit deal: HTTP 503",
        "2026-11-01: call c: HTTP 503",
        "2026-11-01: the file is missing",
        "raw_deals: failed",
        "raw_deals: failed",
    ]
    assert grouped(lines) == [
        "HTTP 503 (2 calls of 2 days, 2026-11-01 to 2026-11-02)",
        "2026-11-01: call b, kit deal: HTTP 503",
        "2026-11-01: the file is missing",
        "raw_deals: failed (2 times)",
    ]


@given(st.lists(st.text()))
def test_keeps_every_distinct_problem(lines: list[str]) -> None:
    """Any text is accepted; without repetition nothing changes, and grouping never makes the list longer."""
    result = grouped(lines)
    assert len(result) <= len(lines)
    assert bool(result) == bool(lines)
    assert grouped(lines[:1]) == lines[:1]


def test_call_ids_bring_no_control_codes_into_logs() -> None:
    """Dagster writes the lines to the terminal of `dev`."""
    (line,) = shown(grouped(["2026-11-02: call \x1b[2Jc\x9b1m\u202e: not ready"]))
    assert line == "2026-11-02: call \ufffd[2Jc\ufffd1m\ufffd: not ready"
