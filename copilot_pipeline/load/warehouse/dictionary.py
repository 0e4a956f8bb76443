"""The data dictionary: every table and column in words, from the one column list. Run this module to print it."""

from __future__ import annotations

from collections.abc import Iterable

from copilot_pipeline.load.tables import (
    CALL_TABLES,
    MART_TABLES,
    RAW_CALL_DETAILS,
    REFERENCE_TABLES,
    SCORE_TABLES,
    Table,
)

_CHAPTERS: tuple[tuple[str, tuple[Table, ...]], ...] = (
    ("Calls", CALL_TABLES),
    ("Scores", SCORE_TABLES),
    ("Answers", MART_TABLES),
    ("Reference", REFERENCE_TABLES),
    ("Only in the lake", (RAW_CALL_DETAILS,)),
)
# What a reader needs before the first table.
_WORDS = {
    "the vendor": "Clari Copilot. Columns named `vendor_…` are its numbers; the same names without it are ours.",
    "rep, prospect": "the two sides of a call: a person of your own company, and one of another.",
    "kit, brick": "a kit is what Semarize scores a transcript with: a list of questions. A brick is one of them. "
    "`kit` is the name that `pipeline.yaml` gives it.",
    "score": "the answer to a brick on one call: yes or no, a number, a word, or a list; and why, with quotes.",
    "partition": "a day's part of a table, by the day of the call's time (UTC unless `timezone` says otherwise). "
    "Tables without one are whole, and made anew whole; where they have a `call_date`, it is that day all the same.",
    "deal, account": "the CRM's opportunity, and the company it is with.",
    "interval": "the range in which the true share lies in 95 of 100 such samples (Wilson's). Of few calls it is wide.",
    "slide": "a skill that stays below its threshold for several calls in a row, until it is back.",
    "gone": "no longer in the vendor's list. Rows of such a call stay, with `removed_at` set.",
}


def dictionary() -> str:
    """All of it as Markdown."""
    lines = [
        "# Data dictionary",
        "",
        "Every table stands in Postgres (schema `copilot`, with these sentences as comments) and in the lake",
        "(`<lake>/<table>/`, by `call_date=YYYY-MM-DD` where that is its partition). Made from the",
        "pipeline's column list by `python -m copilot_pipeline.load.warehouse.dictionary`; a test keeps it true.",
        "",
        "| word | means |",
        "| --- | --- |",
        *(f"| {word} | {meaning} |" for word, meaning in _WORDS.items()),
        "",
    ]
    for chapter, tables in _CHAPTERS:
        lines += [f"## {chapter}", ""]
        for table in tables:
            lines += _table(table)
    return "\n".join(lines)


def _table(table: Table) -> Iterable[str]:
    partition = " Partition: `call_date`." if table.partitioned else ""
    yield from (f"### {table.name}", "", f"{table.description} Key: {_names(table.key)}.{partition}", "")
    yield from ("| column | type | meaning |", "| --- | --- | --- |")
    for column in table.columns:
        kind = column.kind.postgres if column.required else f"{column.kind.postgres}, may be null"
        meaning = column.description.replace("|", "\\|")
        yield f"| `{column.name}` | {kind} | {meaning} |"
    yield ""


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    import sys

    sys.stdout.write(dictionary())
