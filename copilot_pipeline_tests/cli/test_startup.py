"""What commands import before they do their work."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

_HEAVY = ("dagster", "httpx", "numpy", "pandas", "pyarrow", "scipy", "slack_sdk", "sqlalchemy")
_SELDOM_NEEDED = (
    "matplotlib", "pandas", "presidio_analyzer", "rapidfuzz", "scipy", "sklearn", "slack_sdk", "spacy", "statsmodels",
)  # fmt: skip
_EXIT_HANDLER = """
import atexit, sys
from copilot_pipeline.__main__ import run
atexit.register(print, "the exit handler ran")
sys.argv = ["copilot-pipeline", *{arguments}]
run()
"""
_PROGRAM = "import sys, copilot_pipeline.cli.{module}; print(*sys.modules)"


@pytest.mark.parametrize("module", ["budget", "search", "sql", "status"])
def test_commands_that_read_the_database_import_nothing_heavy(module: str) -> None:
    """Arrow, Dagster, the API clients and the deliveries are imported by the commands that use them."""
    command = [sys.executable, "-c", _PROGRAM.format(module=module)]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert f"copilot_pipeline.cli.{module}" in modules
    assert [name for name in _HEAVY if name in modules] == []


def test_a_run_lists_before_it_imports_dagster() -> None:
    """The first request waits for the API client and the lake, not for Dagster, SQLAlchemy and the definitions."""
    command = [sys.executable, "-c", _PROGRAM.format(module="process_days")]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "copilot_pipeline.extract.early_listing" in modules
    assert [name for name in ("dagster", "sqlalchemy", "copilot_pipeline.definitions") if name in modules] == []


def test_the_definitions_import_nothing_that_a_run_seldom_needs() -> None:
    """A run starts without the libraries of marts, messages, quotes and redaction."""
    command = [sys.executable, "-c", _PROGRAM.format(module="materialize, copilot_pipeline.definitions")]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "copilot_pipeline.definitions" in modules
    assert [name for name in _SELDOM_NEEDED if name in modules] == []


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("no-such-command", 2)])
def test_a_command_ends_with_its_code_output_and_exit_handlers(argument: str, code: int) -> None:
    """The process ends without freeing its objects, but not without what has to happen at its end."""
    program = _EXIT_HANDLER.format(arguments=[argument])
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == code
    assert argument.strip("-") in ended.stdout + ended.stderr
    assert "the exit handler ran" in ended.stdout
