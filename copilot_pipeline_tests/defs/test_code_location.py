"""A crashed run is reported when its code location can create its retry."""

from __future__ import annotations

import dagster as dg
import pytest

from copilot_pipeline.defs.code_location import CODE_SOCKET, SECONDS_TO_RELOAD, CodeLocations
from copilot_pipeline_tests.defs.code_locations import BROKEN, LOADED, answering, run_of
from copilot_pipeline_tests.ports import free_port


def test_a_retry_waits_until_the_code_location_has_been_back_for_a_while() -> None:
    """It is away, then loads with an error, then answers; the daemon needs a while to load it again."""
    port, now = free_port(), [1000.0]
    run, locations = run_of(port=port), CodeLocations(lambda: now[0])
    assert not locations.can_create_retry(run)
    now[0] += 2 * SECONDS_TO_RELOAD
    with answering(port, BROKEN):
        assert not locations.can_create_retry(run)
    with answering(port, LOADED):
        now[0] += SECONDS_TO_RELOAD / 2
        assert not locations.can_create_retry(run)
        now[0] += SECONDS_TO_RELOAD
        assert locations.can_create_retry(run)


def test_a_run_of_an_earlier_dev_does_not_wait_for_its_code_location(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket has another name than that of the present one, and never answers again."""
    monkeypatch.setenv(CODE_SOCKET, "/nowhere/present")
    assert CodeLocations().can_create_retry(run_of(socket="/nowhere/earlier"))
    assert not CodeLocations().can_create_retry(run_of(socket="/nowhere/present"))


def test_a_run_of_a_command_does_not_wait() -> None:
    """It has no code location."""
    assert CodeLocations().can_create_retry(dg.DagsterRun("call_partitions"))
