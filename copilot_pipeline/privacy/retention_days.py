"""Remove the raw files and the texts of days that are older than allowed.

A day is marked before its files are removed. A run that is killed in between leaves the mark, and the next one removes
the rest. A marked day is not listed, fetched or built from its raw file again: its tables keep their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pyarrow as pa

from copilot_pipeline.load.lake import Lake
from copilot_pipeline.load.tables import (
    CALLS,
    COMPETITOR_MENTIONS,
    EVIDENCE,
    RAW_CALL_DETAILS,
    SEMARIZE_SCORES,
    TOPIC_MENTIONS,
    TRANSCRIPTS,
    UTTERANCES,
    Table,
)
from copilot_pipeline.postgres import Database
from copilot_pipeline.postgres.queries import load_queries
from copilot_pipeline.postgres.rows import fetch_values
from copilot_pipeline.state import PartitionStore

# What was said, or what a model wrote about it. Both lists are those of the statement `delete_texts`.
TEXT_TABLES = (TRANSCRIPTS, UTTERANCES, TOPIC_MENTIONS, COMPETITOR_MENTIONS, EVIDENCE)
TEXT_COLUMNS: tuple[tuple[Table, Sequence[str]], ...] = (
    (CALLS, ("summary", "takeaways", "summary_topics", "action_items", "competitor_sentiments")),
    (SEMARIZE_SCORES, ("reason", "evidence")),
)
_SQL = load_queries(__package__, "retention.sql")


class RetainedDays:
    """The days of the lake and the warehouse."""

    def __init__(self, database: Database, lake: Lake) -> None:
        self._database = database
        self._lake = lake
        self._partitions = PartitionStore(database)

    def with_raw(self, before: date) -> list[date]:
        """Return the days before a day that have a raw file, or may get one."""
        stored = {day for day in self._lake.days_of(RAW_CALL_DETAILS) if day < before}
        return sorted(stored | set(self._older(before, texts=False)))

    def with_texts(self, before: date) -> list[date]:
        """Return the days before a day of which the warehouse or the lake may have what was said."""
        return self._older(before, texts=True)

    def remove_raw(self, day: date) -> None:
        """Remove the raw file of a day, and what the state store has of its responses."""
        with self._partitions.lock(day):
            with self._database.transaction() as connection:
                connection.execute(_SQL["mark_raw_removed"], {"day": day})
                connection.execute(_SQL["delete_bodies"], {"day": day})
            self._lake.remove(RAW_CALL_DETAILS, day)

    def remove_texts(self, day: date) -> None:
        """Remove what was said on a day from the warehouse and the lake. Its calls, people and scores stay."""
        self.remove_raw(day)
        with self._partitions.lock(day):
            with self._database.transaction() as connection:
                for name in ("mark_texts_removed", "delete_texts", "delete_answers"):
                    connection.execute(_SQL[name], {"day": day})
            for table in TEXT_TABLES:
                if self._lake.exists(table, day):
                    with self._lake.writer(table, day):
                        pass
            for table, columns in TEXT_COLUMNS:
                self._blank(table, day, columns)
            with self._database.connection() as connection:
                connection.execute(_SQL["mark_lake_texts_removed"], {"day": day})

    def allow_raw(self, since: date) -> int:
        """Let days be fetched again whose raw files were removed by a shorter limit; return their number."""
        with self._database.connection() as connection:
            days: list[date] = fetch_values(connection, _SQL["days_allowed_again"], {"before": since})
        for day in days:
            with self._partitions.lock(day), self._database.connection() as connection:
                connection.execute(_SQL["allow_raw"], {"day": day})
        return len(days)

    def _older(self, before: date, *, texts: bool) -> list[date]:
        with self._database.connection() as connection:
            return fetch_values(connection, _SQL["days_older_than"], {"before": before, "texts": texts})

    def _blank(self, table: Table, day: date, columns: Sequence[str]) -> None:
        if not self._lake.exists(table, day):
            return
        with self._lake.writer(table, day) as writer:
            for rows in self._lake.batches(table, day):
                for name in columns:
                    position = rows.schema.get_field_index(name)
                    field = table.arrow_schema.field(name)
                    rows = rows.set_column(position, field, pa.nulls(rows.num_rows, field.type))
                if table is CALLS:
                    position = rows.schema.get_field_index("has_transcript")
                    none = pa.repeat(pa.scalar(False), rows.num_rows)
                    rows = rows.set_column(position, table.arrow_schema.field("has_transcript"), none)
                writer.append(rows)
