"""A place without settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without files, and an environment without variables of the pipeline."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("CLARI_COPILOT_", "COPILOT_PIPELINE_", "SEMARIZE_", "SLACK_")):
            monkeypatch.delenv(name)
