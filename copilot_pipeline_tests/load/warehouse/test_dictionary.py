"""The data dictionary in the repository is up to date."""

from pathlib import Path

from copilot_pipeline.load.warehouse.dictionary import dictionary

FILE = Path(__file__).parents[3] / "docs" / "data-dictionary.md"


def test_data_dictionary_is_up_to_date() -> None:
    """Update it with `python -m copilot_pipeline.load.warehouse.dictionary`."""
    assert FILE.read_text(encoding="utf-8") == dictionary()
