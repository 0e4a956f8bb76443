"""A full disk and a folder that cannot be written are one sentence."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from copilot_pipeline_tests.cli.conftest import Command


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let writes of this process beyond a size fail, as on a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_one_sentence(command: Command, tmp_path: Path) -> None:
    """The file, the reason and the next step; the exit code says that it may be repeated."""
    page = tmp_path / "metrics.prom"
    command("status")  # creates the schema
    with largest_file(1000):
        result = command("metrics", "--textfile", str(page))
    assert result.code == 1
    assert "Free space" in result.err
    assert "File too large" in result.err
    assert "Traceback" not in result.err
    assert command("metrics", "--textfile", str(page)).code == 0
    assert b"copilot_pipeline_quota_limit_requests 100000.0" in page.read_bytes()


@pytest.mark.parametrize(
    ("variable", "arguments"),
    [
        ("DAGSTER_HOME", ("run", "--from", "2026-01-01", "--to", "2026-01-01")),
        ("COPILOT_PIPELINE_HOME", ("run", "--from", "2026-01-01", "--to", "2026-01-01")),
        ("COPILOT_PIPELINE_LAKE_URL", ("run", "--from", "2026-01-01", "--to", "2026-01-01")),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_sentence(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, arguments: tuple[str, ...]
) -> None:
    """Below a file no folder can be created, not even by root. The folder is named."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLARI_COPILOT_API_KEY", "k")
    monkeypatch.setenv("CLARI_COPILOT_API_PASSWORD", "p")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "file" / "below"))
    result = command(*arguments)
    assert result.code == 3
    assert str(tmp_path / "file" / "below") in result.err.replace("\n", "")
    assert "Traceback" not in result.err
