"""The demo uses the example of pipeline.yaml, whatever is in the working folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_demo_ignores_a_pipeline_yaml_of_ones_own(tmp_path: Path) -> None:
    """Kits of another workspace do not exist in the sandbox: with them the demo would fail."""
    (tmp_path / "pipeline.yaml").write_text("kits: {mine: 0DDC0DE5}\n")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH") if name in os.environ}
    command = [
        sys.executable,
        "-m",
        "copilot_pipeline",
        "demo",
        "--calls-per-day",
        "2",
        "--home",
        str(tmp_path / "demo"),
    ]
    done = subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "kit_not_found" not in done.stderr + done.stdout
    assert list((tmp_path / "demo" / "lake" / "semarize_scores").glob("call_date=*/part.parquet"))
    assert "pipeline.example.yaml" in done.stdout
