"""Files and folders that the pipeline writes, on a machine with other users."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from copilot_pipeline.private_files import create_private_folder, exposed_paths
from copilot_pipeline_tests.end_to_end.conftest import MakePipeline


def _modes(folder: Path) -> dict[str, str]:
    """Paths that others may open, with their modes. A socket is protected by its folder."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        mode = path.lstat().st_mode
        allowed = 0o700 if stat.S_ISDIR(mode) else 0o600
        if not stat.S_ISSOCK(mode) and stat.S_IMODE(mode) & ~allowed & 0o077:
            found[str(path.relative_to(folder))] = oct(mode)
    return found


def test_only_their_user_can_read_what_a_run_writes(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    """The lake, the embedded database with its logs and Dagster's files are readable by their own user only, although
    the caller's umask allows everything."""
    pipeline = make_pipeline(days=1, calls_per_day=2)
    environment = pipeline.environment(COPILOT_PIPELINE_HOME=str(tmp_path / "files"))
    del environment["COPILOT_PIPELINE_DATABASE_URL"]
    first, last = pipeline.days()
    done = subprocess.run(
        pipeline.command("run", "--from", first, "--to", last),
        env=environment,
        cwd=tmp_path,
        umask=0,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "files").iterdir()} >= {"lake", "postgres", "dagster"}
    assert _modes(tmp_path / "files") == {}


@pytest.mark.unit
def test_finds_what_others_can_open(tmp_path: Path) -> None:
    """Files in a folder that bars others are not reported, whatever their own mode; all others are, or one user's."""
    tmp_path.chmod(0o755)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    create_private_folder(tmp_path / "barred" / "deep")
    for name in ("open/readable", "barred/deep/readable", "private"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
    (tmp_path / "private").chmod(0o600)
    found = {str(path.relative_to(tmp_path)) for path in exposed_paths(tmp_path)}
    assert found == {".", "open", "open/readable"}
    assert len(list(exposed_paths(tmp_path, owner=os.getuid()))) == len(found)
    assert list(exposed_paths(tmp_path, owner=os.getuid() + 1)) == []
