"""The data dictionary in the repository is up to date."""

from pathlib import Path

from copilot_pipeline.load.warehouse.dictionary import dictionary

FILE = Path(__file__).parents[3] / "docs" / "data-dictionary.md"


def test_data_dictionary_is_up_to_date() -> None:
    """To update the file, run `python -m copilot_pipeline.load.warehouse.dictionary > docs/data-dictionary.md`."""
    assert FILE.read_text(encoding="utf-8") == dictionary()
