"""Retired words of the glossary do not return: not as names, in messages, comments, SQL or documents."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent

# What to write instead is in docs/glossary.md.
RETIRED = {
    "anew", "anybody", "arrival", "arrivals", "door", "doors", "flood", "glance", "hint", "hints", "intake", "landed",
    "landing", "landings", "ledger", "ledgers", "loud", "mend", "mended", "nobody", "patience", "silenced", "slide",
    "slides", "somebody", "tabulate", "tabulated", "tabulating", "tally", "told", "valve", "whoever", "wish", "wishes",
}  # fmt: skip

# File, word and the reason why it may stay.
ALLOWED = {
    ("copilot_pipeline/cli/deliveries.py", "loud"): "deprecated option, removed in 0.3",
    ("copilot_pipeline/cli/deliveries.py", "silenced"): "former state, accepted until 0.3",
    ("copilot_pipeline/cli/routes.py", "loud"): "deprecated option, removed in 0.3",
    ("copilot_pipeline/cli/suppressed.py", "loud"): "deprecated option, removed in 0.3",
    ("copilot_pipeline/clients/clari/rest_record.py", "nobody"): "status of the vendor: NOBODY_JOINED_CALL",
    ("copilot_pipeline/sandbox/calls.py", "nobody"): "status of the vendor: NOBODY_JOINED_CALL",
    ("copilot_pipeline/sandbox/dialogue.py", "nobody"): "text of a made-up call",
    ("copilot_pipeline/sandbox/dialogue.py", "patience"): "text of a made-up call",
    ("copilot_pipeline/cli/sql.py", "hint"): "attribute of psycopg: message_hint",
    ("docs/licenses.md", "tabulate"): "the name of a package",
}

NAMES_THAT_CHANGED = {"CHANGELOG.md", "docs/glossary.md"}  # they list the old names beside the new ones
SOURCES = sorted(
    path
    for pattern in (
        "copilot_pipeline/**/*",
        "docs/**/*.md",
        "examples/**/*",
        "*.md",
        "*.yaml",
        "Makefile",
        ".env.example",
    )
    for path in ROOT.glob(pattern)
    if path.suffix in {".py", ".sql", ".j2", ".css", ".md", ".yaml", ".example", ""} and path.is_file()
)
# Released migrations are never edited; 0012 is the one that renames.
CHECKED = [
    path
    for path in SOURCES
    if "migrations/versions" not in path.as_posix() and path.relative_to(ROOT).as_posix() not in NAMES_THAT_CHANGED
]


def words_of(text: str) -> list[str]:
    """Split text into lower-case words, and names at underscores and capital letters."""
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())


def test_contains_no_retired_word() -> None:
    """In no line of any source; the message has the file and the line."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word}"
        for path in CHECKED
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for word in RETIRED.intersection(words_of(line))
        if (path.relative_to(ROOT).as_posix(), word) not in ALLOWED
    ]
    assert found == []


def test_every_exception_is_still_needed() -> None:
    """An allowed word that its file no longer contains must be removed from the list."""
    unused = [
        f"{file}: {word}" for file, word in ALLOWED if word not in words_of((ROOT / file).read_text(encoding="utf-8"))
    ]
    assert unused == []
