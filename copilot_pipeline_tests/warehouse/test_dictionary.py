"""The data dictionary in the repository is the column list."""

from pathlib import Path

from copilot_pipeline.warehouse.dictionary import dictionary

FILE = Path(__file__).parent.parent.parent / "docs" / "data-dictionary.md"


def test_the_dictionary_is_made_anew_when_a_column_changes() -> None:
    """`python -m copilot_pipeline.warehouse.dictionary > docs/data-dictionary.md` was run after the last change."""
    assert FILE.read_text(encoding="utf-8") == dictionary()
