"""SQL files: every statement has a name and a comment, and mistakes are found when the file is read."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest

from copilot_pipeline.postgres.queries import load_queries

PACKAGE = Path(__file__).parents[2] / "copilot_pipeline"


def sql_files() -> list[Path]:
    """Return every SQL file but those of migrations."""
    return sorted(path for path in PACKAGE.rglob("*.sql") if "migrations" not in path.parts)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SELECT 1;", "no statement has a name"),
        ("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;", "named twice: one"),
        ("-- name: one\n-- Only a comment.\n", "statement one is empty"),
    ],
)
def test_a_malformed_file_is_refused(text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the file and the mistake."""
    package = tmp_path / f"package_{uuid.uuid4().hex}"  # Python keeps imported packages by name
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "queries.sql").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=problem):
        load_queries(package.name, "queries.sql")


@pytest.mark.parametrize("path", sql_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_statement_has_a_comment(path: Path) -> None:
    """The line after `-- name:` is a comment that describes the statement."""
    package = ".".join(("copilot_pipeline", *path.parent.relative_to(PACKAGE).parts))
    for name, statement in load_queries(package, path.name).items():
        assert re.match(r"-- \S", statement), f"{path.name}: {name} has no comment"
