"""The data dictionary in the repository is the column list."""

from pathlib import Path

from copilot_pipeline.load.warehouse.dictionary import dictionary

FILE = Path(__file__).parents[3] / "docs" / "data-dictionary.md"


def test_the_dictionary_is_made_anew_when_a_column_changes() -> None:
    """`docs/data-dictionary.md` is what `python -m copilot_pipeline.load.warehouse.dictionary` prints."""
    assert FILE.read_text(encoding="utf-8") == dictionary()
