"""What the tables of a day are made from: the one place where an input is added.

A partition is rebuilt if one of its inputs differs from the one that it was made from. Inputs are compared as texts:
versions and hashes, never values that may be private. See "Add an input" in docs/architecture.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from copilot_pipeline import __version__
from copilot_pipeline.config.loading import Settings
from copilot_pipeline.load.lake import Lake
from copilot_pipeline.privacy.redaction.policy import redaction_input

Inputs = Mapping[str, str]

_PACKAGE = Path(__file__).resolve().parents[1]
# All code that shapes a row of the call tables or the score tables. A test compares it with what their modules import.
CALL_TABLE_CODE = ("clients", "load", "privacy", "transform")
SNAPSHOT_CODE = ("load", "privacy")
SCORE_TABLE_CODE = (*CALL_TABLE_CODE, "score")
# Sections of pipeline.yaml that change no row of these tables. A section that is not named here counts as an input.
_WITHOUT_EFFECT = frozenset(
    {"semarize", "polling", "budget", "sinks", "routes", "incidents", "marts", "advanced"},
)
_OF_SCORES_ONLY = frozenset({"kits"})


def call_table_inputs(settings: Settings) -> Inputs:
    """Return the inputs of the call tables that are the same for all days."""
    return {
        "code": code_version(CALL_TABLE_CODE),
        "settings": _settings_version(settings, _OF_SCORES_ONLY),
        "redaction": redaction_input(settings),
    }


def score_table_inputs(settings: Settings) -> Inputs:
    """Return the inputs of the score tables that are the same for all days."""
    return {"code": code_version(SCORE_TABLE_CODE), "settings": _settings_version(settings)}


def lake_inputs(lake: Lake) -> Inputs:
    """Return the inputs that belong to the lake: how it changes rows before they are written to both stores."""
    return {"private_columns": lake.private_columns.fingerprint}


@cache
def code_version(names: Sequence[str]) -> str:
    """Return a hash of source files, given as files and folders of this package.

    An upgrade that changes one of them lets the tables be rebuilt, also if it changes no row: a version that is written
    by hand would be forgotten. An installation without sources has the version of the package.
    """
    files = sorted(file for name in names for file in _files(_PACKAGE / name))
    if not files:
        return __version__
    content = hashlib.sha256()
    for file in files:
        content.update(f"{file.relative_to(_PACKAGE).as_posix()}\0".encode())
        content.update(file.read_bytes())
    return content.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for kind in ("*.py", "*.sql") for file in path.rglob(kind)]


def _settings_version(settings: Settings, without: frozenset[str] = frozenset()) -> str:
    pipeline = settings.pipeline.model_dump_json(exclude={*_WITHOUT_EFFECT, *without})
    return text_version(pipeline)


def text_version(text: str) -> str:
    """Return a hash of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
