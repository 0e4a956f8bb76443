"""What commands import before they do their work."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

_HEAVY = ("dagster", "httpx", "numpy", "pandas", "pyarrow", "scipy", "slack_sdk", "sqlalchemy")
_PROGRAM = "import sys, copilot_pipeline.cli.{module}; print(*sys.modules)"


@pytest.mark.parametrize("module", ["budget", "sql"])
def test_commands_that_read_the_database_import_nothing_heavy(module: str) -> None:
    """Arrow, Dagster, the API clients and the deliveries are imported by the commands that use them."""
    command = [sys.executable, "-c", _PROGRAM.format(module=module)]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert f"copilot_pipeline.cli.{module}" in modules
    assert [name for name in _HEAVY if name in modules] == []
