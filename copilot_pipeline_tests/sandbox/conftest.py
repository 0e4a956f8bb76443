"""A running sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import httpx
import pytest

from copilot_pipeline.sandbox import Sandbox, SandboxOptions

FIRST_DAY = date(2026, 3, 6)
CLARI = {"X-Api-Key": "sandbox-key", "X-Api-Password": "sandbox-password"}
SEMARIZE = {"Authorization": "Bearer smz_test_sandbox"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with three days of calls, without rate limits."""
    with Sandbox(SandboxOptions(first_day=FIRST_DAY, days=3, calls_per_day=40, requests_per_second=None)) as running:
        yield running


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A client; all faults are off."""
    sandbox.set_faults()
    with httpx.Client(base_url=sandbox.url, headers={**CLARI, **SEMARIZE}) as client:
        yield client
