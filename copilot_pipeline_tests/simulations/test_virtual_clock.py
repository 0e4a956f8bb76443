"""The virtual clock of the simulated year."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from copilot_pipeline_tests.simulations.virtual_clock import VirtualClock, is_available

SCRIPT = """
import time
from datetime import UTC, datetime, timedelta
from copilot_pipeline_tests.simulations.virtual_clock import advance_to

before, started = datetime.now(UTC), time.monotonic()
advance_to(before + timedelta(days=40))
advance_to(before + timedelta(days=39))
time.sleep(0.01)
print(round((datetime.now(UTC) - before) / timedelta(days=1)), round(time.monotonic() - started))
"""


@pytest.mark.e2e
@pytest.mark.skipif(not is_available(), reason="needs Linux and a C compiler")
def test_only_calendar_time_is_ahead(tmp_path: Path) -> None:
    """It never goes back; sleeping and the monotonic clock are real."""
    environment = {**os.environ, **VirtualClock(tmp_path).environment}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["40", "0"]
